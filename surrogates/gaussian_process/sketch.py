"""What drawing needs of the processes, for speed: an abridged readout of fewer correlations.

What the data explain of a process's variance is a sum of as many squares as there are inducing
points. Where an epoch is drawn, chance is added to what is left, and most of the squares are too
small to show. An abridged readout keeps the leading ones, weighed by how much of a draw's variance
they are at rows of the data. What is left out counts as unexplained, so that a draw is a little
too wide rather than too narrow. A smooth process is told by few of its inducing points as well:
where it is, the others are left out too, and the weights fitted again.

Correlations are taken in powers of two, which torch raises in half the time of powers of e, and
without the inputs that are hidden from a process. Likelihood and doubt never come by this way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int

from surrogates.gaussian_process.kernel import matern
from surrogates.gaussian_process.processes import Processes

_SHARE = 0.005
"""Mean share of a draw's variance that may be added to it by what is left out: half as much of its
deviation."""
_FEW = (24, 32, 48, 64)
"""Numbers of points that are tried in the place of all."""
_OFF = 5e-4
"""Mean square by which fewer points may move a mean, as a share of a draw's variance; and half of
how much they may move that variance either way, on average."""
_LANES = 8
"""Rows of a product that cost no more than one."""
_CHUNK_ROWS = 2048
"""Rows whose correlations with the inducing points are held at once."""
_PER_BIT = 1.0 / math.log(2.0)
CORRELATION_UNIT = 3.0 * _PER_BIT**2
"""What a `Correlator` gives for a correlation of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlator:
    """Correlations of one process with its inducing points, in `CORRELATION_UNIT`."""

    columns: tuple[slice, slice]
    """Inputs that are not hidden: those before the numbers still to come, and the bounds."""
    squares: Float32[np.ndarray, "seen"]
    """Weights of the squared inputs in their own squared length."""
    across: Float32[np.ndarray, "point seen+2"]
    """From the inputs, their squared length and 1 to squared distances."""

    @classmethod
    def of(
        cls, processes: Processes, position: int, points: Int[np.ndarray, "point"] | None = None
    ) -> Correlator:
        """That of one process, with the given inducing points or all."""
        inputs, numbers = processes.length_scale.shape[1], len(processes.slope)
        columns = slice(0, inputs - 2 - numbers + position), slice(inputs - 2, inputs)
        seen = np.r_[columns]
        length = processes.length_scale[position, seen].astype(float)
        inducing = (
            processes.inducing[position]
            if points is None
            else (processes.inducing[position][points])
        )
        near = inducing[:, seen].astype(float)
        unit = 5.0 * _PER_BIT**2
        ones, own = np.ones((len(near), 1)), np.square(near).sum(axis=1, keepdims=True)
        across = np.concatenate([-2.0 * unit * near / length, ones, unit * own], axis=1)
        return cls(
            columns=columns,
            squares=(unit / length**2).astype(np.float32),
            across=across.astype(np.float32),
        )

    def __call__(
        self, inputs: Float32[np.ndarray, "batch input"]
    ) -> Iterator[tuple[slice, Float32[np.ndarray, "point part"]]]:
        """Part by part, a column a row of the batch, in the same memory each time."""
        count = len(inputs)
        memory = np.empty((2, len(self.across), min(count, _CHUNK_ROWS)), np.float32)
        for first in range(0, count, _CHUNK_ROWS):
            part = slice(first, min(first + _CHUNK_ROWS, count))
            squared, distance = memory[:, :, : part.stop - first]
            np.matmul(self.across, self._augmented(inputs[part].T), out=squared)
            _correlate(squared, distance)
            yield part, squared

    def _augmented(
        self, inputs: Float32[np.ndarray, "input part"]
    ) -> Float32[np.ndarray, "row part"]:
        """What the process sees, its squared length and 1."""
        seen = np.empty((self.across.shape[1], inputs.shape[1]), np.float32)
        split = self.columns[0].stop
        seen[:split], seen[split:-2] = (inputs[columns] for columns in self.columns)
        np.matmul(self.squares, np.square(seen[:-2]), out=seen[-2])
        seen[-1] = 1.0
        return seen


