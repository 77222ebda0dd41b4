"""Runs what is missing: timelines kept in a journal, judged on the same true days, a row each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from experiments.racing.arrivals import arrivals, current
from experiments.racing.checkpoints import TimelineForm
from experiments.racing.judging import Jury
from experiments.racing.rows import RULES, Row
from experiments.rows import read_rows
from experiments.rule_book import rule_book, tuned_rules
from experiments.running import measure
from experiments.time_to_policy.arms import by_surrogate, collected
from experiments.time_to_policy.direct import DIRECT
from experiments.time_to_policy.settings import Setting
from experiments.time_to_policy.target import target_of
from training.journal import Journal
from training.rllib.session import RayExecutor, ray_session


def run(
    settings: Sequence[Setting],
    path: Path,
    runs: Path,
    *,
    arms: Sequence[str] | None = None,
    minutes: float = float("inf"),
) -> None:
    """Measure every row that is not there; begin none after so many minutes."""
    with ray_session(), RayExecutor() as executor:
        jobs = (
            partial(take, arm, seed)
            for s in settings
            for arm, seed, take in _Job(s, path, runs / s.name / s.digest, executor).missing(arms)
        )
        measure(jobs, path, minutes, lambda row: row.told)


Take = Callable[[str, int], Row]


@dataclass(frozen=True)
class _Job:
    setting: Setting
    path: Path
    folder: Path
    executor: Executor

    def missing(self, arms: Sequence[str] | None) -> list[tuple[str, int, Take]]:
        """Surrogates first: they say how long the others are given."""
        s = self.setting
        plan: list[tuple[str, int, Take]] = [
            (family, seed, self._surrogate) for seed in s.seeds for family in s.surrogates
        ]
        plan.insert(len(s.surrogates), (RULES, s.seeds[0], self._rules))
        plan += [(arm, seed, self._direct) for seed in s.simulator_seeds for arm in s.direct]
        there = {row.key for row in read_rows(self.path, Row)}
        return [
            each
            for each in plan
            if (s.name, s.digest, each[0], each[1]) not in there
            and (arms is None or each[0] in arms)
        ]

    def _surrogate(self, family: str, seed: int) -> Row:
        began, plant = time.perf_counter(), self.setting.ground.plant
        found = collected(plant, self.setting, seed, self.executor)
        timeline, _ = by_surrogate(plant, self.setting, family, seed, found)
        return self._jury.row(family, seed, timeline, began)

    def _direct(self, arm: str, seed: int) -> Row:
        began, ground = time.perf_counter(), self.setting.ground
        timeline = Journal(self.folder).step(
            f"{arm}-{seed}".replace(" ", "_").replace(",", ""),
            lambda: DIRECT[arm](ground, self._patience(), seed),
            TimelineForm(system=ground.plant.description.name),
        )
        return self._jury.row(arm, seed, timeline, began)

    def _patience(self) -> float:
        """Wall-clock of an arm that trains on the simulator alone."""
        rows = current(read_rows(self.path, Row), self.setting.name, self.setting.digest)
        target = target_of(rows, self.setting.reaches)
        found = [] if target is None else arrivals(rows, target.cost)
        quickest = min((a.at_least for a in found if a.arm in self.setting.surrogates), default=0.0)
        return max(self.setting.least_seconds, self.setting.patience * quickest)

    def _rules(self, arm: str, seed: int) -> Row:
        began, ground = time.perf_counter(), self.setting.ground
        rounds, candidates, days = self.setting.rule_search
        found = collected(ground.plant, self.setting, seed, self.executor)
        first = self.setting.surrogates[0]
        _, surrogate = by_surrogate(ground.plant, self.setting, first, seed, found)
        book = rule_book(
            ground.plant,
            ground.system,
            ground.plant.imagined(surrogate),
            days=days,
            episodes=days,
            seed=seed,
        )
        rules = tuned_rules(
            book,
            ground.plant,
            self.executor,
            rounds=rounds,
            candidates=candidates,
            true_days=self.setting.judged_days,
            seed=seed,
        )
        return self._jury.comparison(arm, seed, rules, began)

    @property
    def _jury(self) -> Jury:
        s = self.setting
        return Jury(
            race=s.name,
            digest=s.digest,
            plant=s.ground.plant,
            days=s.judged_days,
            checkpoints=s.checkpoints,
            executor=self.executor,
        )
