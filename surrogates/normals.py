"""Many standard normals in single precision."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32


def draw_normals(
    shape: tuple[int, ...], random: np.random.Generator
) -> Float32[np.ndarray, "*shape"]:
    """Standard normals from a seed that the generator draws: torch makes many of them faster."""
    seed = torch.Generator().manual_seed(int(random.integers(2**63)))
    return np.asarray(torch.empty(shape).normal_(generator=seed).numpy())
