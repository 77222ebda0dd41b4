"""Families named by their mean and at most one figure of shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln

from sim.choices import Limit, Positive, refuse_outside_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Memoryless durations."""

    mean: Positive

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    @property
    def scv(self) -> float:
        """Always 1."""
        return 1.0

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        return random.exponential(self.mean, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deterministic:
    """Always the same duration."""

    mean: Positive

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    @property
    def scv(self) -> float:
        """Always 0."""
        return 0.0

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Return `size` equal durations, in minutes; the generator is not used."""
        del random
        return np.full(size, self.mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gamma:
    """Gamma durations; Erlang-k when the squared coefficient of variation is 1/k."""

    mean: Positive
    scv: Positive

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        return random.gamma(1.0 / self.scv, self.mean * self.scv, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lognormal:
    """Lognormal durations, the usual fit to call handling times (Brown et al. 2005)."""

    mean: Positive
    scv: Positive

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        variance = np.log1p(self.scv)
        return random.lognormal(np.log(self.mean) - variance / 2, np.sqrt(variance), size)


# Below .01 the squared coefficient of variation is beyond 1e58 and soon beyond every float.
_WeibullShape = Annotated[
    float, Limit(wanted="a finite number, 0.01 or more", holds=lambda x: 0.01 <= x < np.inf)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weibull:
    """Weibull durations: the longer one waits the less likely the end (shape < 1) or the more."""

    mean: Positive
    shape: _WeibullShape

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    @property
    def scv(self) -> float:
        """Gamma(1 + 2/shape) / Gamma(1 + 1/shape)**2 - 1."""
        log_ratio = gammaln(1 + 2 / self.shape) - 2 * gammaln(1 + 1 / self.shape)
        return float(np.expm1(log_ratio))

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        scale = self.mean / np.exp(gammaln(1 + 1 / self.shape))
        durations: Float[np.ndarray, "size"] = scale * random.weibull(self.shape, size)
        return durations
