"""Clocks of New York and Berlin: forward on 10 and 31 March 2024, back on 3 Nov and 27 Oct."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.errors import InvalidVolumes
from sim.volume_files import read_volumes
from sim.volumes import Volumes

NEW_YORK = "America/New_York"
FORWARD, BACK = date(2024, 3, 10), date(2024, 11, 3)


def _whole_day(day: date, zone: str) -> pd.DatetimeIndex:
    """Every hour that passed between two midnights, 23 or 25 on a day of change."""
    start = pd.Timestamp(day)
    return pd.date_range(start, start + pd.Timedelta(days=1), freq="h", tz=zone, inclusive="left")


def _read(
    tmp_path: Path,
    rows: list[str],
    *,
    time_zone: str | None,
    gaps: str = "refuse",
    opening: str = "00:00",
    slots: int = 24,
) -> Volumes:
    path = tmp_path / "calls.csv"
    path.write_text("\n".join(["time,calls", *rows]))
    return read_volumes(
        str(path),
        time_column="time",
        count_column="calls",
        opening=opening,
        slots=slots,
        slot_minutes=60,
        time_zone=time_zone,
        gaps=gaps,
        weekends=True,
    )


def _written(hours: pd.DatetimeIndex, form: str) -> list[str]:
    """Hour k with count k + 1: with offsets, in UTC, or on the local clock."""
    if form == "utc":
        hours = hours.tz_convert("UTC")
    stamps = [hour.isoformat() for hour in hours]
    if form == "local":
        stamps = [stamp[:19] for stamp in stamps]
    return [f"{stamp},{k + 1}" for k, stamp in enumerate(stamps)]


@pytest.mark.parametrize("form", ["offset", "utc", "local"])
@pytest.mark.parametrize("gaps", ["refuse", "zero", "interpolate", "drop_day"])
def test_an_hour_that_the_clock_jumps_over_has_nobody(tmp_path: Path, form: str, gaps: str) -> None:
    """At 02:00 it is 03:00: the slot does not exist, which is no gap and hides no customer."""
    rows = _written(_whole_day(FORWARD, NEW_YORK), form)
    volumes = _read(tmp_path, rows, time_zone=NEW_YORK, gaps=gaps)
    assert volumes.days == (FORWARD,)
    assert volumes.counts[0].tolist() == [1, 2, 0, *range(3, 24)]


@pytest.mark.parametrize("form", ["offset", "utc", "local"])
def test_an_hour_that_passes_twice_has_the_customers_of_both(tmp_path: Path, form: str) -> None:
    """From 01:00 to 02:00 the clock passes twice, and the slot is the sum of counts 2 and 3."""
    rows = _written(_whole_day(BACK, NEW_YORK), form)
    assert len(rows) == 25
    volumes = _read(tmp_path, rows, time_zone=NEW_YORK)
    assert volumes.counts[0].tolist() == [1, 5, *range(4, 26)]


def test_neighbours_of_a_gap_are_slots_that_exist(tmp_path: Path) -> None:
    """01:00 is missing on the day of change: its neighbours are 00:00 and 03:00, counts 1 and 3."""
    rows = _written(_whole_day(FORWARD, NEW_YORK), "offset")
    del rows[1]
    volumes = _read(tmp_path, rows, time_zone=NEW_YORK, gaps="interpolate")
    assert volumes.counts[0].tolist() == [1, 2, 0, *range(3, 24)]


def test_a_real_gap_on_a_day_of_change_is_still_one(tmp_path: Path) -> None:
    """Only the hour that did not exist is excused."""
    rows = _written(_whole_day(FORWARD, NEW_YORK), "offset")[:-1]
    with pytest.raises(InvalidVolumes, match="1 of 24 slots missing on 2024-03-10"):
        _read(tmp_path, rows, time_zone=NEW_YORK)


def test_a_time_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """02:30 on a morning without it is a fault of the export that we cannot place."""
    rows = ["2024-03-10T02:00,7", *_written(_whole_day(FORWARD, NEW_YORK), "offset")]
    with pytest.raises(InvalidVolumes) as caught:
        _read(tmp_path, rows, time_zone=NEW_YORK)
    assert "line 2: time '2024-03-10T02:00' does not exist in America/New_York" in str(caught.value)


@pytest.mark.parametrize("form", ["offset", "local"])
def test_a_third_pass_of_the_repeated_hour_stands_twice(tmp_path: Path, form: str) -> None:
    """The clock passes it twice; a third row is one of the two again."""
    rows = _written(_whole_day(BACK, NEW_YORK), form)
    rows.append(rows[1])
    with pytest.raises(InvalidVolumes, match="line 27: 2024-11-03 01:00:00 stands twice"):
        _read(tmp_path, rows, time_zone=NEW_YORK)


def test_without_a_zone_days_of_change_are_ordinary_ones(tmp_path: Path) -> None:
    """A file on the local clock with every hour of it needs no zone, whatever suffix it has."""
    for suffix in ("", "Z", "-05:00", "+0100", " +01"):
        rows = [f"2024-03-10T{hour:02d}:00{suffix},{hour}" for hour in range(24)]
        volumes = _read(tmp_path, rows, time_zone=None)
        assert volumes.counts[0].tolist() == list(range(24))
    rows = [f"2024-03-10T{hour:02d}:00,1" for hour in [*range(7), *range(6, 24)]]
    with pytest.raises(InvalidVolumes, match="line 9: 2024-03-10 06:00:00 stands twice"):
        _read(tmp_path, rows, time_zone=None)


def test_offsets_are_converted_and_stamps_without_one_are_local(tmp_path: Path) -> None:
    """09:00 in Berlin is 07:00 UTC in summer and 03:00 in New York; one file may mix the three."""
    rows = [
        "2024-07-01T07:00Z,1",
        "2024-07-01T04:00-04:00,2",
        "2024-07-01T11:00,3",
        "2024-07-01 12:00:00.000+0200,4",
        "2024-07-01T11:00+00,5",
    ]
    volumes = _read(tmp_path, rows, time_zone="Europe/Berlin", opening="09:00", slots=5)
    assert volumes.counts.tolist() == [[1, 2, 3, 4, 5]]


def test_opening_hours_may_pass_midnight(tmp_path: Path) -> None:
    """A night shift belongs to the evening on which it began."""
    rows = ["2024-07-01T22:00,1", "2024-07-01T23:00,2", "2024-07-02T00:00,3", "2024-07-02T01:00,4"]
    volumes = _read(tmp_path, rows, time_zone=None, opening="22:00", slots=4)
    assert volumes.days == (date(2024, 7, 1),)
    assert volumes.counts.tolist() == [[1, 2, 3, 4]]
    with pytest.raises(InvalidVolumes, match="line 6: 2024-07-02 02:00:00 is no slot"):
        _read(tmp_path, [*rows, "2024-07-02T02:00,5"], time_zone=None, opening="22:00", slots=4)


@pytest.mark.parametrize("zone", [None, NEW_YORK, "UTC"])
def test_typed_stamps_of_parquet_mean_what_written_ones_do(
    tmp_path: Path, zone: str | None
) -> None:
    """A data frame's times may have no zone, that of the system or UTC; its user's day is one."""
    hours = _whole_day(BACK, NEW_YORK)
    times = hours.tz_localize(None) if zone is None else hours.tz_convert(zone)
    path = tmp_path / "calls.parquet"
    pd.DataFrame({"time": times, "calls": np.arange(1, 26)}).to_parquet(path)
    volumes = read_volumes(
        str(path),
        time_column="time",
        count_column="calls",
        opening="00:00",
        slots=24,
        slot_minutes=60,
        time_zone=NEW_YORK,
        weekends=True,
    )
    assert volumes.days == (BACK,)
    assert volumes.counts[0].tolist() == [1, 5, *range(4, 26)]


def test_typed_stamps_without_a_zone_to_convert_to_stay_on_their_clock(tmp_path: Path) -> None:
    """As with written suffixes: whoever names no zone means the times as they stand."""
    times = pd.date_range("2024-07-01 09:00", periods=3, freq="h", tz="Asia/Tokyo")
    path = tmp_path / "calls.parquet"
    pd.DataFrame({"time": times, "calls": [1, 2, 3]}).to_parquet(path)
    volumes = read_volumes(
        str(path),
        time_column="time",
        count_column="calls",
        opening="09:00",
        slots=3,
        slot_minutes=60,
    )
    assert volumes.counts.tolist() == [[1, 2, 3]]
