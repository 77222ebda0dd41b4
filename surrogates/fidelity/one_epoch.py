"""One epoch ahead: scores and calibration, over everything and by cell of the parameter box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from surrogates.dataset import Transitions
from surrogates.fidelity.cells import cells_of
from surrogates.fidelity.coverage import Covered, covered, covered_singly
from surrogates.interface import SupportsLikelihood, Surrogate
from surrogates.scores import Foretold, Scores, score_foretold, told_apart_by_name

_BINS, _CELL_BINS = 20, 8
_FEWEST_ROWS = 30
"""Transitions below which a cell's scores say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellScores:
    """Scores in one cell."""

    rows: int
    standardised_crps: float
    """Each quantity over its spread in all data, so that cells compare."""
    energy: float
    coverage: dict[str, float]
    log_likelihood: float | None
    crps: dict[str, float]
    """Of each quantity, in its own unit."""
    log_scores: dict[str, float]
    """Of each quantity, in nats."""
    pit: dict[str, tuple[int, ...]]
    """Histogram of each quantity, in wider bins than over all data; outcomes that every draw
    equals are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneEpoch:
    """How well single epochs are foretold."""

    rows: int
    scores: Scores
    unconditional_crps: float
    """What somebody scores, on the scale of `scores.standardised_crps`, who knows how often each
    outcome comes and never looks at the question."""
    pit: dict[str, tuple[int, ...]]
    """Histogram in equal bins of the probability integral transform of each quantity; outcomes
    that every draw equals are left out."""
    coverage_error: dict[str, float]
    """Standard error of each coverage in `scores`, epochs of one episode taken together."""
    by_quantity: dict[str, dict[str, Covered]]
    """Coverage of each quantity that does not repeat another, by the percentage of the interval."""
    cells: dict[str, CellScores]


def score_one_epoch(
    surrogate: Surrogate, fresh: Transitions, draws: int, random: np.random.Generator
) -> OneEpoch:
    """Score a surrogate on transitions it has not seen."""
    foretold = Foretold.by(surrogate, fresh, random, draws)
    pit = foretold.pit(random)
    likelihood = surrogate.log_prob(fresh) if isinstance(surrogate, SupportsLikelihood) else None
    cells = {}
    for name, rows in cells_of(surrogate.description, fresh.parameters):
        if rows.sum() < _FEWEST_ROWS:
            continue
        inside = foretold.take(rows)
        scores = score_foretold(inside, pit[rows], _mean(likelihood, rows), foretold)
        cells[name] = CellScores(
            rows=int(rows.sum()),
            standardised_crps=scores.standardised_crps,
            energy=scores.energy,
            coverage=scores.coverage,
            log_likelihood=scores.log_likelihood,
            crps=scores.crps_by_output | scores.crps_by_state,
            log_scores=scores.log_scores,
            pit=_histograms(inside, pit[rows], _CELL_BINS),
        )
    return OneEpoch(
        rows=len(fresh),
        scores=score_foretold(foretold, pit, _mean(likelihood, slice(None))),
        unconditional_crps=_unconditional(foretold),
        pit=_histograms(foretold, pit, _BINS),
        coverage_error={
            level: found.error for level, found in covered(foretold, pit, fresh.episode).items()
        },
        by_quantity=covered_singly(foretold, pit, fresh.episode),
        cells=cells,
    )


def middle_half(histogram: Sequence[int]) -> float:
    """What the central 50% cover, from a histogram of as many bins as four divides.

    Nominal for an empty one: there was nothing to be wrong about.
    """
    quarter, count = len(histogram) // 4, sum(histogram)
    return sum(histogram[quarter:-quarter]) / count if count else 0.5


def _histograms(
    foretold: Foretold, pit: Float[np.ndarray, "row quantity"], bins: int
) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(np.histogram(values, bins=bins, range=(0.0, 1.0))[0].tolist())
        for name, values in told_apart_by_name(foretold, pit).items()
    }


def _mean(likelihood: Float[np.ndarray, "row"] | None, rows: np.ndarray | slice) -> float | None:
    return None if likelihood is None else float(likelihood[rows].mean())


def _unconditional(foretold: Foretold) -> float:
    """Half the mean distance between two outcomes of each quantity, over its spread."""
    seen = np.sort(foretold.seen[:, foretold.counted], axis=0)
    count = len(seen)
    rank = (2 * np.arange(1, count + 1) - count - 1) / max(1, count * (count - 1))
    return float((rank @ seen / foretold.spread[foretold.counted]).sum() / foretold.varied)
