"""One epoch ahead: scores and calibration, over everything and by cell of the parameter box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from surrogates.dataset import Transitions
from surrogates.fidelity.cells import cells_of
from surrogates.interface import SupportsLikelihood, Surrogate
from surrogates.scores import Foretold, Scores, score_foretold

_BINS = 20
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


@dataclass(frozen=True, slots=True, kw_only=True)
class OneEpoch:
    """How well single epochs are foretold."""

    rows: int
    scores: Scores
    unconditional_crps: float
    """What somebody scores, on the scale of `scores.standardised_crps`, who knows how often each
    outcome comes and never looks at the question."""
    pit: dict[str, tuple[int, ...]]
    """Histogram in equal bins of the probability integral transform of each quantity."""
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
        scores = score_foretold(
            foretold.take(rows), pit[rows], _mean(likelihood, rows), foretold.spread
        )
        cells[name] = CellScores(
            rows=int(rows.sum()),
            standardised_crps=scores.standardised_crps,
            energy=scores.energy,
            coverage=scores.coverage,
            log_likelihood=scores.log_likelihood,
        )
    return OneEpoch(
        rows=len(fresh),
        scores=score_foretold(foretold, pit, _mean(likelihood, slice(None))),
        unconditional_crps=_unconditional(foretold),
        pit={
            name: tuple(np.histogram(column, bins=_BINS, range=(0.0, 1.0))[0].tolist())
            for name, column in zip(foretold.names, pit.T, strict=True)
        },
        cells=cells,
    )


def _mean(likelihood: Float[np.ndarray, "row"] | None, rows: np.ndarray | slice) -> float | None:
    return None if likelihood is None else float(likelihood[rows].mean())


def _unconditional(foretold: Foretold) -> float:
    """Half the mean distance between two outcomes of each quantity, over its spread."""
    seen = np.sort(foretold.seen[:, foretold.counted], axis=0)
    count = len(seen)
    rank = (2 * np.arange(1, count + 1) - count - 1) / max(1, count * (count - 1))
    return float((rank @ seen / foretold.spread[foretold.counted]).mean())
