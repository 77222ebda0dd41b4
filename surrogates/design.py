"""Where to run the simulator: which parameters, under which behaviour, from which seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from jaxtyping import Float, Int

from sim.description import Description, SystemDescription
from sim.streams import stream
from surrogates.clock import has_clock
from surrogates.errors import InvalidDataset

Behaviour = Literal["constant", "persistent", "restless", "linear"]
BEHAVIOURS: tuple[Behaviour, ...] = ("constant", "persistent", "restless", "linear")
"""Kinds of behaviour policy: one choice all day, choices held for a while, a fresh choice each
epoch, and a random linear rule of what is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEpisode:
    """One episode to run: where, who decides, and from when on."""

    seed: int
    parameters: dict[str, float]
    behaviour: str
    """One of BEHAVIOURS, or the name of a policy that the runner is given."""
    start: int = 0
    """Epoch at which the behaviour takes over. A simulator's state need not be copyable, so an
    episode that starts in the middle runs from its opening."""
    lead: str = ""
    """Who decides until then: a behaviour or a policy; not asked for where `start` is 0."""
    slips: float = 0.0
    """Share of epochs decided at random instead, so that what a policy avoids is seen too."""

    def __post_init__(self) -> None:
        if self.start < 0 or not 0.0 <= self.slips <= 1.0:
            raise InvalidDataset(
                f"start {self.start} with slips {self.slips}: an epoch from 0 on and a share"
            )
        if self.start and not self.lead:
            raise InvalidDataset(f"start {self.start} without a lead: name who decides until then")


def plan_episodes(
    description: Description, episodes: int, seed: int, *, nominal_share: float = 0.3
) -> tuple[PlannedEpisode, ...]:
    """Spread episodes over the parameter box (scrambled Sobol) and over the behaviours.

    A share stays at the nominal parameters, where the system is today.
    """
    values = within_box(description, _spread_points(len(description.parameters), episodes, seed))
    # Dealt at random, because the order of a Sobol sequence is tied to where its points lie.
    kinds = stream(seed, "behaviours").permutation(np.arange(episodes) % len(BEHAVIOURS))
    nominal = stream(seed, "nominal").permutation(episodes) < round(nominal_share * episodes)
    values[nominal] = description.nominal
    return tuple(
        PlannedEpisode(
            seed=seed * 1_000_003 + number,
            parameters=description.parameter_values(row),
            behaviour=BEHAVIOURS[kinds[number]],
        )
        for number, row in enumerate(values)
    )


def plan_latin_hypercube(
    description: Description, episodes: int, seed: int
) -> tuple[PlannedEpisode, ...]:
    """The design of the textbook: a Latin hypercube over the box, a random decision each epoch.

    Twice as many episodes from the same seed begin with these.
    """
    points = latin_hypercube(len(description.parameters), episodes, stream(seed, "latin hypercube"))
    return tuple(
        PlannedEpisode(
            seed=seed * 1_000_003 + number,
            parameters=description.parameter_values(row),
            behaviour="restless",
        )
        for number, row in enumerate(within_box(description, points))
    )