def _correlate(
    squared: Float32[np.ndarray, "point part"], distance: Float32[np.ndarray, "point part"]
) -> None:
    """Turn squares of s / ln 2 into (1 + s + s^2 / 3) exp(-s), but for the unit, in place."""
    # Rounding may leave a little less than 0.
    np.abs(squared, out=squared)
    np.sqrt(squared, out=distance)
    powers = torch.from_numpy(distance)
    torch.from_numpy(squared).add_(powers, alpha=3.0 * _PER_BIT)
    squared += np.float32(CORRELATION_UNIT)
    # So far away that the power is infinite, nothing is left of a correlation.
    powers.exp2_()
    squared /= distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """One process as its draws see it, in standardised units."""

    correlator: Correlator
    readout: Float32[np.ndarray, "readout point"]
    """Weights of the mean, then factors whose squared sum is the variance explained."""
    output_scale: float

    @classmethod
    def of(
        cls, processes: Processes, position: int, abridged: Float32[np.ndarray, "readout all"]
    ) -> Sketch:
        """The sketch of one process from its abridged readout; zeros are left out."""
        points = np.flatnonzero(abridged.any(axis=0))
        factors = 1 + np.flatnonzero(abridged[1:].any(axis=1))
        scale = float(processes.output_scale[position])
        return cls(
            correlator=Correlator.of(processes, position, points),
            readout=abridged[np.ix_(np.append(0, factors), points)]
            * np.float32(scale / CORRELATION_UNIT),
            output_scale=scale,
        )

    def __call__(
        self, inputs: Float32[np.ndarray, "batch input"]
    ) -> tuple[Float32[np.ndarray, "batch"], Float32[np.ndarray, "batch"]]:
        """How far the mean lies off the line, and the doubt."""
        mean, doubt = np.empty((2, len(inputs)), np.float32)
        for part, correlation in self.correlator(inputs):
            read = self.readout @ correlation
            mean[part] = read[0]
            np.einsum("fn,fn->n", read[1:], read[1:], out=doubt[part])
        np.subtract(self.output_scale, doubt, out=doubt)
        return mean, np.maximum(doubt, np.zeros_like(doubt), out=doubt)


def abridge(
    processes: Processes, position: int, inputs: Float32[np.ndarray, "row input"] | None = None
) -> Float32[np.ndarray, "readout point"]:
    """The readout of one process for draws, chosen at rows of the data.

    Without any, at the inducing points, which are rows of the data themselves.
    """
    length = processes.length_scale[position]
    rows = processes.inducing[position] * length if inputs is None else inputs
    points = processes.inducing[position].astype(float)
    scale = float(processes.output_scale[position])
    readout = processes.readout[position].astype(float)
    seen = matern(rows.astype(float) / length, points, scale)
    read = seen @ readout
    line = processes.straight(position, rows)
    noise = processes.noise(position, rows, line + read[:, 0].astype(np.float32))
    variance = np.maximum(scale - np.square(read[:, 1:]).sum(axis=1), 0.0) + noise
    weighed = 1.0 / np.sqrt(variance)[:, None]
    axes = _leading(read[:, 1:] * weighed)
    weights = np.column_stack([readout[:, 0], readout[:, 1:] @ axes])
    fewer = _with_fewer_points(seen * weighed, (seen * weighed) @ weights)
    return (weights if fewer is None else fewer).T.astype(np.float32)


def _leading(read: Float[np.ndarray, "row factor"]) -> Float[np.ndarray, "factor kept"]:
    """Axes of the fewest factors that explain enough, of readings in deviations of a draw."""
    shares, axes = np.linalg.eigh(read.T @ read / len(read))
    # As many of the smallest are left out as together come to no more than allowed.
    spare = int(np.searchsorted(np.cumsum(np.maximum(shares, 0.0)), _SHARE))
    # With the mean beside them, as many as fill the lanes.
    kept = min(len(shares), -(-(len(shares) - spare + 1) // _LANES) * _LANES - 1)
    return np.asarray(axes[:, len(shares) - kept :])


def _with_fewer_points(
    seen: Float[np.ndarray, "row point"], wanted: Float[np.ndarray, "row readout"]
) -> Float[np.ndarray, "point readout"] | None:
    """Weights of the fewest points that read nearly the same; None where many are needed."""
    if len(seen.T) <= _FEW[-1]:
        return None
    chosen = _pursue(seen, wanted, _FEW[-1])
    for count in _FEW:
        points = chosen[:count]
        weights = np.linalg.lstsq(seen[:, points], wanted, rcond=1e-6)[0]
        found = seen[:, points] @ weights
        moved = np.square(found[:, 1:]).sum(axis=1) - np.square(wanted[:, 1:]).sum(axis=1)
        off = np.square(found[:, 0] - wanted[:, 0]).mean(), np.abs(moved).mean() / 2
        if max(off) <= _OFF:
            fewer = np.zeros((len(seen.T), len(wanted.T)))
            fewer[points] = weights
            return fewer
    return None


def _pursue(
    seen: Float[np.ndarray, "row point"], wanted: Float[np.ndarray, "row readout"], count: int
) -> Int[np.ndarray, "chosen"]:
    """Points that one after another read the most of what is left (orthogonal matching pursuit)."""
    left, open_, chosen = wanted.copy(), seen.copy(), np.zeros(count, dtype=int)
    for number in range(count):
        sizes = np.square(open_).sum(axis=0)
        gains = np.square(open_.T @ left).sum(axis=1) / np.maximum(sizes, 1e-9 * sizes.max())
        chosen[number] = gains.argmax()
        axis = open_[:, chosen[number]] / np.sqrt(sizes[chosen[number]])
        left -= np.outer(axis, axis @ left)
        open_ -= np.outer(axis, axis @ open_)
        open_[:, chosen[number]] = 0.0
    return chosen
