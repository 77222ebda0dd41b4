"""scikit-learn's histogram gradient boosting: a mean and a spread, and misses seen before.

A first ensemble foretells the mean, a second one how large its misses are, learnt from misses on
rows that the first had not seen. A draw adds the misses of one such row, all targets together, so
that spread, shape and dependence of what is random come from the data. It is the strongest use of
gradient boosting that we know here; quantile losses need one ensemble a quantile and lose the
dependence between targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import cross_val_predict

from experiments.surrogate_comparison.peers.framing import (
    Framing,
    Normal,
    PeerSurrogate,
    at_distinct,
)
from sim.description import Description
from surrogates.dataset import Transitions

_SMALLEST_MISS = 1e-3
"""Of a target's own deviation; smaller misses are not told apart."""
_EULER = 1.2703628454614782
"""Minus the mean of the logarithm of a squared standard normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostingSettings:
    """How the ensembles are grown; the rest is the library's default."""

    folds: int = 3
    """Parts of the data of which each in turn is foretold from the others."""


class Boosting:
    """Boosted means and spreads with the standardised misses of the training rows."""

    def __init__(
        self,
        means: list[HistGradientBoostingRegressor],
        spreads: list[HistGradientBoostingRegressor],
        misses: Float[np.ndarray, "row target"],
    ) -> None:
        self._means, self._spreads, self._misses = means, spreads, misses

    def draw(
        self, inputs: Float[np.ndarray, "batch input"], random: np.random.Generator
    ) -> Float[np.ndarray, "batch target"]:
        """One draw of every target for each row."""
        mean, deviation = at_distinct(inputs, self._predict)
        seen = self._misses[random.integers(len(self._misses), size=len(inputs))]
        return np.asarray(mean + deviation * seen)

    def _predict(self, inputs: Float[np.ndarray, "batch input"]) -> Normal:
        mean = np.stack([one.predict(inputs) for one in self._means], axis=1)
        return mean, _spread(self._spreads, inputs)


def _spread(
    fitted: list[HistGradientBoostingRegressor], inputs: Float[np.ndarray, "batch input"]
) -> Float[np.ndarray, "batch target"]:
    log_squared = np.stack([one.predict(inputs) for one in fitted], axis=1)
    return np.asarray(np.exp((log_squared + _EULER) / 2))


def fit_boosting(
    transitions: Transitions,
    description: Description,
    settings: BoostingSettings,
    random: np.random.Generator,
) -> PeerSurrogate:
    """Fit both ensembles of every target."""
    framing = Framing(transitions, description)

    def new() -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(random_state=int(random.integers(2**31)))

    means, spreads, misses = [], [], []
    for column in framing.targets.T:
        foretold = cross_val_predict(new(), framing.inputs, column, cv=settings.folds)
        missed = column - foretold
        squared = np.square(missed) + _SMALLEST_MISS**2
        means.append(new().fit(framing.inputs, column))
        spreads.append(new().fit(framing.inputs, np.log(squared)))
        misses.append(missed)
    standard = np.stack(misses, axis=1) / _spread(spreads, framing.inputs)
    return PeerSurrogate("sklearn_boosting", framing, Boosting(means, spreads, standard))
