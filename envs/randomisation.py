"""Which parameters an episode has: the same ones always, or others in each.

A policy that has met a range of systems is ready for any of them; where it also sees the
parameters (`envs.conditioning`), it can act differently in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import scipy
from jaxtyping import Float

from sim.description import Description
from sim.errors import InvalidParameters, suggestion

_ROUNDING = 1e-9
"""Share of a bound by which an estimate that stopped at it may lie beyond."""


@runtime_checkable
class ParameterDraws(Protocol):
    """Parameters of episodes that begin."""

    def __call__(
        self, count: int, random: np.random.Generator
    ) -> Float[np.ndarray, "count parameter"]:
        """One row for each episode."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedParameters:
    """The same parameters in every episode."""

    values: Float[np.ndarray, "parameter"]

    def __call__(
        self, count: int, random: np.random.Generator
    ) -> Float[np.ndarray, "count parameter"]:
        """The values, in each row; nothing is drawn."""
        del random
        return np.broadcast_to(self.values, (count, len(self.values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformParameters:
    """Parameters drawn evenly from a box."""

    low: Float[np.ndarray, "parameter"]
    high: Float[np.ndarray, "parameter"]

    def __post_init__(self) -> None:
        _refuse_empty(self.low, self.high)

    @classmethod
    def of(
        cls, description: Description, ranges: dict[str, tuple[float, float]] | None = None
    ) -> UniformParameters:
        """The whole box of a system; or the ranges named, and all else at its nominal value.

        Raises InvalidParameters for an unknown name or a range that leaves the box.
        """
        low, high = _box(description) if ranges is None else _ranges(description, ranges)
        return cls(low=low, high=high)

    def __call__(
        self, count: int, random: np.random.Generator
    ) -> Float[np.ndarray, "count parameter"]:
        """Independent rows."""
        points = random.random((count, len(self.low)))
        return np.asarray(self.low + points * (self.high - self.low))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadParameters:
    """Parameters spread over a box: those of episodes that begin together leave no gaps.

    A scrambled Sobol design of each call, so that every row alone is uniform. Worth its
    milliseconds where thousands of episodes begin at once.
    """

    box: UniformParameters

    def __call__(
        self, count: int, random: np.random.Generator
    ) -> Float[np.ndarray, "count parameter"]:
        """Rows that keep away from one another."""
        low, high = self.box.low, self.box.high
        if not len(low) or not count:
            return np.zeros((count, len(low)))
        power = int(np.ceil(np.log2(count)))
        points = scipy.stats.qmc.Sobol(len(low), rng=random).random_base2(power)
        # Rows are dealt at random, or the same copies would always get the same corner.
        return np.asarray(low + random.permutation(points)[:count] * (high - low))


@dataclass(frozen=True, slots=True, kw_only=True)
class NearBelief:
    """Parameters around what is believed of the system, as unsure as the belief is.

    Normal deviations, held inside the box of the description.
    """

    mean: Float[np.ndarray, "parameter"]
    deviation: Float[np.ndarray, "parameter"]
    box: UniformParameters

    def __post_init__(self) -> None:
        if not (self.deviation >= 0).all():
            raise InvalidParameters(f"deviations {self.deviation}: give numbers of 0 or more")

    def __call__(
        self, count: int, random: np.random.Generator
    ) -> Float[np.ndarray, "count parameter"]:
        """Independent rows."""
        drawn = random.normal(self.mean, self.deviation, (count, len(self.mean)))
        return np.clip(drawn, self.box.low, self.box.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinBox:
    """The draws of others, refused where they leave the box of a system."""

    draws: ParameterDraws
    description: Description

    def __call__(
        self, count: int, random: np.random.Generator
    ) -> Float[np.ndarray, "count parameter"]:
        """The rows as drawn. Raises InvalidParameters as `refuse_outside`."""
        drawn = self.draws(count, random)
        refuse_outside(self.description, drawn)
        return drawn


def refuse_outside(description: Description, rows: Float[np.ndarray, "rows parameter"]) -> None:
    """Raise InvalidParameters where a row leaves the box, which a surrogate knows nothing of.

    A bound may be missed by rounding.
    """
    refuse_misfit(description, rows)
    low, high = _box(description)
    slack = _ROUNDING * np.maximum(np.abs(low), np.abs(high))
    is_inside = (rows >= low - slack) & (rows <= high + slack)
    if not is_inside.all():
        row, at = np.argwhere(~is_inside)[0]
        box = description.parameters[at]
        raise InvalidParameters(
            f"parameter {box.name!r} is {rows[row, at]}, outside what the surrogate has learnt: "
            f"stay within [{box.low}, {box.high}], or let it learn there first"
        )


def refuse_misfit(description: Description, rows: Float[np.ndarray, "rows parameter"]) -> None:
    """Raise InvalidParameters for more or fewer numbers than a system has parameters."""
    names = [p.name for p in description.parameters]
    if rows.shape[1:] != (len(names),):
        raise InvalidParameters(
            f"parameters of shape {rows.shape[1:]}: {description.name!r} has {len(names)}, "
            f"{', '.join(names) or 'none'}"
        )


def _box(
    description: Description,
) -> tuple[Float[np.ndarray, "parameter"], Float[np.ndarray, "parameter"]]:
    low = np.array([p.low for p in description.parameters], dtype=float)
    return low, np.array([p.high for p in description.parameters], dtype=float)


def _ranges(
    description: Description, ranges: dict[str, tuple[float, float]]
) -> tuple[Float[np.ndarray, "parameter"], Float[np.ndarray, "parameter"]]:
    known = [p.name for p in description.parameters]
    low, high = description.nominal, description.nominal
    for name, (least, most) in ranges.items():
        if name not in known:
            raise InvalidParameters(f"unknown parameter {name!r}{suggestion(name, known)}")
        position = known.index(name)
        box = description.parameters[position]
        if not box.low <= least <= most <= box.high:
            raise InvalidParameters(
                f"parameter {name!r} from {least} to {most}: stay within [{box.low}, {box.high}]"
            )
        low[position], high[position] = least, most
    return low, high


def _refuse_empty(
    low: Float[np.ndarray, "parameter"], high: Float[np.ndarray, "parameter"]
) -> None:
    if not (low <= high).all():
        raise InvalidParameters(f"a box from {low} to {high}: no bound may lie above the other")
