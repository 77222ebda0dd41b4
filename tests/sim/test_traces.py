from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.errors import InvalidVolumes
from sim.traces import Trace, read_trace

STAMPS = [
    "2024-06-03T09:10:30",
    "2024-06-01T09:00:00",
    "2024-06-01T10:59:59.5",
    "2024-06-01T09:00:00",
    "2024-06-03T09:05:00",
]


def _read(path: Path, **options: Any) -> Trace:
    given: dict[str, Any] = {"opening": "09:00", "slots": 4, "slot_minutes": 30} | options
    return read_trace(str(path), time_column="time", **given)


def _write(tmp_path: Path, stamps: list[str]) -> Path:
    path = tmp_path / "calls.csv"
    path.write_text("\n".join(["time", *stamps]))
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_customers_are_sorted_into_their_days_to_the_second(tmp_path: Path, suffix: str) -> None:
    """Rows may come in any order, two at once, on any day of the week; nothing is rounded."""
    path = _write(tmp_path, STAMPS)
    if suffix == "parquet":
        path = tmp_path / "calls.parquet"
        pd.DataFrame({"time": pd.to_datetime(STAMPS, format="ISO8601")}).to_parquet(path)
    trace = _read(path)
    assert trace.days == (date(2024, 6, 1), date(2024, 6, 3))
    assert trace.minutes == 120.0
    np.testing.assert_allclose(trace.times[0], [0.0, 0.0, 120 - 0.5 / 60], rtol=1e-12)
    np.testing.assert_allclose(trace.times[1], [5.0, 10.5], rtol=1e-12)
    assert trace.totals.tolist() == [3, 2]
    np.testing.assert_array_equal(trace.per_epoch((0.0, 10.0, 120.0)), [[2, 1], [1, 1]])


def test_every_line_that_is_no_arrival_is_named(tmp_path: Path) -> None:
    """Lines are counted as an editor does, blank ones too; the first five faults are enough."""
    faulty = ["2024-06-03T08:59", "", "soon", "2024-06-03T11:00", "a,b", *["?"] * 4]
    path = _write(tmp_path, [*STAMPS, *faulty])
    with pytest.raises(InvalidVolumes) as caught:
        _read(path)
    hours = "outside opening hours: the 4 slots of 30 minutes begin at 09:00; change them"
    assert str(caught.value) == (
        f"{path}: 8 faults; the first:\n"
        f"  line 7: 2024-06-03 08:59:00 is {hours}, or drop the row\n"
        "  line 9: time 'soon': give an ISO 8601 timestamp\n"
        f"  line 10: 2024-06-03 11:00:00 is {hours}, or drop the row\n"
        "  line 11: 2 fields, where the header has 1\n"
        "  line 12: time '?': give an ISO 8601 timestamp"
    )


def test_customers_of_both_passes_of_an_hour_share_it(tmp_path: Path) -> None:
    """01:20 happens twice when clocks go back, so the hour has the customers of both."""
    stamps = ["2024-10-27T02:20+02:00", "2024-10-27T02:10+01:00", "2024-10-27T03:00+01:00"]
    trace = _read(
        _write(tmp_path, stamps),
        opening="00:00",
        slots=24,
        slot_minutes=60,
        time_zone="Europe/Berlin",
    )
    assert trace.times[0].tolist() == [130.0, 140.0, 180.0]


def test_a_customer_at_a_time_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """A log that is truly local has no such stamp; one in UTC must not be read as local."""
    path = _write(tmp_path, ["2024-03-31T02:20", "2024-03-31T03:20"])
    options = {"opening": "00:00", "slots": 24, "slot_minutes": 60}
    with pytest.raises(InvalidVolumes, match="line 2: time '2024-03-31T02:20' does not exist"):
        _read(path, time_zone="Europe/Berlin", **options)
    assert _read(path, **options).times[0].tolist() == [140.0, 200.0]


def test_a_file_without_a_readable_row_is_refused(tmp_path: Path) -> None:
    """A header alone, or with broken lines below it, is an export that went wrong."""
    with pytest.raises(InvalidVolumes, match="no rows"):
        _read(_write(tmp_path, []))
    with pytest.raises(InvalidVolumes, match=r"line 2: 2 fields, where the header has 1$"):
        _read(_write(tmp_path, ["a,b"]))


def test_traces_that_cannot_be_met_are_refused() -> None:
    """Times before opening, after close or out of order would confuse the engine's clock."""
    days = (date(2024, 6, 1),)
    for times in ([-1.0], [120.0], [3.0, 2.0], [np.nan]):
        with pytest.raises(InvalidVolumes, match="times of 2024-06-01: give them rising, from 0"):
            Trace(days=days, times=(np.array(times),), minutes=120.0)
    with pytest.raises(InvalidVolumes, match="1 days and 0 lists of times"):
        Trace(days=days, times=(), minutes=120.0)
