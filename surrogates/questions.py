"""What may be asked of a surrogate: what the simulator that it stands in for would take.

A model makes numbers of anything: a NaN, a level that no lever can have, or one decision for many
states would be answered wrongly and in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from operator import le

import numpy as np
from jaxtyping import Float

from sim.description import Description, Lever, SystemDescription
from surrogates.clock import has_clock
from surrogates.errors import InvalidQuestion

_PARTS = "states", "decisions", "parameters"
_SHARES, _STEPPED = ("share", "admission"), ("servers", "order", "route")
_LARGEST, _SMALLEST = float(np.finfo(float).max), float(np.nextafter(0.0, 1.0))
Bounds = tuple[tuple[float, ...], tuple[float, ...]]
"""The least and the most that each column may be."""
States = Float[np.ndarray, "batch state"]
Decisions = Float[np.ndarray, "batch lever"]
Parameters = Float[np.ndarray, "batch parameter"]


class Questions:
    """Tells the questions that a system can be asked from others.

    Every batch is looked at, so by sums and extremes; only where these are odd one by one.
    """

    def __init__(self, description: Description) -> None:
        self._description, levers = description, description.levers
        self._widths = len(description.components), len(levers), len(description.parameters)
        self._times, self._levels = _bounds_of_time(description), _bounds_of_levels(levers)
        self._positive = (_SMALLEST,) * self._widths[2], (_LARGEST,) * self._widths[2]
        self._first_time = self._widths[0] - len(self._times[0])
        self._stepped = [(i, v) for i, v in enumerate(levers) if v.decides in _STEPPED]

    def check(
        self,
        states: Float[np.ndarray, "states state"],
        decisions: Float[np.ndarray, "decisions lever"],
        parameters: Float[np.ndarray, "parameters parameter"],
    ) -> None:
        """Raise InvalidQuestion, with the number, for what the simulator would refuse."""
        self._check_shapes(states, decisions, parameters)
        if len(states) and not self._seem_right(states, decisions, parameters):
            for fault in self._faults(states, decisions, parameters):
                raise InvalidQuestion(fault)

    def _check_shapes(self, *asked: np.ndarray) -> None:
        rows = len(asked[0])
        for what, values, width in zip(_PARTS, asked, self._widths, strict=True):
            if values.shape != (rows, width):
                raise InvalidQuestion(
                    f"{what} of shape {values.shape}: {self._description.name!r} has {width} and "
                    f"{rows} states are asked of, so give ({rows}, {width})"
                )

    def _seem_right(self, states: States, decisions: Decisions, parameters: Parameters) -> bool:
        numbers = states.ravel(order="K")
        # A sum of squares is the pass over all of them that costs least; one that is too large is
        # looked at closer.
        with np.errstate(over="ignore"):
            squares = numbers.dot(numbers)
        return (
            math.isfinite(squares)
            and _lie_within(states[:, self._first_time :], self._times)
            and _lie_within(decisions, self._levels)
            and _lie_within(parameters, self._positive)
            and all(_are_steps(lever, decisions[:, i]) for i, lever in self._stepped)
        )

    def _faults(
        self, states: States, decisions: Decisions, parameters: Parameters
    ) -> Iterator[str]:
        # Rows are not told, for families put those of a model side by side before they ask.
        d = self._description
        for row, at in np.argwhere(~np.isfinite(states)):
            yield f"{d.state_names[at]!r} is {states[row, at]}: give a finite number"
        for at, (low, high) in enumerate(zip(*self._times, strict=True), self._first_time):
            for time in states[(states[:, at] < low) | (states[:, at] > high), at]:
                most = f" to {high:g}" if high < _LARGEST else " on"
                yield f"{d.state_names[at]!r} is {time:g}: they are numbered from {low:g}{most}"
        for lever, levels in zip(d.levers, decisions.T, strict=True):
            for level in np.unique(levels):
                if not lever.allows(level):
                    offered = ", ".join(f"{each:g}" for each in lever.levels)
                    yield (
                        f"lever {lever.name!r} at {level:g}: {lever.bounds}; it offers {offered}"
                    )
        for parameter, values in zip(d.parameters, parameters.T, strict=True):
            for value in values[~((values > 0) & np.isfinite(values))]:
                yield f"parameter {parameter.name!r} is {value}: give a number above 0"


def _bounds_of_time(description: Description) -> Bounds:
    """Of the kind of day and the number of the epoch, as far as states end with them."""
    if isinstance(description, SystemDescription):
        return (0.0, 0.0), (len(description.calendar.values) - 1.0, _LARGEST)
    return ((0.0,), (_LARGEST,)) if has_clock(description) else ((), ())


def _bounds_of_levels(levers: Sequence[Lever]) -> Bounds:
    return (
        tuple(-_LARGEST if lever.decides == "value" else 0.0 for lever in levers),
        tuple(1.0 if lever.decides in _SHARES else _LARGEST for lever in levers),
    )


def _lie_within(values: Float[np.ndarray, "batch name"], bounds: Bounds) -> bool:
    """Whether every column keeps within its bounds; one with a NaN does not."""
    lows, highs = bounds
    return all(map(le, lows, values.min(axis=0).tolist())) and all(
        map(le, values.max(axis=0).tolist(), highs)
    )


def _are_steps(lever: Lever, levels: Float[np.ndarray, "batch"]) -> bool:
    """Whether every level is a number of servers, or one of the positions that are offered."""
    if lever.decides == "servers":
        return bool((levels == np.rint(levels)).all())
    return bool(np.logical_or.reduce([levels == offered for offered in lever.levels]).all())
