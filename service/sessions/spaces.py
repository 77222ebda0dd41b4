"""What an environment looks like from afar: its spaces as records."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete


def space_record(space: gymnasium.Space[Any]) -> dict[str, Any]:
    """A space as JSON takes it; a bound that all numbers share is told once."""
    if isinstance(space, Discrete):
        return {"type": "Discrete", "n": int(space.n)}
    if isinstance(space, MultiDiscrete):
        return {"type": "MultiDiscrete", "nvec": space.nvec.tolist()}
    assert isinstance(space, Box)
    return {
        "type": "Box",
        "low": _bound(space.low),
        "high": _bound(space.high),
        "shape": list(space.shape),
        "dtype": np.dtype(space.dtype).str,
    }


def _bound(values: np.ndarray) -> float | list[float]:
    first = float(values.flat[0])
    return first if (values == values.flat[0]).all() else values.astype(float).tolist()
