"""What a day of telemetry has to be before anybody looks at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from surrogates.dataset import Transitions, concatenate
from surrogates.errors import InvalidDataset
from tests.training.conftest import SmallCentre
from training.likelihood import split_days
from training.loop.telemetry import Door

Spoil = Callable[[Transitions], Transitions]


@pytest.fixture(scope="module")
def day(small_centre: SmallCentre) -> Transitions:
    """A day of the small centre."""
    return split_days(small_centre.in_control)[0]


@pytest.fixture(scope="module")
def door(small_centre: SmallCentre) -> Door:
    """Of the small centre, whose days are all whole."""
    return Door.of(small_centre.system.describe(), small_centre.in_control)


def with_value(group: str, column: int, value: float) -> Spoil:
    """The third epoch has this number."""

    def spoil(day: Transitions) -> Transitions:
        values = getattr(day, group).copy()
        values[2, column] = value
        return replace(day, **{group: values})

    return spoil


def narrower(day: Transitions) -> Transitions:
    """A component of the state is left out."""
    return replace(day, state=day.state[:, :-1], next_state=day.next_state[:, :-1])


def of_another_system(day: Transitions) -> Transitions:
    """With an output more."""
    return replace(day, outputs=np.column_stack([day.outputs, day.outputs[:, 0]]))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda day: day.take(np.arange(3)), "3 epochs, a day has 8: send it whole"),
        (lambda day: day.take(np.arange(0)), "0 epochs, a day has 8"),
        (lambda day: concatenate([day, day]), "16 epochs, a day has 8"),
        (with_value("outputs", 0, np.nan), "row 2 of outputs holds a non-finite number"),
        (with_value("state", 0, -1.0), "row 2 of state has .* at -1: a count is whole and 0"),
        (with_value("outputs", 0, -50.0), "row 2 of outputs has .* at -50: a count is whole and 0"),
        (narrower, "state of shape"),
        (of_another_system, "outputs of shape"),
    ],
)
def test_what_is_no_day_of_the_system_is_refused(
    door: Door, day: Transitions, spoil: Spoil, told: str
) -> None:
    """A detector would take it for a change of the system."""
    with pytest.raises(InvalidDataset, match=rf"day 'monday': .*{told}"):
        door.refuse("monday", spoil(day))


def test_a_day_passes(door: Door, day: Transitions) -> None:
    """What the simulator shows is what telemetry looks like."""
    door.refuse("monday", day)


def test_days_that_end_when_they_like_may_be_short(day: Transitions, door: Door) -> None:
    """A simulator may end a day before its last epoch; nobody knows then where one lacks some."""
    days = concatenate([day.take(np.arange(5)), replace(day, episode=day.episode + 1)])
    ending = Door.of(door.description, days)
    ending.refuse("monday", day.take(np.arange(3)))
    with pytest.raises(InvalidDataset, match="0 epochs, a day has 1 to 8"):
        ending.refuse("monday", day.take(np.arange(0)))
