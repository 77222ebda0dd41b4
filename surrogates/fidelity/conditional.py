"""One epoch ahead when both worlds meet the same customers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.description import Description
from surrogates.dataset import Transitions
from surrogates.fidelity.cells import cells_of
from surrogates.fidelity.coverage import Covered, covered, covered_singly
from surrogates.given import SupportsGivenArrivals
from surrogates.interface import Surrogate
from surrogates.scores import Foretold, score_foretold

_FEWEST_ROWS = 20
"""Epochs below which a cell's coverage says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCoverage:
    """The replay in one cell of the parameter box."""

    rows: int
    crps_held: float
    coverage_held: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """Scores of the numbers that are not arrivals, arrivals known and not known.

    Both are over the same deviations, so their difference is what not knowing who comes costs.
    """

    rows: int
    held: tuple[str, ...]
    """The arrivals that were held at what was seen."""
    crps_free: float
    crps_held: float
    """Standardised CRPS of the other numbers."""
    coverage_held: dict[str, float]
    coverage_error: dict[str, float]
    """Standard error of each coverage, epochs of one episode taken together: they err alike."""
    by_quantity: dict[str, dict[str, Covered]]
    """Coverage of each quantity, by the percentage of the interval."""
    cells: dict[str, CellCoverage]
    bias_held: dict[str, float]
    """Mean of draws less outcome of each, over its deviation."""


def obstacle_to_conditioning(surrogate: Surrogate) -> str | None:
    """Why a surrogate cannot be told who comes; None when it can."""
    if not isinstance(surrogate, SupportsGivenArrivals):
        return f"family {surrogate.name!r} cannot be told who comes"
    if surrogate.arrivals_from_outside:
        return None
    if surrogate.description.is_event_driven:
        return (
            f"the epochs of {surrogate.description.name!r} end with events, and who comes is one "
            "of them: nothing is left to hold"
        )
    return f"{surrogate.description.name!r} does not tell arrivals from outside apart"


def score_conditional(
    surrogate: Surrogate, observed: Transitions, draws: int, random: np.random.Generator
) -> Conditional | None:
    """Replay observed epochs with their arrivals; None where that is not possible."""
    if obstacle_to_conditioning(surrogate) is not None:
        return None
    assert isinstance(surrogate, SupportsGivenArrivals)
    held = surrogate.arrivals_from_outside
    repeated = observed.take(np.repeat(np.arange(len(observed)), draws))
    given = Foretold.of(
        surrogate.description, surrogate.sample_given_arrivals(repeated, random), observed
    ).without(held)
    free = Foretold.by(surrogate, observed, random, draws).without(held)
    pit = given.pit(random)
    scores = score_foretold(given, pit)
    deviation = dict(zip(given.names, given.spread.tolist(), strict=True))
    return Conditional(
        rows=len(observed),
        held=held,
        crps_free=score_foretold(free, free.pit(random)).standardised_crps,
        crps_held=scores.standardised_crps,
        coverage_held=scores.coverage,
        coverage_error={
            level: found.error for level, found in covered(given, pit, observed.episode).items()
        },
        by_quantity=covered_singly(given, pit, observed.episode),
        cells=_cells(given, pit, observed.parameters, surrogate.description),
        bias_held={
            given.names[i]: scores.bias[given.names[i]] / deviation[given.names[i]]
            for i in given.counted
        },
    )


def _cells(
    given: Foretold,
    pit: Float[np.ndarray, "row quantity"],
    parameters: Float[np.ndarray, "row parameter"],
    description: Description,
) -> dict[str, CellCoverage]:
    found = {}
    for name, rows in cells_of(description, parameters):
        if rows.sum() < _FEWEST_ROWS:
            continue
        scores = score_foretold(given.take(rows), pit[rows], whole=given)
        found[name] = CellCoverage(
            rows=int(rows.sum()),
            crps_held=scores.standardised_crps,
            coverage_held=scores.coverage,
        )
    return found
