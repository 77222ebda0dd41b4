"""Durations made of exponential phases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from sim.choices import (
    Limit,
    Positive,
    PositiveCount,
    Probabilities,
    get_hints,
    refuse_arguments,
    refuse_outside_limits,
)
from sim.errors import InvalidSettings, InvalidSystem

_Means = Annotated[
    tuple[float, ...],
    Limit(
        wanted="finite numbers above 0",
        holds=lambda means: len(means) > 0 and all(0 < mean < np.inf for mean in means),
    ),
]

_AtLeastOne = Annotated[
    float, Limit(wanted="a finite number, 1 or more", holds=lambda x: 1 <= x < np.inf)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erlang:
    """The sum of so many exponential phases of equal mean."""

    mean: Positive
    phases: PositiveCount

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    @property
    def scv(self) -> float:
        """One over the number of phases."""
        return 1.0 / self.phases

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        return random.gamma(self.phases, self.mean / self.phases, size)


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class Hyperexponential:
    """Exponential durations of several kinds, such as many short calls and a few long ones.

    Give `probabilities` and `means` of the kinds; or give `mean` and `scv` for two kinds with
    balanced means, each with half of the total time (Tijms 1994).
    """

    probabilities: Probabilities
    means: _Means

    def __init__(
        self,
        *,
        mean: Positive | None = None,
        scv: _AtLeastOne | None = None,
        probabilities: Probabilities | None = None,
        means: _Means | None = None,
    ) -> None:
        given = {"mean": mean, "scv": scv, "probabilities": probabilities, "means": means}
        refuse_arguments("Hyperexponential", get_hints(Hyperexponential.__init__), given)
        if mean is not None and scv is not None and probabilities is None and means is None:
            probabilities, means = _balanced(mean, scv)
        elif mean is not None or scv is not None or probabilities is None or means is None:
            named = [name for name, value in given.items() if value is not None]
            raise InvalidSettings(
                f"Hyperexponential of {' and '.join(named) or 'nothing'}: "
                "give mean and scv, or probabilities and means"
            )
        if len(probabilities) != len(means):
            raise InvalidSettings(
                f"Hyperexponential of {len(probabilities)} probabilities and {len(means)} means: "
                "give one mean for each probability"
            )
        object.__setattr__(self, "probabilities", probabilities)
        object.__setattr__(self, "means", means)

    @property
    def mean(self) -> float:
        """Mean, in minutes."""
        return float(np.dot(self.probabilities, self.means))

    @property
    def scv(self) -> float:
        """Variance over the squared mean, 1 or more."""
        second_moment = 2 * np.dot(self.probabilities, np.square(self.means))
        return float(second_moment / self.mean**2 - 1)

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        # Two numbers a customer, side by side, so that blocks of any sizes give the same draws.
        uniforms = random.random((size, 2))
        kinds = _choose(np.array(self.probabilities), uniforms[:, 0])
        durations: Float[np.ndarray, "size"] = (
            -np.log1p(-uniforms[:, 1]) * np.array(self.means)[kinds]
        )
        return durations


def _balanced(mean: float, scv: float) -> tuple[tuple[float, float], tuple[float, float]]:
    root = np.sqrt((scv - 1) / (scv + 1))
    rare = float(1 / ((scv + 1) * (1 + root)))
    return (1 - rare, rare), (mean / (2 * (1 - rare)), mean / (2 * rare))


def _choose(
    probabilities: Float[np.ndarray, "kind"], uniforms: Float[np.ndarray, "size"]
) -> Int[np.ndarray, "size"]:
    """A kind for each number; sums that fall short of 1 by rounding count as 1."""
    limits = np.cumsum(probabilities)[:-1]
    return np.searchsorted(limits, uniforms, side="right")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseType:
    """Time until a Markov chain over phases is absorbed (Neuts 1981).

    Any distribution of durations can be approximated so; a measured one is fitted outside and
    given here.
    """

    initial: Probabilities
    """Probability of each phase to be the first."""
    generator: tuple[tuple[float, ...], ...]
    """Rates per minute from phase (row) to phase (column); what a row lacks to 0 is absorption."""
    mean: float = field(init=False, compare=False)
    scv: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        refuse_outside_limits(self)
        _check_generator(self.generator, len(self.initial))
        away = -np.array(self.generator)
        left = np.linalg.solve(away, np.ones(len(away)))
        first = float(np.dot(self.initial, left))
        second = 2 * float(np.dot(self.initial, np.linalg.solve(away, left)))
        object.__setattr__(self, "mean", first)
        object.__setattr__(self, "scv", second / first**2 - 1)

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes, all chains moving side by side.

        Every customer has a stream of numbers of his own, since chains differ in length: a block
        of any size then gives the same customers the same durations.
        """
        keys = random.integers(0, 2**64, size=size, dtype=np.uint64)
        rates, thresholds = self._jumps()
        phase = _choose(np.array(self.initial), _uniforms(keys, 0))
        duration, moving, step = np.zeros(size), np.arange(size), 1
        while len(moving):
            stay = -np.log1p(-_uniforms(keys[moving], step)) / rates[phase]
            duration[moving] += stay
            jump = _uniforms(keys[moving], step + 1)
            phase = (thresholds[phase] <= jump[:, None]).sum(axis=1)
            going_on = phase < len(rates)
            moving, phase, step = moving[going_on], phase[going_on], step + 2
        return duration

    def _jumps(self) -> tuple[Float[np.ndarray, "phase"], Float[np.ndarray, "phase phase"]]:
        """Rate of leaving each phase, and the cumulative chances of where to; the rest ends."""
        generator = np.array(self.generator)
        rates = -np.diagonal(generator)
        chances = generator / rates[:, None]
        np.fill_diagonal(chances, 0.0)
        return rates, np.cumsum(chances, axis=1)


