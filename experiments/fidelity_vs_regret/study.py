"""Runs what is missing: fit, train, judge on true days, and examine as a fidelity report does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial

from experiments.fidelity_vs_regret.rows import Row
from experiments.fidelity_vs_regret.scores import scores_of
from experiments.fidelity_vs_regret.settings import Setting
from experiments.main_job.context import machine
from experiments.time_to_policy.practice import practice
from sim.provenance import commit
from sim.streams import stream
from surrogates.collect import collect
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.families import families_for, fit_family
from surrogates.fidelity import Assessment, judge
from surrogates.interface import Surrogate
from surrogates.support import Support
from training.controllers import PolicyController
from training.evaluation import compare, evaluation_seeds
from training.plant import Environments, Plant
from training.rllib.settings import Budget
from training.rllib.train import train_ppo

_ROOT = 4007


@dataclass(frozen=True)
class Study:
    """One system's rows."""

    setting: Setting
    executor: Executor

    @cached_property
    def plant(self) -> Plant:
        """The system that policies are trained for."""
        return self.setting.ground.plant

    def missing(
        self, done: Sequence[Row], families: Sequence[str] | None
    ) -> Iterator[Callable[[], Row]]:
        """What is not there, seed by seed, each data set simulated once for all families."""
        had, s = {row.key for row in done}, self.setting
        wanted = families or families_for(self.plant.description)
        for seed in s.seeds:
            for episodes in s.episodes:
                lacking = [
                    family
                    for family in wanted
                    if (s.name, s.digest, family, episodes, seed) not in had
                ]
                if lacking:
                    plans = plan_episodes(self.plant.description, episodes, seed)
                    data = collect(self.plant.build, plans, self.executor)
                    for family in lacking:
                        yield partial(self._row, family, data, episodes, seed)

    def _row(self, family: str, data: Transitions, episodes: int, seed: int) -> Row:
        began, plant, s = time.perf_counter(), self.plant, self.setting
        surrogate = fit_family(family, data, plant.description, stream(seed, "fit", family))
        controller = self._trained(surrogate, seed)
        evidence = Assessment(
            surrogate=surrogate,
            build=plant.build,
            cost=plant.objective.cost,
            executor=self.executor,
            settings=s.looked_at,
            # The same simulated days and policies for every surrogate.
            seed=_ROOT,
            support=Support.learn(data, plant.description, stream(seed, "support")),
            trained=controller,
        ).gather()
        return Row(
            ground=s.name,
            digest=s.digest,
            family=family,
            episodes=episodes,
            seed=seed,
            scores=scores_of(evidence),
            use=judge(evidence).use,
            cost=self._cost(controller),
            seconds=time.perf_counter() - began,
            commit=commit(),
            date=date.today().isoformat(),
            machine=machine(),
        )

    def _trained(self, surrogate: Surrogate, seed: int) -> PolicyController:
        training = train_ppo(
            Environments(problem=self.plant.imagined(surrogate)),
            practice(self.plant, seed),
            Budget(steps=self.setting.steps),
            name=surrogate.name,
        )
        return self.plant.controller(training.policy, "trained on it")

    def _cost(self, controller: PolicyController) -> float:
        seeds = evaluation_seeds(_ROOT, self.setting.judged_days, "regret")
        found = compare(self.plant.build, [controller], self.plant.objective, seeds, self.executor)
        return float(found.costs[controller.name].mean())
