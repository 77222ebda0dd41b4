"""Runs what is missing: one arm with one seed after another, a row each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from experiments.racing.judging import Jury
from experiments.racing.rows import RULES, Row
from experiments.retraining.arms import ARMS, DIRECT, Start, before
from experiments.retraining.change import Changed
from experiments.retraining.settings import Setting
from experiments.retraining.target import CONDITIONED, NEVER
from experiments.rows import read_rows
from experiments.running import measure
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
            partial(job.measure, arm, seed)
            for job in (_Job(setting=s, path=path, runs=runs, executor=executor) for s in settings)
            for arm, seed in job.missing(arms)
        )
        measure(jobs, path, minutes, lambda row: row.told)


@dataclass(frozen=True, kw_only=True)
class _Job:
    setting: Setting
    path: Path
    runs: Path
    executor: Executor

    def missing(self, arms: Sequence[str] | None) -> list[tuple[str, int]]:
        """The cheap arms first."""
        s = self.setting
        plan = [(arm, seed) for seed in s.seeds for arm in (RULES, *ARMS)]
        plan += [(arm, seed) for seed in s.simulator_seeds for arm in DIRECT]
        there = {row.key for row in read_rows(self.path, Row)}
        return [
            (arm, seed)
            for arm, seed in plan
            if (s.name, s.digest, arm, seed) not in there and (arms is None or arm in arms)
        ]

    def measure(self, arm: str, seed: int) -> Row:
        """One row."""
        if arm == RULES:
            return self._untrained(seed)
        known = before(self._changed, seed, self._kept(seed), self.executor)
        with tempfile.TemporaryDirectory() as folder:
            start = Start(
                changed=self._changed,
                known=known,
                seed=seed,
                executor=self.executor,
                journal=Journal(Path(folder)),
            )
            began = time.perf_counter()
            timeline = {**ARMS, **DIRECT}[arm](start)
        return self._jury.row(arm, seed, timeline, began)

    def _untrained(self, seed: int) -> Row:
        """The old policy, and the conditioned one told of what it can be told of."""
        began, changed = time.perf_counter(), self._changed
        known = before(changed, seed, self._kept(seed), self.executor)
        told = changed.conditioned(changed.after).believing(changed.beliefs)
        controllers = [
            changed.after.controller(known.policy, NEVER),
            told.controller(known.conditioned, CONDITIONED),
        ]
        return self._jury.comparison(RULES, seed, controllers, began)

    def _kept(self, seed: int) -> Journal:
        """What was there before: the same for all changes that are set alike."""
        s = self.setting
        told = f"{s.ground.name}-{s.episodes}-{s.pretrain_seconds:g}-{seed}"
        return Journal(self.runs / told)

    @cached_property
    def _changed(self) -> Changed:
        return Changed(setting=self.setting)

    @property
    def _jury(self) -> Jury:
        s = self.setting
        return Jury(
            race=s.name,
            digest=s.digest,
            plant=self._changed.after,
            days=s.judged_days,
            checkpoints=s.checkpoints,
            executor=self.executor,
            parameters=self._changed.parameters,
        )
