"""What a model of one free number sees: the question, the number's bounds and those before it.

Families that draw the free numbers of an epoch one after another have a model for each. All of
them look at the same columns on the same scales: features, the numbers settled so far (zero for
those still to come) and both bounds. `Lessons` are these of the training data, `View` of a batch
while it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from sim.description import Description
from surrogates.coordinates import Coordinate, Coordinates
from surrogates.dataset import Transitions
from surrogates.errors import TamperedArtefact
from surrogates.features import features_of

_FARTHEST = 5.0
"""Standard deviations beyond which an input is seen as the edge of the data."""
_RIDGE = 1.0
"""Prior precision of each slope of a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """Centre and spread of everything a model looks at, and of what it predicts."""

    feature: Float[np.ndarray, "2 feature"]
    coordinate: Float[np.ndarray, "2 coordinate"]
    bound: Float[np.ndarray, "2 coordinate side"]

    @property
    def inputs(self) -> Float[np.ndarray, "coordinate input"]:
        """Spread of each column, as the model of each number sees it."""
        numbers = len(self.coordinate.T)
        shared = np.concatenate([self.feature[1], self.coordinate[1]])
        return np.column_stack([np.tile(shared, (numbers, 1)), self.bound[1]])

    def to_tensors(self) -> dict[str, np.ndarray]:
        """By name, as artefacts keep them."""
        return {f"scales.{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], description: Description) -> Scales:
        """Those that `to_tensors` was asked of. Raises TamperedArtefact for another system's."""
        scales = cls(**{field.name: tensors[f"scales.{field.name}"] for field in fields(cls)})
        seen, needed = scales.feature.shape[1], len(features_of(description).names)
        if seen != needed:
            raise TamperedArtefact(
                f"arrays for {seen} features, {description.name!r} has {needed}: "
                "fit again for this system"
            )
        return scales


class View:
    """What the models see of a batch: features, numbers settled so far, bounds of the next."""

    def __init__(
        self,
        coordinates: tuple[Coordinate, ...],
        scales: Scales,
        features: Float[np.ndarray, "batch feature"],
    ) -> None:
        self._coordinates, self._scales = coordinates, scales
        rows, self._first = features.shape
        self._bounds = scales.bound.astype(np.float32)
        # A row a column: what is written and read is in one piece of memory.
        self._seen = np.zeros((self._first + len(coordinates) + 2, rows), np.float32)
        self._seen[: self._first] = standardise(features, scales.feature).T

    def inputs(
        self,
        position: int,
        low: Float[np.ndarray, "batch"],
        high: Float[np.ndarray, "batch"],
        rows: Int[np.ndarray, "rows"] | None = None,
    ) -> Float32[np.ndarray, "rows input"]:
        """Inputs of one model, in the given rows or all; to be read at once, and not changed."""
        sides = _scaled_bounds(self._coordinates[position], low, high, np.float32)
        self._seen[-2:] = standardise(sides.T, self._bounds[:, position]).T
        return (self._seen if rows is None else self._seen.take(rows, axis=1)).T

    def note(self, position: int, values: Float[np.ndarray, "batch"]) -> None:
        """Show a settled number to the models that follow."""
        scaled = self._coordinates[position].scale(values)
        self._seen[self._first + position] = standardise(
            scaled, self._scales.coordinate[:, position]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """The training data as the models see it."""

    shared: Float32[np.ndarray, "row shared"]
    """Features, then all free numbers, standardised."""
    bounds: Float32[np.ndarray, "coordinate row side"]
    targets: Float32[np.ndarray, "coordinate row"]
    is_free: Bool[np.ndarray, "coordinate row"]
    """False where the bounds leave no choice: nothing to learn there."""

    @property
    def numbers(self) -> int:
        """How many free numbers."""
        return len(self.targets)

    def inputs(
        self, position: int, rows: Int[np.ndarray, "chosen"] | slice
    ) -> Float32[np.ndarray, "chosen input"]:
        """Inputs of one model, with the numbers settled after it hidden."""
        seen = np.concatenate([self.shared[rows], self.bounds[position, rows]], axis=1)
        seen[:, self._hidden(position)] = 0.0
        return seen

    def is_seen(self, position: int) -> Float[np.ndarray, "input"]:
        """1 for the inputs of one model that are not hidden from it, else 0."""
        seen = np.ones(self.shared.shape[1] + self.bounds.shape[2])
        seen[self._hidden(position)] = 0.0
        return seen

    def _hidden(self, position: int) -> slice:
        features = self.shared.shape[1] - self.numbers
        return slice(features + position, self.shared.shape[1])

    def free_rows(self, position: int) -> Int[np.ndarray, "chosen"]:
        """Rows to learn one number from; all of them when the bounds never left a choice."""
        free = np.flatnonzero(self.is_free[position])
        return free if len(free) else np.arange(self.targets.shape[1])

    def line(self, position: int) -> Float[np.ndarray, "weight"]:
        """Ridge regression over the rows where something was free: slopes, then the intercept."""
        free = self.free_rows(position)
        inputs = self.inputs(position, free).astype(float)
        design = np.column_stack([inputs, np.ones(len(inputs))])
        penalty = np.full(design.shape[1], _RIDGE)
        penalty[-1] = 1e-6
        found: Float[np.ndarray, "weight"] = np.linalg.solve(
            design.T @ design + np.diag(penalty), design.T @ self.targets[position, free]
        )
        return found

    def lines(self) -> Float[np.ndarray, "coordinate weight"]:
        """The line of every number."""
        return np.stack([self.line(i) for i in range(self.numbers)])


def prepare(
    transitions: Transitions, free: Coordinates, scales: Scales | None = None
) -> tuple[Scales, Lessons]:
    """Look at the data through the given scales, or through its own."""
    coordinates = free.coordinates
    values, low, high = free.encode(transitions)
    features = features_of(free.description).matrix(
        transitions.state, transitions.decision, transitions.parameters
    )
    scaled = np.column_stack([c.scale(v) for c, v in zip(coordinates, values.T, strict=True)])
    sides = np.stack(
        [_scaled_bounds(c, low[:, i], high[:, i]).T for i, c in enumerate(coordinates)], axis=1
    )
    scales = scales or Scales(
        feature=_measure(features), coordinate=_measure(scaled), bound=_measure(sides)
    )
    numbers = standardise(scaled, scales.coordinate)
    lessons = Lessons(
        shared=np.column_stack([standardise(features, scales.feature), numbers]).astype(np.float32),
        bounds=standardise(sides, scales.bound).swapaxes(0, 1).astype(np.float32),
        targets=((scaled - scales.coordinate[0]) / scales.coordinate[1]).T.astype(np.float32),
        is_free=(high > low).T,
    )
    return scales, lessons


def standardise(
    values: Float[np.ndarray, "*shape"], scale: Float[np.ndarray, "2 *column"]
) -> Float[np.ndarray, "*shape"]:
    """Deviations from the centre in spreads, cut off where the data have long ended."""
    standard: Float[np.ndarray, "*shape"] = (values - scale[0]) / scale[1]
    return np.asarray(np.minimum(np.maximum(standard, -_FARTHEST), _FARTHEST))


def _scaled_bounds(
    coordinate: Coordinate,
    low: Float[np.ndarray, "batch"],
    high: Float[np.ndarray, "batch"],
    dtype: type[np.floating[Any]] = np.float64,
) -> Float[np.ndarray, "2 batch"]:
    """Both bounds on the modelling scale; no bound reads as 0."""
    sides = np.array([low, high], dtype=dtype)
    return coordinate.scale(np.where(np.isfinite(sides), sides, dtype(0.0)))


def _measure(
    values: Float[np.ndarray, "row *column"],
) -> Float[np.ndarray, "2 *column"]:
    spread = values.std(axis=0)
    return np.stack([values.mean(axis=0), np.where(spread > 1e-9, spread, 1.0)])
