"""A fitted chain in the form in which draws are made: numpy, single precision, few passes.

Scales go into the weights and biases become the weights of a row of ones, so that an epoch's laws
are three matrix products. The chain is one product for each number too: what every earlier
number's surprise moves in each regime is kept beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float, Float32

from surrogates.coordinates import Coordinate
from surrogates.flow.chain import LARGEST_RESIDUAL, SMALLEST_SPREAD, Scaling
from surrogates.normals import draw_normals

Rows = Float32[np.ndarray, "_ batch"]
Row = Float32[np.ndarray, "batch"]
_BLOCK = 1024
"""Epochs whose hidden layers fit into the caches of one core."""
_MOST_IDLE = np.float32(12.0)
"""On the modelling scale, the most agents that may idle, and the most that may be missing."""


class FoldedChain:
    """Draws the free numbers of many epochs, each given those before it."""

    def __init__(
        self,
        coordinates: tuple[Coordinate, ...],
        scaling: Scaling,
        weights: Mapping[str, np.ndarray],
    ) -> None:
        """`weights` are the arrays of a fitted `Chain` by name."""
        w, count = weights, len(coordinates)
        width = scaling.target_width[:, None]
        skip = w["skip.weight"] * width, w["skip.bias"][:, None] * width
        skip = skip[0], skip[1] + scaling.target_centre[:, None]
        looks = np.concatenate([w["body.0.weight"], skip[0]]) / scaling.feature_width
        bias = np.concatenate([w["body.0.bias"][:, None], skip[1]])
        bias = bias - looks @ scaling.feature_centre[:, None]
        self._hidden = len(w["body.0.weight"])
        first, straight = np.split(np.concatenate([looks, bias], axis=1), [self._hidden])
        self._first = _single(np.concatenate([_hands_on(first), straight]))
        self._inner = _single(
            _hands_on(np.concatenate([w["body.2.weight"], w["body.2.bias"][:, None]], axis=1))
        )
        # A location is moved in its own width; half a spread too, see `laws`.
        outer = np.concatenate(
            [w["learns"][:, None] * width, width / 2, np.ones((len(w["head.bias"]) - 2 * count, 1))]
        )
        head = np.concatenate([w["head.weight"], w["head.bias"][:, None]], axis=1)
        self._head = _single(head * outer)
        self._width = _single(width)
        chain = np.tril(w["chain"], -1)
        self._chain = [_single(chain[:, p, :p]) for p in range(count)]
        self._scales = [_Scale(coordinate) for coordinate in coordinates]

    def draws(self, inputs: Rows, random: np.random.Generator) -> Draws:
        """Begin to draw for epochs with these features; the last row of the inputs is ones."""
        location, spread, regimes = self._laws(inputs)
        noise = draw_normals(location.shape, random)
        return Draws(self._scales, self._chain, location, spread, regimes, noise)

    def _laws(self, inputs: Rows) -> tuple[Rows, Rows, Rows]:
        """Location and spread on the modelling scale, and the weights of the regimes."""
        count, batch, hidden = len(self._chain), inputs.shape[1], self._hidden + 1
        out = np.empty((len(self._head), batch), dtype=np.float32)
        for block, both, inner, none in _blocks(batch, hidden + count, hidden):
            np.matmul(self._first, inputs[:, block], out=both)
            outer = np.maximum(both[:hidden], none, out=both[:hidden])
            np.matmul(self._inner, outer, out=inner)
            np.matmul(self._head, np.maximum(inner, none, out=inner), out=out[:, block])
            out[:count, block] += both[hidden:]
        return out[:count], self._positive(out[count : 2 * count]), out[2 * count :]

    def _positive(self, halves: Rows) -> Rows:
        """Spreads from half the network's numbers, in place: `squareplus`, and a least one."""
        root = halves * halves
        root += self._width * self._width
        halves += np.sqrt(root, out=root)
        halves += np.float32(SMALLEST_SPREAD) * self._width
        return halves


def _blocks(batch: int, *heights: int) -> Iterator[tuple[slice, Rows, Rows, Rows]]:
    """Parts of a batch, each with the same memory to work in and zeros as high as the last.

    `np.maximum` of two arrays is several times faster than that of an array and a number.
    """
    first, second = (np.empty((height, min(batch, _BLOCK)), np.float32) for height in heights)
    none = np.zeros_like(second)
    for begin in range(0, batch, _BLOCK):
        size = min(_BLOCK, batch - begin)
        yield slice(begin, begin + size), first[:, :size], second[:, :size], none[:, :size]


