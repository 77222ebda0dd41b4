"""A fitted chain in the form in which draws are made: arrays, single precision, few passes.

Scales go into the weights and biases become the weights of a feature that is always 1, so that an
epoch's laws are four matrix products. What every earlier number's surprise moves in each regime is
kept beside each number. All that is not a product is compiled (`kernels`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from surrogates.coordinates import Coordinate
from surrogates.coordinates.idling import MOST_IDLE
from surrogates.flow.chain import LARGEST_RESIDUAL, SMALLEST_SPREAD, Scaling
from surrogates.kernels import (
    note_idle,
    note_root,
    push,
    rectify,
    settle_idle,
    settle_root,
    spread_out,
)
from surrogates.networks import one_thread
from surrogates.normals import draw_normals

Rows = Float32[np.ndarray, "_ batch"]
Row = Float32[np.ndarray, "batch"]
_BLOCK = 1024
"""Epochs whose hidden layers fit into the caches of one core."""


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
        first, skipped = np.split(np.concatenate([looks, bias], axis=1), [-count])
        # A location is moved in its own width; half a spread too, see `laws`.
        outer = np.concatenate(
            [w["learns"][:, None] * width, width / 2, np.ones((len(w["head.bias"]) - 2 * count, 1))]
        )
        straight = np.zeros((len(outer), first.shape[1]))
        straight[:count] = skipped
        straight[:, -1:] += w["head.bias"][:, None] * outer
        self._first, self._straight = _tensor(first), _tensor(straight)
        self._inner, self._bias = _tensor(w["body.2.weight"]), _single(w["body.2.bias"])
        self._head = _tensor(w["head.weight"] * outer)
        self._width = _single(width)
        chain = np.tril(w["chain"], -1)
        self._chain = [_single(chain[:, p, :p]) for p in range(count)]
        self._scales = [_Scale(coordinate) for coordinate in coordinates]

    def draws(self, inputs: Rows, random: np.random.Generator) -> Draws:
        """Begin to draw for epochs with these features; the last row of the inputs is ones."""
        with one_thread():
            location, spread, regimes = self._laws(inputs)
        drawn = draw_normals(location.shape, random)
        spread_out(spread, self._width, SMALLEST_SPREAD, location, drawn)
        return Draws(self._scales, self._chain, location, spread, regimes, drawn)

    def _laws(self, inputs: Rows) -> tuple[Rows, Rows, Rows]:
        """Location on the modelling scale, half a number for the spread, weights of the regimes."""
        count, batch = len(self._chain), inputs.shape[1]
        seen, out = torch.from_numpy(inputs), torch.empty(len(self._head), batch)
        for begin in range(0, batch, _BLOCK):
            here, laws = seen[:, begin : begin + _BLOCK], out[:, begin : begin + _BLOCK]
            layer = torch.mm(self._inner, torch.mm(self._first, here).relu_())
            rectify(layer.numpy(), self._bias)
            torch.mm(self._head, layer, out=laws)
            laws.addmm_(self._straight, here)
        found = out.numpy()
        return found[:count], found[count : 2 * count], found[2 * count :]


class Draws:
    """The free numbers of a batch of epochs, drawn one after another."""

    def __init__(
        self,
        scales: list[_Scale],
        chain: list[Float32[np.ndarray, "way _"]],
        location: Rows,
        spread: Rows,
        regimes: Rows,
        alone: Rows,
    ) -> None:
        """`regimes` weigh the ways in which numbers depend on each other, but for the first.

        `alone` are draws as if no number depended on another.
        """
        self._scales, self._chain = scales, chain
        self._location, self._spread, self._alone = location, spread, alone
        self._regimes = regimes
        self._surprise = np.empty_like(location)
        """By number, how far off it came, in its spreads."""

    def latent(self, position: int) -> Row:
        """A draw on the modelling scale, given all that came before."""
        alone: Row = self._alone[position]
        if position:
            moved = self._chain[position] @ self._surprise[:position]
            push(alone, moved, self._regimes, self._spread[position])
        return alone

    def hear(self, position: int, about: Float[np.ndarray, "batch"]) -> None:
        """Measure the root of a time spent from that of what is known of it before it is drawn."""
        root = np.sqrt(about).astype(np.float32)
        self._location[position] += root
        self._alone[position] += root

    def settle(
        self, position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
    ) -> Float[np.ndarray, "batch"]:
        """Draw a number, bring it to its natural scale and within bounds, and take it as seen."""
        values = self._scales[position].settle(self.latent(position), low, high)
        self.see(position, values)
        return values

    def see(self, position: int, values: Float[np.ndarray, "batch"]) -> None:
        """What the numbers after this one shall know of it; told in order."""
        if position + 1 < len(self._scales):
            self._scales[position].note(
                values, self._location[position], self._spread[position], self._surprise[position]
            )


class _Scale:
    """A coordinate's scale in single precision, from its latent number to whole values and back."""

    def __init__(self, coordinate: Coordinate) -> None:
        self._is_idle, self._is_whole = coordinate.kind == "idle", coordinate.is_whole
        self._bend = coordinate.bend

    def settle(
        self, latent: Row, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
    ) -> Float[np.ndarray, "batch"]:
        """On the natural scale, whole where it counts, and within bounds."""
        values = np.empty(len(latent))
        if self._is_idle:
            settle_idle(latent, low, high, self._bend, MOST_IDLE, values)
        else:
            settle_root(latent, low, high, self._is_whole, values)
        return values

    def note(
        self, values: Float[np.ndarray, "batch"], location: Row, spread: Row, off: Row
    ) -> None:
        """Write how far values came off their locations, in spreads."""
        if self._is_idle:
            note_idle(values, location, spread, self._bend, LARGEST_RESIDUAL, off)
        else:
            note_root(values, location, spread, LARGEST_RESIDUAL, off)


def _single(values: Float[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return np.ascontiguousarray(values, dtype=np.float32)


def _tensor(values: Float[np.ndarray, "*shape"]) -> Tensor:
    return torch.from_numpy(_single(values))
