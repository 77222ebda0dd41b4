"""Days as they come, one after another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from tests.training.drift.levels import DESCRIPTION, SAMPLES, days
from training.drift import NeverAlarm, Verdict
from training.drift.cusum import DetectorState
from training.drift.verdict import only_day
from training.journal import Journal
from training.likelihood import split_days
from training.loop.telemetry import Door
from training.loop.watching import SeenDayForm, Watch

DOOR = Door(description=DESCRIPTION, fewest_epochs=SAMPLES)


def live(count: int) -> list[Transitions]:
    """Days as from a source that numbers none of them."""
    every = [day for number in range(count) for day in split_days(days(1, 100 + number))]
    return [replace(day, episode=np.zeros(len(day), dtype=int)) for day in every]


def watch(folder: Path) -> Watch:
    return Watch({"never alarm": NeverAlarm()}, DOOR, Journal(folder))


def test_days_of_one_number_stay_days_of_their_own(tmp_path: Path) -> None:
    """Merged into one, three days of a change would be judged as one day three times as long."""
    watching, seen = watch(tmp_path), live(3)
    for number, day in enumerate(seen):
        watching.observe(f"day {number}", day)
    recent = split_days(watching.recent(2))
    assert [len(day) for day in recent] == [SAMPLES, SAMPLES]
    for told, day in zip(recent, seen[1:], strict=True):
        np.testing.assert_array_equal(told.outputs, day.outputs)
    again = watch(tmp_path).recent(2)
    np.testing.assert_array_equal(again.episode, watching.recent(2).episode)


def test_a_watch_that_kept_days_of_one_number_goes_on(tmp_path: Path) -> None:
    """Such days may stand in a journal already."""
    journal, form = Journal(tmp_path), SeenDayForm(description=DESCRIPTION)
    one = watch(tmp_path / "other").observe("day", live(1)[0])
    for number in range(2):
        journal.step(f"days/{number:05d}", lambda: one, form)
    assert len(split_days(watch(tmp_path).recent(2))) == 2


def test_a_number_of_its_own_is_kept(tmp_path: Path) -> None:
    """Residuals are drawn by it, so that a watch judges as a replay of the same days does."""
    watching = watch(tmp_path)
    for number in (7, 3, 5):
        watching.observe(f"day {number}", days(1, number))
    assert [int(day.telemetry.episode[0]) for day in watching.days] == [7, 3, 5]


def test_two_days_at_once_stay_two(tmp_path: Path) -> None:
    """They are refused by detectors, and must not pass for one because of their numbers."""
    watching = Watch({"never alarm": OneADay()}, DOOR, Journal(tmp_path))
    watching.observe("first", days(1, 7))
    with pytest.raises(InvalidDataset, match="2 days"):
        watching.observe("more", days(2, 7))


class OneADay(NeverAlarm):
    """Never alarms, and looks at one day at a time as the other detectors do."""

    def observe(self, state: DetectorState, day: Transitions) -> tuple[DetectorState, Verdict]:
        """No alarm."""
        only_day(self.measure(day))
        return NeverAlarm.observe(self, state, day)
