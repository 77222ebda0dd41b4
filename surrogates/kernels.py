"""Inner loops in machine code: many passes over rows that lie in memory made one.

numpy reads and writes memory for every operation; where a draw takes dozens of them on a few
thousand rows, that is most of its time. numba compiles what is written here when it is first
called, which takes a second or two, and keeps it on disk for every later process. Nothing is
random here and nothing is decided: each function is arithmetic, in the order in which it stands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

import numba
import numpy as np
from jaxtyping import Float32, Float64

Loop = TypeVar("Loop", bound=Callable[..., object])
Rows = Float32[np.ndarray, "_ batch"]
Row = Float32[np.ndarray, "batch"]
Column = Float64[np.ndarray, "batch"]

# In single precision all the way: a Python number would make every result double.
_ZERO, _ONE, _HALF, _THIRD = (np.float32(x) for x in (0.0, 1.0, 0.5, 1.0 / 3.0))
_FAR = np.float32(80.0)
"""Beyond it the negative exponential is taken for 0."""
_T2, _T3, _T4, _T5, _T6 = (np.float32(1.0 / n) for n in (2, 6, 24, 120, 720))
"""Of the Taylor series of the exponential."""
_A3, _A5, _A7 = (np.float32(x) for x in (-1.0 / 6.0, 3.0 / 40.0, -15.0 / 336.0))
"""Of the Taylor series of the inverse hyperbolic sine."""
_STRAIGHT = np.float32(10.0)
"""Beyond it a hyperbolic sine, and a hundredth of it, is an exponential to 1e-4 of its value."""
_PART = np.float32(1.0 / 64.0)
"""Both series are taken of a 64th: six times squared, or halved, on the way back or there."""
_WHOLE = 6755399441055744.0
"""1.5 times 2^52: a double near it has no digits after the point, so adding it rounds."""


def _compiled(loop: Loop) -> Loop:
    """The loop in machine code, kept on disk where there is a place for it.

    Multiplications and additions may be fused; nothing else of the arithmetic is changed, so that
    infinite bounds stay what they are.
    """
    # Checks of shapes that wrap the function in tests cannot be compiled; numba has its own.
    plain = inspect.unwrap(loop)
    made = numba.njit(fastmath={"contract"}, error_model="numpy")(plain)
    # Where there is nowhere to write, every process compiles for itself.
    with suppress(RuntimeError):
        made.enable_caching()
    return cast(Loop, made)


@_compiled
def _exponential(x: np.float32) -> np.float32:
    """To 1e-5 of its value, where that is no less than exp(-20)."""
    x *= _PART
    e = _ONE + x * (_ONE + x * (_T2 + x * (_T3 + x * (_T4 + x * (_T5 + x * _T6)))))
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    return e


@_compiled
def _inverse_sinh(x: np.float32) -> np.float32:
    """To 1e-6 of its value, up to some 100,000 either way.

    cosh(y / 2) is the root of (1 + cosh(y)) / 2, and sinh(y / 2) is sinh(y) / (2 cosh(y / 2)).
    """
    cosh = np.sqrt(_ONE + x * x)
    product = _ONE
    for _ in range(6):
        cosh = np.sqrt(_HALF * (_ONE + cosh))
        product *= cosh
    sinh = x * _PART / product
    square = sinh * sinh
    return sinh / _PART * (_ONE + square * (_A3 + square * (_A5 + square * _A7)))


@_compiled
def _sinh(x: np.float32) -> np.float32:
    """To 1e-5 of its value, up to 20 either way."""
    power = _exponential(x)
    return _HALF * (power - _ONE / power)


@_compiled
def _bent(x: np.float32, factor: np.float32) -> np.float32:
    """The inverse hyperbolic sine of so many times the hyperbolic sine, to 1e-4.

    Far out it is a straight line, for factors of a hundredth to a hundred.
    """
    near = min(max(x, -_STRAIGHT), _STRAIGHT)
    return _inverse_sinh(factor * _sinh(near)) + (x - near)


@_compiled
def _bound(values: Column, low: Column, high: Column, is_whole: bool) -> None:
    if is_whole:
        for i in range(len(values)):
            values[i] = (values[i] + _WHOLE) - _WHOLE
    for i in range(len(values)):
        values[i] = min(max(values[i], low[i]), high[i])


@_compiled
def rectify(layer: Rows, bias: Float32[np.ndarray, "_"]) -> None:
    """Add each unit's bias and cut off below 0, in place."""
    for unit in range(len(layer)):
        row, own = layer[unit], bias[unit]
        for i in range(len(row)):
            row[i] = max(row[i] + own, _ZERO)


