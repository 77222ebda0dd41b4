"""Settled numbers as cells of a latent normal: the likelihood that networks climb.

A whole number is the cell that rounds to it, and the cells at a bound hold the whole tail; other
numbers have a density, and measures at zero the mass of all that is clipped there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from surrogates.coordinates import Coordinates
from surrogates.dataset import Transitions

_LOG_ROOT = 0.5 * math.log(2.0 * math.pi)
_NARROW_CELL = 0.1
"""Below this width, in deviations, a cell's probability is its middle density times its width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The free numbers of many epochs, standardised, with the edges of their cells."""

    seen: Tensor
    lower: Tensor
    upper: Tensor
    at_low: Tensor
    at_high: Tensor
    is_density: Tensor
    log_slope: Tensor
    """Log of how fast the scale on which a density is modelled grows with its number."""

    @classmethod
    def of(
        cls,
        transitions: Transitions,
        free: Coordinates,
        scale: Float[np.ndarray, "2 coordinate"],
    ) -> Cells:
        """The cells of observed epochs."""
        values, low, high = free.encode(transitions)
        halves = np.array([0.5 if c.is_whole else 0.0 for c in free.coordinates])

        def standard(natural: Float[np.ndarray, "row coordinate"]) -> Tensor:
            columns = zip(free.coordinates, natural.T, strict=True)
            scaled = np.column_stack([c.scale(column) for c, column in columns])
            return torch.from_numpy(((scaled - scale[0]) / scale[1]).astype(np.float32))

        is_density = np.array([not c.is_whole for c in free.coordinates]) & (values > low)
        is_root = is_density & np.array([c.kind == "measure" for c in free.coordinates])
        # d sqrt(v) / dv = 1 / (2 sqrt(v)); real numbers are modelled as they are.
        slope = np.where(is_root, 0.5 / np.sqrt(np.where(is_root, values, 1.0)), 1.0) / scale[1]
        return cls(
            seen=standard(values),
            lower=standard(values - halves),
            upper=standard(values + halves),
            at_low=torch.from_numpy(values <= low),
            at_high=torch.from_numpy(values >= high),
            is_density=torch.from_numpy(is_density),
            log_slope=torch.from_numpy(np.log(slope).astype(np.float32)),
        )

    def take(self, rows: Tensor) -> Cells:
        """The chosen rows, in the shape of the choice."""
        return Cells(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def log_prob(self, mean: Tensor, deviation: Tensor) -> Tensor:
        """Log probability or density under a normal for each number, summed over the numbers."""
        cells = _log_mass(
            (self.lower - mean) / deviation,
            (self.upper - mean) / deviation,
            self.at_low,
            self.at_high,
        )
        score = (self.seen - mean) / deviation
        density = self.log_slope - torch.log(deviation) - 0.5 * score**2 - _LOG_ROOT
        return torch.where(self.is_density, density, cells).sum(dim=-1)


def _log_mass(lower: Tensor, upper: Tensor, at_low: Tensor, at_high: Tensor) -> Tensor:
    """Log normal probability of (lower, upper), with the tail beyond a bound added to its cell."""
    middle, width = (lower + upper) / 2, upper - lower
    density = -0.5 * middle**2 - _LOG_ROOT + torch.log(width.clamp_min(1e-6))
    # Flipped to the left tail, where the logarithm of the distribution function is exact.
    sign = torch.where(middle > 0, -1.0, 1.0)
    far, near = torch.minimum(sign * lower, sign * upper), torch.maximum(sign * lower, sign * upper)
    log_near, log_far = torch.special.log_ndtr(near), torch.special.log_ndtr(far)
    gap = (log_far - log_near).clamp_max(-1e-4)
    inside = torch.where(width < _NARROW_CELL, density, log_near + torch.log1p(-torch.exp(gap)))
    bounded = torch.where(at_high, torch.special.log_ndtr(-lower), inside)
    bounded = torch.where(at_low, torch.special.log_ndtr(upper), bounded)
    return torch.where(at_low & at_high, torch.zeros_like(bounded), bounded)
