"""Distributions of durations, in minutes, named by their mean and variability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidSystem


@runtime_checkable
class Distribution(Protocol):
    """A non-negative duration with a known mean, in minutes."""

    @property
    def mean(self) -> float:
        """Mean, in minutes."""
        ...

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` independent durations, in minutes."""
        ...


def _refuse_unless_positive(what: str, value: float) -> None:
    if not np.isfinite(value) or value <= 0:
        raise InvalidSystem(f"{what} is {value}: give a finite number above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Memoryless durations."""

    mean: float

    def __post_init__(self) -> None:
        _refuse_unless_positive("exponential mean", self.mean)

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        return random.exponential(self.mean, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deterministic:
    """Always the same duration."""

    mean: float

    def __post_init__(self) -> None:
        _refuse_unless_positive("deterministic mean", self.mean)

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Return `size` equal durations, in minutes; the generator is not used."""
        del random
        return np.full(size, self.mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gamma:
    """Gamma durations; Erlang-k when the squared coefficient of variation is 1/k."""

    mean: float
    scv: float

    def __post_init__(self) -> None:
        _refuse_unless_positive("gamma mean", self.mean)
        _refuse_unless_positive("gamma squared coefficient of variation", self.scv)

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        return random.gamma(1.0 / self.scv, self.mean * self.scv, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lognormal:
    """Lognormal durations, the usual fit to call handling times (Brown et al. 2005)."""

    mean: float
    scv: float

    def __post_init__(self) -> None:
        _refuse_unless_positive("lognormal mean", self.mean)
        _refuse_unless_positive("lognormal squared coefficient of variation", self.scv)

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        variance = np.log1p(self.scv)
        return random.lognormal(np.log(self.mean) - variance / 2, np.sqrt(variance), size)


DISTRIBUTIONS: dict[str, type[Exponential | Deterministic | Gamma | Lognormal]] = {
    "exponential": Exponential,
    "deterministic": Deterministic,
    "gamma": Gamma,
    "lognormal": Lognormal,
}
"""The names that a scenario file may use."""
