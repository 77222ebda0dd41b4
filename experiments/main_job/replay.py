"""The later real days through the true simulator, under whoever is in charge."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date

import numpy as np
from jaxtyping import Int

from envs.objective import Objective
from experiments.main_job.context import Context
from sim.arrivals import TraceArrivals
from sim.scenario import Change, Scenario, SimulatorRecipe
from sim.streams import stream
from training.evaluation import Day, run_day
from training.heuristics import Controller

_CHUNK = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RealDay:
    """One recorded day and what is true of it, unknown to those who run the centre."""

    date: date
    counts: Int[np.ndarray, "slot"]
    seed: int
    parameters: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Runs recorded days; the same days meet the same customers under every controller."""

    scenario: Scenario
    objective: Objective
    profile: np.ndarray
    slot_minutes: float
    executor: Executor

    @classmethod
    def of(cls, context: Context, executor: Executor) -> Replay:
        """The replay of a run's scenario."""
        return cls(
            scenario=context.scenario,
            objective=context.objective,
            profile=context.arrivals.profile,
            slot_minutes=context.arrivals.slot_minutes,
            executor=executor,
        )

    def run(self, controller: Controller, days: list[RealDay]) -> list[Day]:
        """Run the days in parallel: the centre closes at night, so none depends on another."""
        parts = [days[i : i + _CHUNK] for i in range(0, len(days), _CHUNK)]
        jobs = [self.executor.submit(_run_part, self._recipes(p), p, controller, self.objective)
                for p in parts]  # fmt: skip
        return [day for job in jobs for day in job.result()]

    def _recipes(self, days: list[RealDay]) -> list[SimulatorRecipe]:
        return [
            SimulatorRecipe(
                scenario=self.scenario,
                arrivals=TraceArrivals(
                    day=day.date.weekday(),
                    counts=day.counts,
                    slot_minutes=self.slot_minutes,
                    profile=self.profile,
                ),
            )
            for day in days
        ]


def real_days(context: Context) -> list[RealDay]:
    """The days of the live period, with the dated change applied."""
    settings, change = context.scenario.volumes, context.scenario.change
    volumes = context.volumes.between(settings.live_from, settings.live_to)
    seeds = stream(context.settings.seed, "live").integers(2**31, size=len(volumes.days))
    first, last = _window(context, list(volumes.days), change)
    return [
        RealDay(
            date=day,
            counts=volumes.counts[i],
            seed=int(seeds[i]),
            parameters=change.parameters if change is not None and day >= change.on else {},
        )
        for i, day in enumerate(volumes.days)
        if first <= i < last
    ]


def _window(context: Context, days: list[date], change: Change | None) -> tuple[int, int]:
    """All days, or the given number about the change."""
    wanted = context.settings.live_days
    if wanted is None or wanted >= len(days):
        return 0, len(days)
    turn = next((i for i, day in enumerate(days) if change and day >= change.on), wanted // 2)
    first = max(0, min(turn - wanted // 2, len(days) - wanted))
    return first, first + wanted


def _run_part(
    recipes: list[SimulatorRecipe],
    days: list[RealDay],
    controller: Controller,
    objective: Objective,
) -> list[Day]:
    return [
        run_day(recipe(), controller, objective, day.seed, day.parameters)
        for recipe, day in zip(recipes, days, strict=True)
    ]