def latin_hypercube(
    dimensions: int, count: int, random: np.random.Generator
) -> Float[np.ndarray, "point axis"]:
    """Points in the unit cube, one in each of `count` slices of every axis (McKay et al. 1979).

    An even count is grown by doubling, so that a smaller design can be extended.
    """
    if count > 1 and count % 2 == 0:
        half = latin_hypercube(dimensions, count // 2, random)
        return np.concatenate([half, _unmet_slices(half, random)])
    points = np.empty((count, dimensions))
    for axis in range(dimensions):
        points[:, axis] = (random.permutation(count) + random.random(count)) / count
    return points


def _unmet_slices(
    points: Float[np.ndarray, "point axis"], random: np.random.Generator
) -> Float[np.ndarray, "point axis"]:
    """As many points again, in the slices of half the width that hold none."""
    count = 2 * len(points)
    added = np.empty_like(points)
    for axis, column in enumerate(points.T):
        unmet = np.setdiff1d(np.arange(count), (column * count).astype(int))
        added[:, axis] = (random.permutation(unmet) + random.random(len(unmet))) / count
    return added


def within_box(
    description: Description, points: Float[np.ndarray, "point axis"]
) -> Float[np.ndarray, "point parameter"]:
    """Parameters at points of the unit cube, laid over the description's box."""
    low = np.array([p.low for p in description.parameters])
    high = np.array([p.high for p in description.parameters])
    return np.asarray(low + points * (high - low))


def _spread_points(dimensions: int, count: int, seed: int) -> Float[np.ndarray, "point axis"]:
    if not dimensions:
        return np.zeros((count, 0))
    sampler = scipy.stats.qmc.Sobol(dimensions, rng=stream(seed, "design"))
    points: Float[np.ndarray, "point axis"] = sampler.random_base2(
        max(1, int(np.ceil(np.log2(max(2, count)))))
    )
    return points[:count]


class RoughView:
    """A state on scales that a linear rule can weigh without having seen any data.

    Logarithms of counts in a system's stocks, or of all components of another simulator, and the
    time of day where the state tells it.
    """

    def __init__(self, description: Description) -> None:
        self._epochs = description.epochs if has_clock(description) else 0
        components = description.state_names
        self._middle = 0.0
        if isinstance(description, SystemDescription):
            components = tuple(s.name for s in description.stocks)
            self._middle = _usual_logarithm(description)
        elif self._epochs:
            components = components[:-1]
        self._count = len(components)
        clock = ("clock", "midday") if self._epochs else ()
        self.names = (*components, *clock)

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float[np.ndarray, "batch input"]:
        """One row of inputs for each state."""
        numbers = states[:, : self._count]
        seen = np.sign(numbers) * np.log1p(np.abs(numbers)) - self._middle
        if not self._epochs:
            return np.asarray(seen)
        clock = states[:, -1] / self._epochs
        return np.column_stack([seen, 2 * clock - 1, np.sin(np.pi * clock)])


def _usual_logarithm(description: SystemDescription) -> float:
    """Where the logarithms of counts lie: as many as the largest pool serves, or tens of them.

    A rule with its middle far from what occurs would decide alike all day.
    """
    pools, calendar = {team.pool for team in description.teams}, description.calendar
    on_duty = [calendar.column(name).max() for name in calendar.columns if name in pools]
    levers = dict(zip(description.lever_names, description.levers, strict=True))
    ordered = [max(levers[name].levels) for _, name in description.staffing]
    return float(np.log1p(min(20.0, max([*on_duty, *ordered], default=20.0))))


class BehaviourPolicy:
    """Decides at random in one of the behaviours, so that the data holds many situations."""

    def __init__(self, behaviour: str, description: Description, seed: int) -> None:
        self._behaviour = behaviour
        self._random = stream(seed, "behaviour")
        self._levels = [np.array(lever.levels) for lever in description.levers]
        self._choice = self._draw()
        self._view = RoughView(description)
        self._slopes = self._random.normal(size=(len(self._levels), len(self._view.names)))
        self._offset = self._random.normal(size=len(self._levels))

    def _draw(self) -> Int[np.ndarray, "lever"]:
        drawn = [self._random.integers(len(levels)) for levels in self._levels]
        return np.array(drawn, dtype=int)

    def decide(self, state: Float[np.ndarray, "state"]) -> Float[np.ndarray, "lever"]:
        """The levels to apply in the coming epoch."""
        if self._behaviour == "restless" or (
            self._behaviour == "persistent" and self._random.random() < 0.25
        ):
            self._choice = self._draw()
        if self._behaviour == "linear":
            self._choice = self._linear(state)
        return np.array([levels[i] for levels, i in zip(self._levels, self._choice, strict=True)])

    def _linear(self, state: Float[np.ndarray, "state"]) -> Int[np.ndarray, "lever"]:
        seen = self._view(state[None, :])[0]
        score = self._slopes @ seen / np.sqrt(len(seen)) + self._offset
        share = 1 / (1 + np.exp(-1.5 * score - 0.3 * self._random.normal(size=len(score))))
        sizes = np.array([len(levels) for levels in self._levels])
        return np.asarray(np.minimum((share * sizes).astype(int), sizes - 1))
