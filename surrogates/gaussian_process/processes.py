"""The fitted processes as plain arrays, so that drawing needs no autograd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from surrogates.gaussian_process.kernel import Shape, correlate
from surrogates.lessons import Scales

_CHUNK_ROWS = 1024
"""Rows whose covariances with the inducing points are held at once: they stay in the cache."""
_BLOCK = 32
"""Factors that are applied together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What a process believes of one number in each row: all in standardised units."""

    mean: Float32[np.ndarray, "batch"]
    doubt: Float32[np.ndarray, "batch"]
    """Variance that more data would take away."""
    noise: Float32[np.ndarray, "batch"]
    """Variance of chance."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """The fitted processes: all that drawing needs, in standardised units."""

    slope: Float32[np.ndarray, "coordinate input"]
    intercept: Float32[np.ndarray, "coordinate"]
    length_scale: Float32[np.ndarray, "coordinate input"]
    output_scale: Float32[np.ndarray, "coordinate"]
    inducing: Float32[np.ndarray, "coordinate point input"]
    """Inducing points, already divided by the length scales."""
    readout: Float32[np.ndarray, "coordinate point readout"]
    """First column: weights of the mean. Others: factors whose squared sum is the variance of the
    deviation that is explained, lower triangular."""
    spread: Float32[np.ndarray, "coordinate input+1 direction"]
    """How the line may turn: independent standard normals in these directions."""
    give: Float32[np.ndarray, "coordinate point direction"]
    """Weights by which the deviation gives way then."""
    noise_slope: Float32[np.ndarray, "coordinate input+1"]
    """Log noise variance, linear in the inputs and the predicted mean."""
    noise_intercept: Float32[np.ndarray, "coordinate"]
    noise_range: Float32[np.ndarray, "coordinate side"]
    """Log noise variance is kept within what the data showed."""

    def predict(self, position: int, inputs: Float32[np.ndarray, "batch input"]) -> Belief:
        """What one process believes."""
        mean = self.straight(position, inputs)
        explained = np.zeros_like(mean)
        turned = inputs @ self.spread[position, :-1] + self.spread[position, -1]
        for part, correlation in self.correlations(position, inputs):
            mean[part] += correlation @ self._scaled[position, :, 0]
            turned[part] += correlation @ (self.give[position] * self.output_scale[position])
            for rows, columns in self._blocks:
                read = correlation[:, rows] @ self._scaled[position, rows, columns]
                explained[part] += np.einsum("np,np->n", read, read)
        doubt = np.maximum(self.output_scale[position] - explained, 0.0)
        doubt += np.square(turned).sum(axis=1)
        return Belief(mean=mean, doubt=doubt, noise=self.noise(position, inputs, mean))

    @cached_property
    def _scaled(self) -> Float32[np.ndarray, "coordinate point readout"]:
        """The readout of correlations."""
        return np.asarray(self.readout * self.output_scale[:, None, None])

    @cached_property
    def _across(self) -> Float32[np.ndarray, "coordinate input point"]:
        """What the inputs are multiplied by on the way to five times the squared distances."""
        scaled = self.inducing / self.length_scale[:, None]
        return np.ascontiguousarray(-10.0 * scaled.swapaxes(1, 2))

    def correlations(
        self, position: int, inputs: Float32[np.ndarray, "batch input"]
    ) -> Iterator[tuple[slice, Float32[np.ndarray, "part point"]]]:
        """Correlations with the inducing points, part by part, in the same memory each time."""
        size, points = min(_CHUNK_ROWS, len(inputs)), len(self.inducing[position])
        squared, scratch = (np.empty((size, points), np.float32) for _ in range(2))
        theirs = 5.0 * np.square(self.inducing[position]).sum(axis=1)
        own = 5.0 * np.square(inputs / self.length_scale[position]).sum(axis=1)
        for first in range(0, len(inputs), _CHUNK_ROWS):
            part = slice(first, min(first + _CHUNK_ROWS, len(inputs)))
            there = squared[: part.stop - first]
            np.matmul(inputs[part], self._across[position], out=there)
            there += theirs
            there += own[part, None]
            correlate(there, scratch[: len(there)])
            yield part, there

    @property
    def _blocks(self) -> list[tuple[slice, slice]]:
        """The parts of the triangular factors that are not zero: rows (points) and columns."""
        points, width = self.readout.shape[1:]
        edges = range(0, width - 1, _BLOCK)
        rows = (slice(first, points) for first in edges)
        columns = (slice(first + 1, min(first + _BLOCK, width - 1) + 1) for first in edges)
        return list(zip(rows, columns, strict=True))

    def straight(
        self, position: int, inputs: Float32[np.ndarray, "batch input"]
    ) -> Float32[np.ndarray, "batch"]:
        """The line from which a process deviates."""
        line: Float32[np.ndarray, "batch"] = inputs @ self.slope[position]
        line += self.intercept[position]
        return line

    def noise(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        mean: Float32[np.ndarray, "batch"],
    ) -> Float32[np.ndarray, "batch"]:
        """Variance of chance at these inputs."""
        slope = self.noise_slope[position]
        level = inputs @ slope[:-1] + mean * slope[-1] + self.noise_intercept[position]
        noise: Float32[np.ndarray, "batch"] = np.exp(np.clip(level, *self.noise_range[position]))
        return noise

    def shapes(self, before: Scales, after: Scales) -> list[Shape]:
        """The shapes in the units of new data, to go on from."""
        lengths = self.length_scale * before.inputs / after.inputs
        outputs = np.square(before.coordinate[1] / after.coordinate[1])
        noises = np.exp(self.noise_range.mean(axis=1))
        return [
            Shape(
                length_scale=length.astype(float),
                output_scale=float(scale * output),
                noise=float(noise * output),
            )
            for length, scale, noise, output in zip(
                lengths, self.output_scale, noises, outputs, strict=True
            )
        ]

    def to_tensors(self) -> dict[str, np.ndarray]:
        """By name, as artefacts keep them."""
        return {f"processes.{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray]) -> Processes:
        """Those that `to_tensors` was asked of, or those of an older release."""
        named = {field.name: f"processes.{field.name}" for field in fields(cls)}
        own = {name: tensors[key] for name, key in named.items() if key in tensors}
        factors = own["readout"][:, :, 1:]
        # Earlier releases left the factors square.
        if np.triu(factors[0], 1).any():
            lower = np.asarray(np.linalg.qr(factors.swapaxes(1, 2), mode="r")).swapaxes(1, 2)
            own["readout"] = np.concatenate([own["readout"][:, :, :1], lower], axis=2)
        # They also took the line for known.
        for name, like, more in (("spread", own["slope"], 1), ("give", own["inducing"][..., 0], 0)):
            own.setdefault(name, np.zeros((len(like), like.shape[1] + more, 0), np.float32))
        return cls(**own)
