"""Search over rules on a world: many candidates, many days, the same random numbers for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from envs.problem import Problem, Rollouts
from sim.errors import InvalidSystem
from sim.streams import stream
from training.heuristics import Controller

_FINALISTS = 5


def mean_cost(problem: Problem, controller: Controller, days: int, seed: int) -> float:
    """Mean cost of whole episodes under a controller, `days` of them side by side."""
    return float(episode_costs(problem, controller, days, seed).mean())


def episode_costs(
    problem: Problem, controller: Controller, days: int, seed: int
) -> Float[np.ndarray, "day"]:
    """Cost of each of `days` episodes run side by side from one seed."""
    rollouts = Rollouts(problem, days)
    random = stream(seed, "episodes")
    rollouts.begin(np.arange(days), random)
    total = np.zeros(days)
    for _ in range(rollouts.world.description.epochs):
        total += rollouts.step(controller.decide(rollouts.states), random).costs
    return total


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
    problem: Problem,
    *,
    rounds: int,
    candidates: int,
    days: int,
    seed: int,
    on_progress: Callable[[int, float], None] | None = None,
) -> SearchResult:
    """Cross-entropy search: draw, keep the best eighth, narrow, repeat.

    Every candidate meets the same random numbers. `on_progress` receives the number of
    candidates tried and the best cost so far.
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
        costs = []
        for point in points:
            values = dict(zip(names, map(float, point), strict=True))
            cost = mean_cost(problem, build(values), days, seed)
            costs.append(cost)
            tried = best.candidates + 1
            if cost < best.cost:
                best = SearchResult(values=values, cost=cost, candidates=tried)
            else:
                best = SearchResult(values=best.values, cost=best.cost, candidates=tried)
            if on_progress is not None:
                on_progress(tried, best.cost)
        ranked = np.argsort(costs)
        elite = points[ranked[: max(4, candidates // 8)]]
        last = [dict(zip(names, map(float, points[i]), strict=True)) for i in ranked[:_FINALISTS]]
        centre, width = elite.mean(axis=0), elite.std(axis=0) + 0.02 * (high - low)
    return replace(best, finalists=(best.values, *(v for v in last if v != best.values)))
