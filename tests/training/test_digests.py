"""A digest tells values apart by all that they are made of, and is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from training.digests import digest_of


@dataclass(frozen=True)
class Number:
    """A dataclass."""

    value: int


class Recipe:
    """A plain class, as people write them."""

    def __init__(self, staff: int) -> None:
        self.staff, self.hall = staff, {"doors", "desks", "phones"}

    def __call__(self) -> int:
        """What is built."""
        return self.staff

    @cached_property
    def plan(self) -> str:
        """Worked out when it is asked for."""
        return "x" * self.staff


class Slotted:
    """One without a dictionary."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value


def test_a_digest_tells_values_by_all_that_is_in_them() -> None:
    """A step of other data must not be read back, one of the same data made anew must be."""
    days = {"wait": np.array([1.0, 2.0]), "who": np.array(["a", "b"]), "of": Number(1)}
    same = {"of": Number(1), "who": np.array(["a", "b"], object), "wait": np.array([1, 2])}
    assert digest_of(days) == digest_of(same)
    others = (
        {**days, "wait": np.array([1.0, 2.1])},
        {**days, "wait": np.array([[1.0, 2.0]])},
        {**days, "who": np.array(["a", "c"])},
        {**days, "of": Number(2)},
        {**days, "of": partial(Number, 1)},
    )
    assert len({digest_of(each) for each in (days, *others)}) == 6
    assert digest_of(partial(Number, 1)) != digest_of(partial(Number, 2))


def test_what_builds_a_simulator_counts_with_all_that_it_was_given() -> None:
    """Whoever changes a number in a recipe must not be given back what the old one had made."""

    def built(staff: int, rooms: int = 1) -> Callable[[], int]:
        return lambda: staff * rooms

    def other(staff: int) -> Callable[[], int]:
        return lambda: staff + 1

    told = [Recipe(5), Recipe(6), Recipe(5).__call__, built(5), built(6), built(5, 2), other(5)]
    told += [Path("a"), Path("b"), Slotted(1), Slotted(2), {1, 2}, {1, 3}]
    assert len({digest_of(each) for each in told}) == len(told)
    assert digest_of(Recipe(5)) == digest_of(Recipe(5))
    assert digest_of(built(5)) == digest_of(built(5))
    assert digest_of(Slotted(2)) == digest_of(Slotted(2))


def test_what_an_object_has_worked_out_does_not_count() -> None:
    """A recipe that was used is the same recipe."""
    used = Recipe(5)
    assert used.plan == "xxxxx"
    assert digest_of(used) == digest_of(Recipe(5))


def test_circles_end_and_what_cannot_be_told_is_told_by_its_class() -> None:
    """Neither keeps a job from being resumed."""
    circle: list[Any] = [1]
    circle.append(circle)
    assert digest_of(circle) != digest_of([1, [1]])
    recipe = Recipe(5)
    recipe.lock = recipe.itself = Lock(), recipe  # type: ignore[attr-defined]
    assert digest_of(recipe) != digest_of(Recipe(5))
    assert digest_of(Lock()) == digest_of(Lock())


def test_another_process_tells_the_same() -> None:
    """Sets and hashes have another order there."""
    program = (
        "from tests.training.test_digests import Recipe;from training.digests import digest_of;"
        "print(digest_of(Recipe(5), lambda x: x in {'a', 'b', 'c'} and {'d', x}))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1
