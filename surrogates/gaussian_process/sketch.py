"""What drawing needs of the processes, for speed: an abridged readout of fewer correlations.

What the data explain of a process's variance is a sum of as many squares as there are inducing
points. Where an epoch is drawn, chance is added to what is left, and most of the squares are too
small to show. An abridged readout keeps the leading ones, weighed by how much of a draw's variance
they are at rows of the data. What is left out counts as unexplained, so that a draw is a little
too wide rather than too narrow. Of the doubt about the line the directions are left out that are
next to nothing at rows of the data. A smooth process is told by few of its inducing points as
well: where it is, the others are left out too, and the weights fitted again.

Correlations are taken without the inputs that are hidden from a process. Products are torch's, and
what is between them is compiled (`kernels`). Likelihood and doubt never come by this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from surrogates.gaussian_process.kernel import matern
from surrogates.gaussian_process.processes import Processes
from surrogates.kernels import correlate, sum_squares, with_squares
from surrogates.networks import one_thread

_SHARE = 0.005
"""Mean share of a draw's variance that may be added to it by what is left out: half as much of its
deviation."""
_LINE_SHARE = 0.001
"""Largest share of a draw's variance that may be taken from it by directions of the line left out:
half as much of its deviation."""
_FEW = (24, 32, 48, 64)
"""Numbers of points that are tried in the place of all."""
_OFF = 5e-4
"""Mean square by which fewer points may move a mean, as a share of a draw's variance; and half of
how much they may move that variance either way, on average."""
_LANES = 8
"""Rows of a product that cost no more than one."""
_CHUNK_ROWS = 2048
"""Rows whose correlations with the inducing points are held at once: they stay in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlator:
    """Correlations of one process with its inducing points."""

    columns: tuple[slice, slice]
    """Inputs that are not hidden: those before the numbers still to come, and the bounds."""
    squares: Float32[np.ndarray, "seen"]
    """Weights of the squared inputs in their own squared length."""
    across: Float[Tensor, "point seen+2"]
    """From the inputs, their squared length and 1 to five times the squared distances."""

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
        ones, own = np.ones((len(near), 1)), np.square(near).sum(axis=1, keepdims=True)
        across = np.concatenate([-10.0 * near / length, ones, 5.0 * own], axis=1)
        return cls(
            columns=columns,
            squares=(5.0 / length**2).astype(np.float32),
            across=torch.from_numpy(across.astype(np.float32)),
        )

    def __call__(
        self, inputs: Float32[np.ndarray, "batch input"]
    ) -> Iterator[tuple[slice, Float32[np.ndarray, "point part"]]]:
        """Part by part, a column a row of the batch, in the same memory each time."""
        count, points = len(inputs), len(self.across)
        seen = torch.from_numpy(self._with_squares(np.ascontiguousarray(inputs.T)))
        memory = torch.empty(points * min(count, _CHUNK_ROWS))
        for first in range(0, count, _CHUNK_ROWS):
            part = slice(first, min(first + _CHUNK_ROWS, count))
            size = part.stop - part.start
            correlation = memory[: points * size].view(points, size)
            with one_thread():
                torch.mm(self.across, seen[:, part], out=correlation)
            correlate(correlation.numpy())
            yield part, correlation.numpy()

    def _with_squares(
        self, inputs: Float32[np.ndarray, "input batch"]
    ) -> Float32[np.ndarray, "row batch"]:
        """What the process sees, its squared length and 1."""
        before, after = (inputs[columns] for columns in self.columns)
        seen = np.empty((self.across.shape[1], inputs.shape[1]), np.float32)
        with_squares(before, after, self.squares, seen)
        return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Abridged:
    """What draws need of one process or, stacked, of all of them."""

    readout: Float32[np.ndarray, "*process readout point"]
    """Weights of the mean, then factors whose squared sum is the variance explained."""
    give: Float32[np.ndarray, "*process direction point"]
    """Weights by which the deviation gives way where the line turns."""
    spread: Float32[np.ndarray, "*process direction weight"]
    """How the line may turn."""

    def __getitem__(self, position: int) -> Abridged:
        """That of one process."""
        return Abridged(
            **{field.name: getattr(self, field.name)[position] for field in fields(self)}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """One process as its draws see it, in standardised units."""

    correlator: Correlator
    readout: Float[Tensor, "readout point"]
    """Weights of the mean, factors whose squared sum is the variance explained, and what gives way
    where the line turns."""
    factors: int
    spread: Float[Tensor, "direction input"]
    level: Float32[np.ndarray, "direction 1"]
    """How the line may turn, by slopes and level."""
    output_scale: float

    @classmethod
    def of(cls, processes: Processes, position: int, abridged: Abridged) -> Sketch:
        """The sketch of one process from its abridged readout; zeros are left out."""
        every = np.concatenate([abridged.readout, abridged.give])
        points = np.flatnonzero(every.any(axis=0))
        factors = 1 + np.flatnonzero(abridged.readout[1:].any(axis=1))
        turns = np.flatnonzero(abridged.spread.any(axis=1))
        kept = np.concatenate([[0], factors, len(abridged.readout) + turns])
        scale = float(processes.output_scale[position])
        return cls(
            correlator=Correlator.of(processes, position, points),
            readout=torch.from_numpy(every[np.ix_(kept, points)] * np.float32(scale)),
            factors=len(factors),
            spread=torch.from_numpy(np.ascontiguousarray(abridged.spread[turns, :-1])),
            level=abridged.spread[turns, -1:],
            output_scale=scale,
        )

    def __call__(
        self, inputs: Float32[np.ndarray, "batch input"]
    ) -> tuple[Float32[np.ndarray, "batch"], Float32[np.ndarray, "batch"]]:
        """How far the mean lies off the line, and the doubt."""
        mean, doubt, explained = np.empty((3, len(inputs)), np.float32)
        doubt[:] = self.output_scale
        turns = 1 + self.factors
        for part, correlation in self.correlator(inputs):
            with one_thread():
                read = torch.mm(self.readout, torch.from_numpy(correlation)).numpy()
            mean[part] = read[0]
            sum_squares(read[1:turns], explained[part])
            doubt[part] -= explained[part]
            np.maximum(doubt[part], 0.0, out=doubt[part])
            if len(self.level):
                turned = read[turns:] + self.level
                with one_thread():
                    turned += torch.mm(self.spread, torch.from_numpy(inputs[part].T)).numpy()
                sum_squares(turned, explained[part])
                doubt[part] += explained[part]
        return mean, doubt


def abridge(
    processes: Processes, position: int, inputs: Float32[np.ndarray, "row input"] | None = None
) -> Abridged:
    """The readout of one process for draws, chosen at rows of the data.

    Without any, at the inducing points, which are rows of the data themselves.
    """
    length = processes.length_scale[position]
    rows = processes.inducing[position] * length if inputs is None else inputs
    points = processes.inducing[position].astype(float)
    scale = float(processes.output_scale[position])
    readout = processes.readout[position].astype(float)
    spread, give = processes.spread[position].astype(float), processes.give[position].astype(float)
    seen = matern(rows.astype(float) / length, points, scale)
    read = seen @ readout
    turned = rows @ spread[:-1] + spread[-1] + seen @ give
    line = processes.straight(position, rows)
    noise = processes.noise(position, rows, line + read[:, 0].astype(np.float32))
    variance = np.maximum(scale - np.square(read[:, 1:]).sum(axis=1), 0.0) + noise
    variance += np.square(turned).sum(axis=1)
    weighed = 1.0 / np.sqrt(variance)[:, None]
    axes = _leading(read[:, 1:] * weighed)
    turns = _turning(turned * weighed)
    weights = np.column_stack([readout[:, 0], readout[:, 1:] @ axes, give @ turns])
    fewer = _with_fewer_points(seen * weighed, (seen * weighed) @ weights, axes.shape[1])
    told = (weights if fewer is None else fewer).T.astype(np.float32)
    return Abridged(
        readout=told[: 1 + axes.shape[1]],
        give=told[1 + axes.shape[1] :],
        spread=(spread @ turns).T.astype(np.float32),
    )


def _turning(turned: Float[np.ndarray, "row direction"]) -> Float[np.ndarray, "direction kept"]:
    """Axes of the fewest directions of the line that tell its doubt, in deviations of a draw."""
    _, axes = np.linalg.eigh(turned.T @ turned)
    # The least first: what is left out in each row when so many of them are.
    left = np.square(turned @ axes).cumsum(axis=1).max(axis=0, initial=0.0)
    return np.asarray(axes[:, int(np.searchsorted(left, _LINE_SHARE)) :])


def _leading(read: Float[np.ndarray, "row factor"]) -> Float[np.ndarray, "factor kept"]:
    """Axes of the fewest factors that explain enough, of readings in deviations of a draw."""
    shares, axes = np.linalg.eigh(read.T @ read / len(read))
    # As many of the smallest are left out as together come to no more than allowed.
    spare = int(np.searchsorted(np.cumsum(np.maximum(shares, 0.0)), _SHARE))
    # With the mean beside them, as many as fill the lanes.
    kept = min(len(shares), -(-(len(shares) - spare + 1) // _LANES) * _LANES - 1)
    return np.asarray(axes[:, len(shares) - kept :])


def _with_fewer_points(
    seen: Float[np.ndarray, "row point"], wanted: Float[np.ndarray, "row readout"], factors: int
) -> Float[np.ndarray, "point readout"] | None:
    """Weights of the fewest points that read nearly the same; None where many are needed.

    The first column is the mean's, the next are so many factors, and the others turn with the line.
    """
    if len(seen.T) <= _FEW[-1]:
        return None
    chosen = _pursue(seen, wanted, _FEW[-1])
    for count in _FEW:
        points = chosen[:count]
        weights = np.linalg.lstsq(seen[:, points], wanted, rcond=1e-6)[0]
        found = seen[:, points] @ weights
        told, known = (np.square(each[:, 1 : 1 + factors]).sum(axis=1) for each in (found, wanted))
        turned = np.square(found[:, 1 + factors :] - wanted[:, 1 + factors :]).sum(axis=1)
        off = (
            np.square(found[:, 0] - wanted[:, 0]).mean(),
            np.abs(told - known).mean() / 2,
            turned.mean(),
        )
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
