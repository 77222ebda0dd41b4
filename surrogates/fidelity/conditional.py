"""One epoch ahead when both worlds meet the same customers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogates.dataset import Transitions
from surrogates.given import SupportsGivenArrivals
from surrogates.interface import Surrogate
from surrogates.scores import Foretold, score_foretold


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
    bias_held: dict[str, float]
    """Mean of draws less outcome of each, over its deviation."""


def obstacle_to_conditioning(surrogate: Surrogate) -> str | None:
    """Why a surrogate cannot be told who comes; None when it can."""
    if not isinstance(surrogate, SupportsGivenArrivals):
        return f"family {surrogate.name!r} cannot be told who comes"
    if not surrogate.arrivals_from_outside:
        return f"{surrogate.description.name!r} does not tell arrivals from outside apart"
    return None


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
    scores = score_foretold(given, given.pit(random))
    deviation = dict(zip(given.names, given.spread.tolist(), strict=True))
    return Conditional(
        rows=len(observed),
        held=held,
        crps_free=score_foretold(free, free.pit(random)).standardised_crps,
        crps_held=scores.standardised_crps,
        coverage_held=scores.coverage,
        bias_held={
            given.names[i]: scores.bias[given.names[i]] / deviation[given.names[i]]
            for i in given.counted
        },
    )
