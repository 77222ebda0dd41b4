"""What policies cost on the true simulator: greedy, everybody on the same days."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date

from experiments.main_job.context import machine
from experiments.racing.checkpoints import Timeline, thinned
from experiments.racing.rows import Row
from sim.provenance import commit
from training.evaluation import compare, evaluation_seeds
from training.heuristics import Controller
from training.plant import Plant

_ROOT = 2003


@dataclass(frozen=True, slots=True, kw_only=True)
class Jury:
    """Makes rows of one race."""

    race: str
    digest: str
    plant: Plant
    days: int
    checkpoints: int
    """Of a timeline that are judged at most."""
    executor: Executor
    parameters: dict[str, float] | None = None
    """Of the true system; nominal where None."""

    def costs(self, controllers: Sequence[Controller]) -> dict[str, float]:
        """Mean cost of a day of each, by name."""
        found = compare(
            self.plant.build,
            controllers,
            self.plant.objective,
            evaluation_seeds(_ROOT, self.days, "race"),
            self.executor,
            parameters=self.parameters,
        )
        return {name: float(costs.mean()) for name, costs in found.costs.items()}

    def row(self, arm: str, seed: int, timeline: Timeline, began: float) -> Row:
        """A training's."""
        few = thinned(timeline, self.checkpoints)
        costs = self.costs([self.plant.controller(c.policy, str(i)) for i, c in enumerate(few)])
        curve = [[c.seconds, float(c.simulator_epochs), costs[str(i)]] for i, c in enumerate(few)]
        return self._row(arm, seed, began, curve, {})

    def comparison(
        self, arm: str, seed: int, controllers: Sequence[Controller], began: float
    ) -> Row:
        """That of those who need no training."""
        return self._row(arm, seed, began, [], self.costs(controllers))

    def _row(
        self, arm: str, seed: int, began: float, curve: list[list[float]], costs: dict[str, float]
    ) -> Row:
        return Row(
            race=self.race,
            digest=self.digest,
            arm=arm,
            seed=seed,
            curve=curve,
            costs=costs,
            seconds=time.perf_counter() - began,
            commit=commit(),
            date=date.today().isoformat(),
            machine=machine(),
        )
