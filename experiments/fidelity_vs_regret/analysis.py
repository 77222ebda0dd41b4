"""How well each score foretells regret: rank correlations, and what choosing by it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import kendalltau

from experiments.fidelity_vs_regret.rows import Row
from experiments.fidelity_vs_regret.scores import SCORES

_RESAMPLES = 1000
_FEWEST = 3
"""Surrogates that a correlation takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """What one score says of regret, over all surrogates of one system."""

    score: str
    surrogates: int
    tau: float
    """Kendall's, between the score and the regret; 1 where the better score is never the worse."""
    low: float
    high: float
    """95% interval, whole data sets resampled."""
    within: float
    """Mean tau among families that saw the same data."""
    chosen: float
    """Mean regret of the family that has the best score, data set by data set."""


def regrets(rows: Sequence[Row]) -> Float[np.ndarray, "row"]:
    """How much more each policy costs than the best that was found, as a share of it."""
    costs = np.array([row.cost for row in rows])
    best = float(costs.min())
    return np.asarray((costs - best) / abs(best))


def foretellings(rows: Sequence[Row]) -> list[Foretold]:
    """Every score, the one that foretells best first."""
    found = [_foretold(name, rows) for name in SCORES]
    return sorted((each for each in found if each), key=lambda each: -each.tau)


def _foretold(name: str, rows: Sequence[Row]) -> Foretold | None:
    regret = regrets(rows)
    known = [place for place, row in enumerate(rows) if row.scores.get(name) is not None]
    if len(known) < _FEWEST:
        return None
    scores = np.array([rows[place].scores[name] for place in known], dtype=float)
    regret = regret[known]
    groups = list(data_sets([rows[place] for place in known]))
    random, counts = np.random.default_rng(0), np.zeros((_RESAMPLES, len(known)))
    for resample in counts:
        for k in random.integers(len(groups), size=len(groups)):
            resample[groups[k]] += 1
    low, high = np.quantile(resampled_taus(scores, regret, counts), [0.025, 0.975])
    return Foretold(
        score=name,
        surrogates=len(known),
        tau=tau_of(scores, regret),
        low=float(low),
        high=float(high),
        within=float(np.mean([tau_of(scores[g], regret[g]) for g in groups])),
        chosen=float(np.mean([regret[g][scores[g].argmin()] for g in groups])),
    )


def data_sets(rows: Sequence[Row]) -> Iterator[np.ndarray]:
    """Places of the rows whose families saw the same data."""
    keys = [(row.episodes, row.seed) for row in rows]
    for key in dict.fromkeys(keys):
        yield np.array([place for place, each in enumerate(keys) if each == key])


def resampled_taus(
    left: Float[np.ndarray, "row"],
    right: Float[np.ndarray, "row"],
    counts: Float[np.ndarray, "resample row"],
) -> Float[np.ndarray, "resample"]:
    """What `tau_of` gives where each row is there so often, for all resamples at once."""
    signs = [np.sign(side[:, None] - side[None, :]) for side in (left, right)]

    def pairs(of: Float[np.ndarray, "row row"]) -> Float[np.ndarray, "resample"]:
        return np.asarray(((counts @ of) * counts).sum(axis=1))

    untied = np.sqrt(pairs(np.abs(signs[0])) * pairs(np.abs(signs[1])))
    taus = np.zeros(len(counts))
    np.divide(pairs(signs[0] * signs[1]), untied, out=taus, where=untied > 0)
    return taus


def tau_of(left: Float[np.ndarray, "row"], right: Float[np.ndarray, "row"]) -> float:
    """Kendall's tau-b; 0 where one side says nothing."""
    found = float(kendalltau(left, right).statistic)
    return found if np.isfinite(found) else 0.0
