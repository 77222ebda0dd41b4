"""Which decisions a learner should choose among, for those that mask the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from sim.description import Description
from sim.errors import InvalidSystem, suggestion

Mask = Literal["everything", "feasible", "non_idling"]
Allow = Callable[
    [Description, Float[np.ndarray, "batch state"]], Bool[np.ndarray, "batch decision"]
]

_MASKS: dict[str, Allow] = {
    "everything": lambda description, states: np.ones(
        (len(states), len(description.decisions)), dtype=bool
    ),
    "feasible": lambda description, states: description.feasible(states),
    "non_idling": lambda description, states: description.non_idling(states),
}


def find_mask(name: str) -> Allow:
    """A mask by its name. Raises InvalidSystem for an unknown one."""
    if name not in _MASKS:
        raise InvalidSystem(f"no mask {name!r}{suggestion(name, _MASKS)}")
    return _MASKS[name]
