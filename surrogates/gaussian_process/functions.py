"""Whole functions drawn from the processes: one draw is one world, the same wherever it is asked.

Pathwise conditioning (Wilson et al. 2020): a draw from the prior as a weighted sum of random
cosines, plus the correction that the inducing points ask for. The cosines' frequencies follow the
spectrum of the Matérn-5/2 kernel, a multivariate t with 5 degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int

from surrogates.gaussian_process.posterior import prior_at, remaining_root
from surrogates.gaussian_process.processes import Processes
from surrogates.gaussian_process.sketch import Correlator
from surrogates.grouping import groups

_COSINES = 512
"""Of each process; the prior's covariance is met to about 1 / sqrt of this."""
_DEGREES = 5.0
"""Degrees of freedom of the spectrum: twice the 5/2 of the kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """Draws of all processes, in standardised units."""

    frequency: Float32[np.ndarray, "coordinate input cosine"]
    phase: Float32[np.ndarray, "coordinate cosine"]
    weight: Float32[np.ndarray, "coordinate draw cosine"]
    update: Float32[np.ndarray, "coordinate draw point"]
    """Weights of the correlations with the inducing points."""
    line: Float32[np.ndarray, "coordinate draw input+1"]
    """How the line differs from the mean one."""
    correlators: list[Correlator]

    def deviation(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        which: Int[np.ndarray, "batch"],
    ) -> Float32[np.ndarray, "batch"]:
        """How far one process lies off its mean line, in each row's world.

        Any order of worlds will do; it is fast where the rows of a world lie side by side.
        """
        found = np.empty(len(inputs), np.float32)
        weight, update, line = (a[position] for a in (self.weight, self.update, self.line))
        for part, correlation in self.correlators[position](inputs):
            cosines = inputs[part] @ self.frequency[position]
            cosines += self.phase[position]
            torch.from_numpy(cosines).cos_()
            there = found[part]
            for world, rows in groups(which[part]):
                np.matmul(cosines[rows], weight[world], out=there[rows])
                there[rows] += update[world] @ correlation[:, rows]
                there[rows] += inputs[part][rows] @ line[world, :-1] + line[world, -1]
        return found


def draw_functions(processes: Processes, count: int, random: np.random.Generator) -> Functions:
    """So many draws of every process."""
    drawn = [_draw_one(processes, i, count, random) for i in range(len(processes.slope))]
    return Functions(
        **{name: np.stack([one[name] for one in drawn]).astype(np.float32) for name in drawn[0]},
        correlators=[Correlator.of(processes, i) for i in range(len(drawn))],
    )


def _draw_one(
    processes: Processes, position: int, count: int, random: np.random.Generator
) -> dict[str, np.ndarray]:
    points = processes.inducing[position].astype(float)
    scale = float(processes.output_scale[position])
    readout = processes.readout[position].astype(float)
    spectrum = random.standard_normal((points.shape[1], _COSINES))
    spectrum /= np.sqrt(random.chisquare(_DEGREES, _COSINES) / _DEGREES)
    phase = random.uniform(0.0, 2 * np.pi, _COSINES)
    weight = np.sqrt(2 * scale / _COSINES) * random.standard_normal((count, _COSINES))
    prior = prior_at(points, scale)
    # What the inducing points know has the jitter in it, so the prior draw must have it too.
    jitter = np.sqrt(np.maximum(np.diag(prior) - scale, 0.0))
    at_points = weight @ np.cos(points @ spectrum + phase).T
    at_points += jitter * random.standard_normal(at_points.shape)
    root = remaining_root(points, scale, readout[:, 1:])
    news = readout[:, 0] + random.standard_normal((count, len(points))) @ root.T
    turns = random.standard_normal((count, processes.spread.shape[2]))
    news += turns @ processes.give[position].T
    return {
        "frequency": spectrum / processes.length_scale[position][:, None],
        "phase": phase,
        "weight": weight,
        "update": scale * (news - np.linalg.solve(prior, at_points.T).T),
        "line": turns @ processes.spread[position].T,
    }
