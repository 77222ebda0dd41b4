"""Cells of the parameter box: where in it a surrogate is good, and where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from sim.description import Description

_PLACES = ("low", "middle", "high")


def cells_of(
    description: Description, parameters: Float[np.ndarray, "row parameter"]
) -> Iterator[tuple[str, Bool[np.ndarray, "row"]]]:
    """Names of the cells and which rows lie in each: every parameter's box in three equal parts.

    Cells of different parameters overlap. A cell without rows is left out.
    """
    for position, parameter in enumerate(description.parameters):
        edges = np.linspace(parameter.low, parameter.high, len(_PLACES) + 1)[1:-1]
        place = np.searchsorted(edges, parameters[:, position])
        for number, name in enumerate(_PLACES):
            inside = place == number
            if inside.any():
                yield f"{parameter.name} {name}", inside
