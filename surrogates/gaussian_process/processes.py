"""The fitted processes as plain arrays, so that drawing needs no autograd."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32

from surrogates.gaussian_process.kernel import Shape, matern
from surrogates.lessons import Scales

_CHUNK_ROWS = 1024
"""Rows whose covariances with the inducing points are held at once: they stay in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What a process believes of one number in each row: all in standardised units."""

    mean: Float32[np.ndarray, "batch"]
    doubt: Float32[np.ndarray, "batch"]
    """Variance that more data would take away."""
    noise: Float32[np.ndarray, "batch"]
    """Variance of chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """The fitted processes: all that drawing needs, in standardised units."""

    slope: Float32[np.ndarray, "coordinate input"]
    intercept: Float32[np.ndarray, "coordinate"]
    length_scale: Float32[np.ndarray, "coordinate input"]
    output_scale: Float32[np.ndarray, "coordinate"]
    inducing: Float32[np.ndarray, "coordinate point input"]
    """Inducing points, already divided by the length scales."""
    readout: Float32[np.ndarray, "coordinate point point+1"]
    """First column: weights of the mean. Others: their squared sum is the variance explained."""
    noise_slope: Float32[np.ndarray, "coordinate input+1"]
    """Log noise variance, linear in the inputs and the predicted mean."""
    noise_intercept: Float32[np.ndarray, "coordinate"]
    noise_range: Float32[np.ndarray, "coordinate side"]
    """Log noise variance is kept within what the data showed."""

    def predict(self, position: int, inputs: Float32[np.ndarray, "batch input"]) -> Belief:
        """What one process believes."""
        mean = self.straight(position, inputs)
        doubt = np.empty_like(mean)
        for first in range(0, len(inputs), _CHUNK_ROWS):
            part = slice(first, first + _CHUNK_ROWS)
            read = self.kernel(position, inputs[part]) @ self.readout[position]
            mean[part] += read[:, 0]
            explained = np.einsum("np,np->n", read[:, 1:], read[:, 1:])
            doubt[part] = np.maximum(self.output_scale[position] - explained, 0.0)
        return Belief(mean=mean, doubt=doubt, noise=self.noise(position, inputs, mean))

    def straight(
        self, position: int, inputs: Float32[np.ndarray, "batch input"]
    ) -> Float32[np.ndarray, "batch"]:
        """The line from which a process deviates."""
        line: Float32[np.ndarray, "batch"] = inputs @ self.slope[position]
        line += self.intercept[position]
        return line

    def kernel(
        self, position: int, inputs: Float32[np.ndarray, "batch input"]
    ) -> Float32[np.ndarray, "batch point"]:
        """Covariances with the inducing points."""
        return matern(
            inputs / self.length_scale[position],
            self.inducing[position],
            float(self.output_scale[position]),
        )

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
        """Those that `to_tensors` was asked of."""
        return cls(**{field.name: tensors[f"processes.{field.name}"] for field in fields(cls)})
