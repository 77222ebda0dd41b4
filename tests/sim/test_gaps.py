from datetime import date
from pathlib import Path

import numpy as np
import pytest

from sim.errors import InvalidVolumes
from sim.volume_files import read_volumes
from sim.volumes import Volumes

MONDAY, TUESDAY = date(2024, 6, 3), date(2024, 6, 4)


def _read(tmp_path: Path, monday: dict[str, int], tuesday: dict[str, int], gaps: str) -> Volumes:
    """Two days of six slots of ten minutes from 09:00."""
    rows = [f"2024-06-03T{time},{count}" for time, count in monday.items()]
    rows += [f"2024-06-04T{time},{count}" for time, count in tuesday.items()]
    path = tmp_path / "calls.csv"
    path.write_text("\n".join(["time,calls", *rows]))
    return read_volumes(
        str(path),
        time_column="time",
        count_column="calls",
        opening="09:00",
        slots=6,
        slot_minutes=10,
        gaps=gaps,
    )


WHOLE = {"09:00": 1, "09:10": 2, "09:20": 3, "09:30": 4, "09:40": 5, "09:50": 6}
HOLES = {"09:10": 4, "09:20": 9, "09:40": 2}


def test_gaps_are_refused_unless_something_else_is_asked_for(tmp_path: Path) -> None:
    """A gap filled without a word would become a fact in every result."""
    with pytest.raises(InvalidVolumes) as caught:
        _read(tmp_path, HOLES, {"09:00": 1}, "refuse")
    assert "2 faults:\n  3 of 6 slots missing on 2024-06-03: fill" in str(caught.value)
    assert "\n  5 of 6 slots missing on 2024-06-04: fill" in str(caught.value)


@pytest.mark.parametrize(
    ("gaps", "filled"),
    [("zero", [0, 4, 9, 0, 2, 0]), ("interpolate", [4, 4, 9, 6, 2, 2])],
)
def test_gaps_are_filled_from_their_own_day(tmp_path: Path, gaps: str, filled: list[int]) -> None:
    """The mean of 9 and 2, rounded to even, is 6; at the edges there is one neighbour only."""
    for first, second, row in ((HOLES, WHOLE, 0), (WHOLE, HOLES, 1)):
        volumes = _read(tmp_path, first, second, gaps)
        assert volumes.counts[row].tolist() == filled
        assert volumes.counts[1 - row].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_long_gap_has_the_mean_of_its_nearest_neighbours(tmp_path: Path) -> None:
    """All of it lies between the same two recorded slots."""
    volumes = _read(tmp_path, {"09:00": 2, "09:50": 10}, WHOLE, "interpolate")
    assert volumes.counts[0].tolist() == [2, 6, 6, 6, 6, 10]


def test_days_with_gaps_can_be_dropped(tmp_path: Path) -> None:
    """What is left is recorded as it was; nothing left is refused."""
    volumes = _read(tmp_path, HOLES, WHOLE, "drop_day")
    assert volumes.days == (TUESDAY,)
    assert volumes.counts.tolist() == [[1, 2, 3, 4, 5, 6]]
    with pytest.raises(InvalidVolumes, match="every day has a gap"):
        _read(tmp_path, HOLES, HOLES, "drop_day")


@pytest.mark.parametrize("gaps", ["refuse", "zero", "interpolate", "drop_day"])
def test_a_whole_missing_day_is_a_day_on_which_nobody_opened(tmp_path: Path, gaps: str) -> None:
    """Holidays are in every series, and nothing in it says what would have come."""
    volumes = _read(tmp_path, WHOLE, {}, gaps)
    assert volumes.days == (MONDAY,)
    np.testing.assert_array_equal(volumes.counts, [[1, 2, 3, 4, 5, 6]])
