"""Search over rules on a world: many candidates, judged on many days."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from envs.problem import Problem, Rollouts
from sim.errors import InvalidSystem
from sim.streams import stream
from surrogates.pilot import Decides, seated
from training.heuristics import Controller

_FINALISTS = 5
Judge = Callable[[Sequence[Controller]], Iterable[float]]
"""Mean cost of an episode under each of some controllers, in order."""


def mean_cost(problem: Problem, controller: Controller, days: int, seed: int) -> float:
    """Mean cost of whole episodes under a controller, `days` of them side by side."""
    return float(episode_costs(problem, controller, days, seed).mean())


def episode_costs(
    problem: Problem, controller: Controller, days: int, seed: int
) -> Float[np.ndarray, "day"]:
    """Cost of each of `days` episodes run side by side from one seed."""
    rollouts = Rollouts(replace(problem, actions="joint"), days)
    random, seat = stream(seed, "episodes"), seated(controller, days)
    rollouts.begin(np.arange(days), random)
    total, goes_on = np.zeros(days), np.ones(days, dtype=bool)
    while goes_on.any():
        step = rollouts.step(seat.decide(rollouts.states), random)
        total += step.costs * goes_on
        goes_on &= ~step.is_last
        if step.is_last.any() and goes_on.any():
            # A simulator that has ended cannot stand still beside the others.
            rollouts.begin(np.flatnonzero(step.is_last), random)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class InTurn:
    """Judges controllers one after another, each on the same random numbers."""

    problem: Problem
    days: int
    seed: int

    def __call__(self, controllers: Sequence[Controller]) -> Iterator[float]:
        """The mean cost of each, as it is found."""
        for controller in controllers:
            yield mean_cost(self.problem, controller, self.days, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """Judges controllers all at once, each on days of its own.

    A world steps a thousand rows in little more time than one, so that long episodes are bearable;
    the price is that no two controllers meet the same luck.
    """

    problem: Problem
    days: int
    seed: int

    def __call__(self, controllers: Sequence[Controller]) -> Iterator[float]:
        """The mean cost of each, when all are done."""
        rows = len(controllers) * self.days
        costs = episode_costs(self.problem, _Apart(tuple(controllers)), rows, self.seed)
        yield from costs.reshape(len(controllers), self.days).mean(axis=1).tolist()


class _Apart:
    """Controllers that decide for a share of the rows each."""

    name = "side by side"

    def __init__(self, controllers: tuple[Decides, ...]) -> None:
        self._controllers = controllers

    def begin(self, rows: int) -> _Apart:
        """Each in charge of its share."""
        share = rows // len(self._controllers)
        return _Apart(tuple(seated(one, share) for one in self._controllers))

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """Each for its own rows."""
        parts = np.split(states, len(self._controllers))
        pairs = zip(self._controllers, parts, strict=True)
        return np.concatenate([controller.decide(part) for controller, part in pairs])


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The best candidate found and what the search took."""

    values: dict[str, float]
    cost: float
    candidates: int
    finalists: tuple[dict[str, float], ...] = ()
    """The best of the last round and the best of all, to be decided between on the true system."""


def search_rule(
    build: Callable[[dict[str, float]], Controller],
    box: dict[str, tuple[float, float]],
    judge: Judge,
    *,
    rounds: int,
    candidates: int,
    seed: int,
    on_progress: Callable[[int, float], None] | None = None,
) -> SearchResult:
    """Cross-entropy search: draw, keep the best eighth, narrow, repeat.

    `on_progress` receives the number of candidates tried and the best cost so far.
    """
    if rounds < 1 or candidates < _FINALISTS:
        raise InvalidSystem(
            f"{rounds} rounds of {candidates} candidates: at least 1 round of {_FINALISTS}"
        )
    random = stream(seed, "search")
    last: list[dict[str, float]] = []
    names = list(box)
    low, high = np.array(list(box.values())).T
    centre, width = (low + high) / 2, (high - low) / 2
    best = SearchResult(values={}, cost=np.inf, candidates=0)
    for number in range(rounds):
        spread = random.normal(size=(candidates, len(names)))
        uniform = random.uniform(-1, 1, size=(candidates, len(names)))
        points = np.clip(centre + width * (uniform if number == 0 else spread), low, high)
        if best.values:
            points[0] = list(best.values.values())
        drawn = [dict(zip(names, map(float, point), strict=True)) for point in points]
        costs = []
        for values, cost in zip(drawn, judge([build(each) for each in drawn]), strict=True):
            costs.append(cost)
            tried = best.candidates + 1
            if cost < best.cost:
                best = SearchResult(values=values, cost=cost, candidates=tried)
            else:
                best = replace(best, candidates=tried)
            if on_progress is not None:
                on_progress(tried, best.cost)
        ranked = np.argsort(costs)
        elite = points[ranked[: max(4, candidates // 8)]]
        last = [drawn[i] for i in ranked[:_FINALISTS]]
        centre, width = elite.mean(axis=0), elite.std(axis=0) + 0.02 * (high - low)
    return replace(best, finalists=(best.values, *(v for v in last if v != best.values)))
