"""How familiar questions are to a surrogate: its support scores where it is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from surrogates.fidelity.cells import cells_of
from surrogates.fidelity.verdict import UNFAMILIAR
from surrogates.support import Support

_BINS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Familiarity:
    """The distribution of support scores; even over 0 to 1 for questions like the data's."""

    rows: int
    median: float
    unfamiliar: float
    """Share of questions farther out than 95% of the data's."""
    histogram: tuple[int, ...]
    """Rows in equal bins of the score."""
    cells: dict[str, float]
    """Median score in each cell."""


def familiarity(
    support: Support,
    states: Float[np.ndarray, "row state"],
    decisions: Float[np.ndarray, "row lever"],
    parameters: Float[np.ndarray, "row parameter"],
) -> Familiarity:
    """How familiar these questions are."""
    scores = support.score(states, decisions, parameters)
    return Familiarity(
        rows=len(scores),
        median=float(np.median(scores)),
        unfamiliar=float((scores < UNFAMILIAR).mean()),
        histogram=tuple(np.histogram(scores, bins=_BINS, range=(0.0, 1.0))[0].tolist()),
        cells={
            name: float(np.median(scores[rows]))
            for name, rows in cells_of(support.description, parameters)
        },
    )
