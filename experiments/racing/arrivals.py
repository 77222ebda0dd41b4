"""From rows to the time that each arm took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.racing.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One arm over its seeds."""

    arm: str
    seconds: tuple[float | None, ...]
    """By seed, wall-clock until then; None where it was not reached."""
    bounds: tuple[float, ...]
    """By seed, how long it was given."""
    epochs: tuple[float, ...]
    """By seed, true epochs until then, or in all."""
    best: tuple[float, ...]
    """By seed, the least cost of a checkpoint."""
    last: tuple[float, ...]
    """By seed, the cost of the last checkpoint."""

    @property
    def reached(self) -> int:
        """Seeds that got there."""
        return sum(s is not None for s in self.seconds)

    @property
    def at_least(self) -> float:
        """Median wall-clock, those that did not get there counted at their bound."""
        pairs = zip(self.seconds, self.bounds, strict=True)
        return float(np.median([bound if s is None else s for s, bound in pairs]))


def current(rows: Sequence[Row], race: str, digest: str) -> list[Row]:
    """The rows of a race as it is set now."""
    return [row for row in rows if (row.race, row.digest) == (race, digest)]


def known_costs(rows: Sequence[Row]) -> list[float]:
    """Of every checkpoint and of everybody who is compared."""
    curves = [point[2] for row in rows for point in row.curve]
    return curves + [cost for row in rows for cost in row.costs.values()]


def arrivals(rows: Sequence[Row], cost: float) -> list[Arrival]:
    """When each arm, by name, had a policy of that cost or less."""
    arms = sorted({row.arm for row in rows if row.curve})
    return [_arrival([row for row in rows if row.arm == arm], arm, cost) for arm in arms]


def _arrival(rows: Sequence[Row], arm: str, cost: float) -> Arrival:
    ordered = sorted(rows, key=lambda row: row.seed)
    first = [_first(row, cost) for row in ordered]
    return Arrival(
        arm=arm,
        seconds=tuple(None if point is None else point[0] for point in first),
        bounds=tuple(row.curve[-1][0] for row in ordered),
        epochs=tuple(
            (point or row.curve[-1])[1] for point, row in zip(first, ordered, strict=True)
        ),
        best=tuple(min(point[2] for point in row.curve) for row in ordered),
        last=tuple(row.curve[-1][2] for row in ordered),
    )


def _first(row: Row, cost: float) -> list[float] | None:
    return next((point for point in row.curve if point[2] <= cost), None)
