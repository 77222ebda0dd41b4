"""Arrivals whose rate is itself random, so that counts vary more than Poisson ones."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.arrivals.poisson import Rates
from sim.arrivals.process import BLOCK, ArrivalStream, at_rate, refuse_scale, rising
from sim.choices import NotNegative, Positive, refuse_outside_limits
from sim.errors import InvalidSettings, InvalidSystem
from sim.volumes import spread, sum_slots


@dataclass(frozen=True, slots=True, kw_only=True)
class DoublyStochasticArrivals:
    """Poisson counts whose rate is itself random: a day factor and a persistent slot noise.

    The rate of a slot is profile[weekday, slot] x day factor x slot factor, both lognormal with
    mean 1. The log slot factor is an autoregression over slots with the given persistence, so a
    surge lasts. Nobody in the system sees either factor; they show only in who has arrived
    (Whitt 1999; Avramidis, Deslauriers and L'Ecuyer 2004).
    """

    profile: Float[np.ndarray, "day slot"]
    """Expected customers."""
    day_sd: float
    slot_sd: Float[np.ndarray, "slot"]
    persistence: float
    slot_minutes: float

    def __post_init__(self) -> None:
        if np.any(~np.isfinite(self.profile)) or np.any(self.profile < 0):
            raise InvalidSystem("an arrival profile must be finite and not negative")
        if not self.profile.sum() > 0:
            raise InvalidSystem("an arrival profile without a customer: give some slot more than 0")
        if not 0 <= self.persistence < 1:
            raise InvalidSystem(f"persistence {self.persistence}: at least 0 and below 1")
        if not 0 <= self.day_sd < np.inf or not np.all(
            (self.slot_sd >= 0) & (self.slot_sd < np.inf)
        ):
            raise InvalidSystem(f"deviations {self.day_sd} and {self.slot_sd}: 0 or more")
        if not 0 < self.slot_minutes < np.inf:
            raise InvalidSystem(f"slots of {self.slot_minutes} minutes: give a number above 0")

    @classmethod
    def from_settings(
        cls,
        *,
        profile: tuple[tuple[float, ...], ...],
        day_sd: NotNegative,
        slot_sd: tuple[float, ...] | float,
        persistence: NotNegative,
        slot_minutes: Positive,
    ) -> DoublyStochasticArrivals:
        """A profile written out, one list of customers per slot for each kind of day.

        A single `slot_sd` holds for every slot.
        """
        lengths = {len(row) for row in profile}
        if len(lengths) != 1 or lengths == {0}:
            raise InvalidSettings(
                f"profile has rows of {sorted(lengths)} slots: give each kind of day the same "
                "number of slots, at least one"
            )
        slots = lengths.pop()
        deviations = (slot_sd,) * slots if isinstance(slot_sd, float) else slot_sd
        if len(deviations) != slots:
            raise InvalidSettings(
                f"slot_sd has {len(deviations)} numbers: give one, or one for each of {slots} slots"
            )
        return cls(
            profile=np.array(profile),
            day_sd=day_sd,
            slot_sd=np.array(deviations),
            persistence=persistence,
            slot_minutes=slot_minutes,
        )

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Draw the weekday, both factors, the counts, and the times within each slot."""
        refuse_scale(scale)
        day = int(random.integers(len(self.profile)))
        times = spread(self.draw_counts(random, day, scale), self.slot_minutes, random)
        return ArrivalStream(day=day, blocks=iter((times,)))

    def draw_counts(
        self, random: np.random.Generator, day: int, scale: float
    ) -> Int[np.ndarray, "slot"]:
        """Draw one weekday's counts per slot."""
        day_factor = np.exp(self.day_sd * random.standard_normal() - self.day_sd**2 / 2)
        noise = random.standard_normal(len(self.slot_sd))
        log_factor = np.empty_like(noise)
        level = noise[0]
        fresh = np.sqrt(1 - self.persistence**2)
        for slot, shock in enumerate(noise):
            level = self.persistence * level + fresh * shock if slot else shock
            log_factor[slot] = level
        slot_factor = np.exp(self.slot_sd * log_factor - self.slot_sd**2 / 2)
        counts: Int[np.ndarray, "slot"] = random.poisson(
            self.profile[day] * day_factor * slot_factor * scale
        )
        return counts

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """The profile, summed over the slots of each epoch."""
        return sum_slots(self.profile, self.slot_minutes, boundaries)

    @property
    def mean_rate(self) -> float:
        """The profile's mean over its slots and its kinds of day, all equally likely."""
        return float(self.profile.mean() / self.slot_minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkovModulatedArrivals:
    """Poisson arrivals whose rate depends on the state of a hidden Markov chain.

    The chain begins in its stationary distribution, so the mean rate is the same at all times.
    A scale multiplies the rates of arrival, not the speed of the chain.
    """

    rates: Rates
    """Customers per minute in each state."""
    generator: tuple[tuple[float, ...], ...]
    """Rates per minute from state (row) to state (column); rows sum to 0."""

    def __post_init__(self) -> None:
        refuse_outside_limits(self)
        _check_generator(self.generator, len(self.rates))
        if self.mean_rate <= 0:
            raise InvalidSettings(
                "MarkovModulatedArrivals: rates are 0 in every state that the chain does not leave "
                "for good: give one of those a rate above 0"
            )

    @property
    def stationary(self) -> Float[np.ndarray, "state"]:
        """Share of time in each state."""
        balance = np.vstack([np.array(self.generator).T, np.ones(len(self.rates))])
        target = np.append(np.zeros(len(self.rates)), 1.0)
        shares, *_ = np.linalg.lstsq(balance, target, rcond=None)
        clipped: Float[np.ndarray, "state"] = np.clip(shares, 0.0, None)
        return clipped

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Begin in a state drawn from the stationary distribution."""
        refuse_scale(scale)
        limits = np.cumsum(self.stationary)[:-1]
        state = int(np.searchsorted(limits, random.random(), side="right"))
        return ArrivalStream(day=0, blocks=self._blocks(random, scale, state))

    def _blocks(
        self, random: np.random.Generator, scale: float, state: int
    ) -> Iterator[Float[np.ndarray, "block"]]:
        """Events at the pace of the busiest state; each is an arrival, a change or nothing."""
        pace, thresholds = self._events(scale)
        now = 0.0
        while True:
            # Two numbers an event, side by side, so that the size of a block does not matter.
            uniforms = random.random((BLOCK, 2))
            times = rising(now, -np.log1p(-uniforms[:, 0]) / pace)
            now = float(times[-1])
            came: list[int] = []
            for event, mark in enumerate(uniforms[:, 1].tolist()):
                what = bisect_right(thresholds[state], mark)
                if what == 0:
                    came.append(event)
                elif what <= len(thresholds):
                    state = what - 1
            yield times[came]

    def _events(self, scale: float) -> tuple[float, list[list[float]]]:
        """Events per minute, and by state the cumulative chances: an arrival, then each state."""
        rows = [
            [rate * scale, *(0.0 if other == state else r for other, r in enumerate(row))]
            for state, (rate, row) in enumerate(zip(self.rates, self.generator, strict=True))
        ]
        pace = max(map(sum, rows))
        return pace, [[total / pace for total in accumulate(row)] for row in rows]

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Stationary mean rate times duration."""
        return at_rate(self.mean_rate, boundaries)

    @property
    def mean_rate(self) -> float:
        """The rates weighed by the shares of time in their states."""
        return float(self.stationary @ np.array(self.rates))


def _check_generator(generator: tuple[tuple[float, ...], ...], states: int) -> None:
    if len(generator) != states or any(len(row) != states for row in generator):
        raise InvalidSettings(
            f"MarkovModulatedArrivals: generator has rows of {[len(row) for row in generator]} "
            f"rates: give {states} rows of {states}, one for each arrival rate"
        )
    rates = np.array(generator)
    between = rates - np.diag(np.diagonal(rates))
    if not np.isfinite(rates).all() or (between < 0).any():
        raise InvalidSettings(
            f"MarkovModulatedArrivals: generator is {[list(row) for row in generator]}: give "
            "finite rates, 0 or more off the diagonal"
        )
    sums = rates.sum(axis=1)
    if (np.abs(sums) > 1e-9 * np.abs(rates).max()).any():
        row = int(np.abs(sums).argmax())
        raise InvalidSettings(
            f"MarkovModulatedArrivals: generator row {row + 1} sums to {sums[row]:g}: "
            f"give {-between[row].sum():g} on the diagonal"
        )
    if not _has_one_end(between > 0):
        raise InvalidSettings(
            "MarkovModulatedArrivals: the chain has parts that it never leaves, and where it ends "
            "depends on where it begins: give rates so that one state can be reached from all"
        )


def _has_one_end(leads: Bool[np.ndarray, "state state"]) -> bool:
    """Whether one state can be reached from all, so that one stationary distribution exists."""
    reached = leads | np.eye(len(leads), dtype=bool)
    for _ in leads:
        reached = reached | (reached @ reached)
    return bool(reached.all(axis=0).any())