def _check_generator(generator: tuple[tuple[float, ...], ...], phases: int) -> None:
    if len(generator) != phases or any(len(row) != phases for row in generator):
        raise InvalidSettings(
            f"PhaseType: generator has rows of {[len(row) for row in generator]} rates: "
            f"give {phases} rows of {phases}, one for each initial probability"
        )
    rates = np.array(generator)
    between = rates - np.diag(np.diagonal(rates))
    if not np.isfinite(rates).all() or (between < 0).any() or (np.diagonal(rates) >= 0).any():
        raise InvalidSettings(
            f"PhaseType: generator is {[list(row) for row in generator]}: give finite rates, "
            "below 0 on the diagonal and 0 or more elsewhere"
        )
    absorbed = -rates.sum(axis=1)
    if (absorbed < -1e-9 * np.abs(rates).max()).any():
        raise InvalidSettings(
            f"PhaseType: generator row {int(absorbed.argmin()) + 1} sums to {-absorbed.min():g}: "
            "give rows that sum to 0 or less"
        )
    _check_ends(between > 0, absorbed > 1e-12 * np.abs(np.diagonal(rates)))


def _check_ends(leads: Bool[np.ndarray, "phase phase"], ends: Bool[np.ndarray, "phase"]) -> None:
    for _ in ends:
        ends = ends | (leads & ends).any(axis=1)
    if not ends.all():
        raise InvalidSystem(
            f"PhaseType: from phase {int(ends.argmin()) + 1} there is no way to the end: "
            "give some phase that it leads to a row that sums to less than 0"
        )


_GOLDEN = 0x9E3779B97F4A7C15


def _uniforms(keys: UInt64[np.ndarray, "size"], step: int) -> Float[np.ndarray, "size"]:
    """Number `step` of the stream that each key begins (SplitMix64: Steele, Lea and Flood 2014)."""
    bits = keys + np.uint64((step + 1) * _GOLDEN % 2**64)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return (bits >> np.uint64(11)) * 2.0**-53