@_compiled
def spread_out(
    halves: Rows, width: Float32[np.ndarray, "_ 1"], least: float, location: Rows, noise: Rows
) -> None:
    """Spreads from half a network's numbers, and from noise the draws that they make, in place.

    A spread is `squareplus` of the network's number and `least`, in widths.
    """
    for number in range(len(halves)):
        half, drawn, middle = halves[number], noise[number], location[number]
        own = width[number, 0]
        squared, floor = own * own, own * np.float32(least)
        for i in range(len(half)):
            half[i] = half[i] + np.sqrt(half[i] * half[i] + squared) + floor
            drawn[i] = middle[i] + half[i] * drawn[i]


@_compiled
def push(alone: Row, moved: Rows, weights: Rows, spread: Row) -> None:
    """Move draws, in spreads: the first way in full, the others as they weigh; spoils `moved`."""
    first = moved[0]
    for way in range(len(weights)):
        other, weight = moved[way + 1], weights[way]
        for i in range(len(first)):
            first[i] += other[i] * weight[i]
    for i in range(len(first)):
        alone[i] += first[i] * spread[i]


@_compiled
def settle_root(latent: Row, low: Column, high: Column, is_whole: bool, values: Column) -> None:
    """Squares of draws on a scale of roots, rounded where they count, and within bounds."""
    for i in range(len(latent)):
        root = max(latent[i], _ZERO)
        values[i] = root * root
    _bound(values, low, high, is_whole)


@_compiled
def settle_idle(
    latent: Row, low: Column, high: Column, bend: float, most: float, values: Column
) -> None:
    """Idle agents of draws on the scale of `coordinates.idling`, rounded and within bounds.

    Where there is no bend a draw is of at most so much either way.
    """
    if bend == 1.0:
        for i in range(len(latent)):
            values[i] = latent[i]
    elif np.isinf(bend):
        edge = np.float32(most)
        for i in range(len(latent)):
            values[i] = _sinh(min(max(latent[i], -edge), edge))
    else:
        factor = np.float32(1.0 / bend)
        for i in range(len(latent)):
            values[i] = bend * _bent(latent[i], factor)
    _bound(values, low, high, True)


@_compiled
def note_root(values: Column, location: Row, spread: Row, most: float, off: Row) -> None:
    """How far values came off their locations on a scale of roots, in spreads; at most so many."""
    edge = np.float32(most)
    for i in range(len(off)):
        surprise = (np.sqrt(np.float32(values[i])) - location[i]) / spread[i]
        off[i] = min(max(surprise, -edge), edge)


@_compiled
def note_idle(
    values: Column, location: Row, spread: Row, bend: float, most: float, off: Row
) -> None:
    """The same on the scale of idle agents."""
    edge, factor, share = np.float32(most), np.float32(bend), np.float32(1.0 / bend)
    if bend == 1.0:
        for i in range(len(off)):
            off[i] = np.float32(values[i])
    elif np.isinf(bend):
        for i in range(len(off)):
            off[i] = _inverse_sinh(np.float32(values[i]))
    else:
        for i in range(len(off)):
            off[i] = _bent(np.float32(values[i]) * share, factor)
    for i in range(len(off)):
        off[i] = min(max((off[i] - location[i]) / spread[i], -edge), edge)


@_compiled
def with_squares(before: Rows, after: Rows, weights: Row, seen: Rows) -> None:
    """Write both parts one after the other, the weighed sum of their squares, and ones."""
    length, ones = seen[-2], seen[-1]
    for i in range(len(length)):
        length[i] = _ZERO
        ones[i] = _ONE
    for number in range(len(weights)):
        row = before[number] if number < len(before) else after[number - len(before)]
        written, weight = seen[number], weights[number]
        for i in range(len(row)):
            written[i] = row[i]
            length[i] += weight * row[i] * row[i]


@_compiled
def correlate(squared: Float32[np.ndarray, "point part"]) -> None:
    """From squares of s to Matérn-5/2 correlations (1 + s + s^2 / 3) exp(-s), in place."""
    for point in range(len(squared)):
        row = squared[point]
        for i in range(len(row)):
            # Rounding may leave a little less than 0.
            square = abs(row[i])
            s = np.sqrt(square)
            row[i] = (_ONE + s + square * _THIRD) * _exponential(-min(s, _FAR))


@_compiled
def sum_squares(rows: Rows, total: Row) -> None:
    """The sum of the squares of all rows."""
    for i in range(len(total)):
        total[i] = _ZERO
    for number in range(len(rows)):
        row = rows[number]
        for i in range(len(total)):
            total[i] += row[i] * row[i]