class Draws:
    """The free numbers of a batch of epochs, drawn one after another."""

    def __init__(
        self,
        scales: list[_Scale],
        chain: list[Float32[np.ndarray, "way _"]],
        location: Rows,
        spread: Rows,
        regimes: Rows,
        noise: Rows,
    ) -> None:
        self._scales, self._chain = scales, chain
        self._location, self._spread = location, spread
        noise *= spread
        noise += location
        self._alone = noise
        """Draws as if no number depended on another."""
        self._sharpness = 1.0 / spread
        self._weights = np.concatenate([np.ones_like(regimes[:1]), regimes])
        """Of the ways in which numbers depend on each other; the first always counts."""
        self._surprise = np.empty_like(location)
        """By number, how far off it came, in its spreads."""
        self._none = np.zeros_like(location[0])
        self._most = self._none + np.float32(LARGEST_RESIDUAL)
        self._least = -self._most

    def latent(self, position: int) -> Row:
        """A draw on the modelling scale, given all that came before."""
        alone: Row = self._alone[position]
        if position:
            moved = _product(self._chain[position], self._surprise[:position])
            moved *= self._weights
            push = np.add.reduce(moved, axis=0)
            push *= self._spread[position]
            alone += push
        return alone

    def settle(
        self, position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
    ) -> Float[np.ndarray, "batch"]:
        """Draw a number, bring it to its natural scale and within bounds, and take it as seen."""
        scale = self._scales[position]
        values = scale.natural(self.latent(position), self._none).astype(float)
        if scale.has_floor:
            np.maximum(values, low, out=values)
        if scale.has_ceiling:
            np.minimum(values, high, out=values)
        self.see(position, values)
        return values

    def see(self, position: int, values: Float[np.ndarray, "batch"]) -> None:
        """What the numbers after this one shall know of it; told in order."""
        if position + 1 == len(self._scales):
            return
        off = np.subtract(
            self._scales[position].modelled(values),
            self._location[position],
            out=self._surprise[position],
        )
        off *= self._sharpness[position]
        np.maximum(off, self._least, out=off)
        np.minimum(off, self._most, out=off)


def _product(
    weights: Float32[np.ndarray, "way before"], surprise: Float32[np.ndarray, "before batch"]
) -> Float32[np.ndarray, "way batch"]:
    """The matrix product; BLAS is slow where there is but one number before."""
    return np.asarray(weights * surprise if len(surprise) == 1 else weights @ surprise)


class _Scale:
    """A coordinate's scale in single precision, from its latent number to whole values and back."""

    def __init__(self, coordinate: Coordinate) -> None:
        self._is_idle, self._is_whole = coordinate.kind == "idle", coordinate.is_whole
        self.has_floor = coordinate.kind in ("flow", "idle")
        """Whether what was drawn before bounds it from below, rather than 0."""
        self.has_ceiling = coordinate.kind in ("flow", "waiting", "idle")
        """Whether what was drawn before bounds it from above."""

    def natural(self, latent: Row, none: Row) -> Row:
        """Unscaled in place, whole where it counts; `none` is zeros of the same shape."""
        if self._is_idle:
            np.maximum(latent, none - _MOST_IDLE, out=latent)
            np.minimum(latent, none + _MOST_IDLE, out=latent)
            np.exp(latent, out=latent)
            latent -= 1.0 / latent
            latent *= np.float32(0.5)
        else:
            np.maximum(latent, none, out=latent)
            latent *= latent
        return np.rint(latent, out=latent) if self._is_whole else latent

    def modelled(self, values: Float[np.ndarray, "batch"]) -> Row:
        """Onto the modelling scale."""
        single = values.astype(np.float32)
        if not self._is_idle:
            return np.sqrt(single, out=single)
        size = np.abs(single)
        root = size * size
        root += np.float32(1.0)
        size += np.sqrt(root, out=root)
        return np.copysign(np.log(size, out=size), single)


def _hands_on(layer: Float[np.ndarray, "out in"]) -> Float[np.ndarray, "more in"]:
    """The layer with an output more, which is 1 where its last input is."""
    one = np.zeros((1, layer.shape[1]))
    one[0, -1] = 1.0
    return np.concatenate([layer, one])


def _single(values: Float[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return np.ascontiguousarray(values, dtype=np.float32)
