"""Learning curves, and how many epochs one arm saves over another at equal quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.optimize import isotonic_regression

from experiments.where_to_simulate.rows import Row
from sim.output import Estimate
from sim.streams import stream

Measure = Literal["crps", "tau", "crps_usual"]
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """One arm over its seeds: a loss that falls with the epochs simulated."""

    epochs: Float[np.ndarray, "point"]
    loss: Float[np.ndarray, "seed point"]
    """CRPS, or 1 - tau."""

    @classmethod
    def of(cls, rows: Sequence[Row], measure: Measure, seeds: Sequence[int]) -> Curves:
        """The curves of the seeds, which must all be whole."""
        by_point = {(row.seed, row.episodes): row for row in rows}
        points = sorted({row.episodes for row in rows})
        values = [[getattr(by_point[seed, n], measure) for n in points] for seed in seeds]
        epochs = [np.mean([by_point[seed, n].epochs for seed in seeds]) for n in points]
        loss = np.array(values)
        return cls(epochs=np.array(epochs), loss=1.0 - loss if measure == "tau" else loss)

    def falling(self, seeds: Float[np.ndarray, "drawn"] | slice) -> Float[np.ndarray, "point"]:
        """Mean over seeds, made to fall: more data may not be held against an arm."""
        return np.asarray(isotonic_regression(self.loss[seeds].mean(axis=0), increasing=False).x)


def epochs_saved(baseline: Curves, arm: Curves, purpose: str) -> Estimate:
    """Epochs the baseline needs over those the arm needs, for the best loss that both reach.

    Between the points of the mean curves epochs are interpolated on a logarithmic scale. The
    interval is a bootstrap over seeds, arms kept together. Where an arm is there at its first
    point the ratio is a lower bound.
    """
    count = len(baseline.loss)
    random = stream(1, "bootstrap", purpose)
    drawn = [random.integers(count, size=count) for _ in range(_RESAMPLES)]
    ratios = [_ratio(baseline, arm, seeds) for seeds in drawn]
    low, high = np.quantile(ratios, [0.025, 0.975])
    value = _ratio(baseline, arm, slice(None))
    return Estimate(value=value, low=float(low), high=float(high), count=count)


def _ratio(baseline: Curves, arm: Curves, seeds: Float[np.ndarray, "drawn"] | slice) -> float:
    slow, fast = baseline.falling(seeds), arm.falling(seeds)
    level = max(slow[-1], fast[-1])
    return _needed(baseline.epochs, slow, level) / _needed(arm.epochs, fast, level)


def _needed(
    epochs: Float[np.ndarray, "point"], loss: Float[np.ndarray, "point"], level: float
) -> float:
    """Epochs after which a falling curve first reaches a level that it does reach."""
    first = int(np.argmax(loss <= level))
    if not first:
        return float(epochs[0])
    share = (loss[first - 1] - level) / (loss[first - 1] - loss[first])
    before, after = np.log(epochs[first - 1]), np.log(epochs[first])
    return float(np.exp(before + share * (after - before)))
