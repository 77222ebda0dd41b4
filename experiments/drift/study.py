"""One run: every seed of every scenario whose rows are missing, kept as soon as a detector is done.

Of one seed all arms have the same surrogate, days in control and runs of days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from math import inf
from pathlib import Path
from time import monotonic, process_time

import numpy as np

from experiments.drift.arms import ARMS, RAW
from experiments.drift.ground import Ground, ground_of
from experiments.drift.rows import IN_CONTROL, Row
from experiments.drift.settings import SHIFT, Setting
from experiments.drift.watching import Draws, Noticed, run_lengths, watch
from experiments.main_job.context import machine
from experiments.rows import append_row, read_rows
from sim.provenance import commit
from sim.streams import stream
from surrogates.dataset import Transitions
from surrogates.interface import Surrogate
from training.drift import Setting as Calibration
from training.drift import StructureTest, calibrate_structure_test
from training.likelihood import DayLikelihood, InControl, split_days

EXPLAINED = ("score cusum", "residual cusum")
"""Arms after whose alarms the structure test is asked."""
_NEEDS_LIKELIHOOD = ("score cusum",)


@dataclass(frozen=True)
class Trial:
    """One scenario with one seed: what all its arms share."""

    setting: Setting
    ground: Ground
    seed: int

    @cached_property
    def surrogate(self) -> Surrogate:
        """Fitted with this seed."""
        return self.ground.surrogate(self.seed)

    @cached_property
    def control(self) -> Transitions:
        """Days in control of this seed alone."""
        return self.ground.in_control(f"control {self.seed}", self.setting.control_days)

    @cached_property
    def fresh(self) -> Transitions:
        """Days in control for all seeds."""
        return self.ground.in_control("fresh", self.setting.fresh_days)

    @cached_property
    def calibration(self) -> Calibration:
        """What detectors are calibrated on."""
        return Calibration(
            surrogate=self.surrogate,
            in_control=self.control,
            reference=self.ground.description.nominal,
            settings=self.setting.detector,
            seed=self.seed,
        )

    @cached_property
    def structure(self) -> StructureTest:
        """Calibrated at the same places for every seed."""
        surrogate = self.surrogate
        likelihood = DayLikelihood.at(surrogate, self.ground.description.nominal)  # type: ignore[arg-type]
        return calibrate_structure_test(
            likelihood,
            InControl.measure(likelihood, self.control),
            self.calibration.residuals,
            self.ground.at,
            self.setting.structure,
            stream(1, "structure"),
        )

    @property
    def in_control_runs(self) -> np.ndarray:
        """Days of the runs in control, the same for all arms."""
        shape = (self.setting.control_runs, self.setting.longest_run)
        random = stream(self.seed, "runs in control")
        return random.integers(self.setting.fresh_days, size=shape)

    def draws(self, kind: str, size: float) -> Draws:
        """Days of the runs through one change, the same for all arms."""
        s, random = self.setting, stream(self.seed, "runs", kind, f"{size:g}")
        return Draws(
            before=random.integers(s.fresh_days, size=(s.runs, s.quiet_days)),
            after=random.integers(s.changed_days, size=(s.runs, s.longest_delay)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where rows come from, as it was when the run began."""

    commit: str
    machine: str


def arms_of(setting: Setting) -> tuple[str, ...]:
    """Arms that make sense in a scenario."""
    if setting.kinds == (SHIFT,):
        return tuple(arm for arm in ARMS if arm not in (*_NEEDS_LIKELIHOOD, *RAW))
    return tuple(ARMS)


def changes_of(setting: Setting, arm: str) -> tuple[tuple[str, float], ...]:
    """In control first, then every kind and size; raw queues are watched in control alone."""
    control = ((IN_CONTROL, 0.0),)
    if arm in RAW:
        return control
    return control + tuple((kind, size) for kind in setting.kinds for size in setting.sizes)


def missing(
    settings: Iterable[Setting], arms: Iterable[str], rows: Iterable[Row]
) -> Iterator[tuple[Setting, int, str]]:
    """Seeds and arms of which a row is missing: everything with the first seeds first."""
    known: dict[tuple[str, str, int, str], set[tuple[str, float]]] = {}
    for row in rows:
        known.setdefault(row.cell, set()).add((row.kind, row.size))
    chosen = tuple(arms)
    every = (
        (number, setting, seed, arm)
        for setting in settings
        for number, seed in enumerate(setting.seeds)
        for arm in arms_of(setting)
        if arm in chosen
    )
    for _, setting, seed, arm in sorted(every, key=lambda each: each[0]):
        key = setting.scenario, arm, seed, setting.digest
        if not set(changes_of(setting, arm)) <= known.get(key, set()):
            yield setting, seed, arm


def run(
    settings: Iterable[Setting],
    arms: Iterable[str],
    path: Path,
    telemetry: Path,
    *,
    minutes: float = inf,
    on_row: Callable[[Row], None] | None = None,
) -> None:
    """Measure what is missing; no arm is begun after so many minutes."""
    origin, until = Origin(commit=commit(), machine=machine()), monotonic() + 60 * minutes
    trial: Trial | None = None
    for setting, seed, arm in tuple(missing(settings, arms, read_rows(path, Row))):
        if monotonic() > until:
            return
        if trial is None or (trial.setting, trial.seed) != (setting, seed):
            trial = Trial(setting, ground_of(setting, telemetry), seed)
        rows = list(measure(trial, arm, origin))
        for row in rows:
            append_row(path, row)
            if on_row is not None:
                on_row(row)


def measure(trial: Trial, arm: str, origin: Origin) -> Iterator[Row]:
    """One arm of one seed through all that may happen."""
    setting, began = trial.setting, process_time()
    detector = ARMS[arm](trial.calibration, stream(trial.seed, "calibration"))
    fresh, fresh_days = detector.measure(trial.fresh), split_days(trial.fresh)
    for kind, size in changes_of(setting, arm):
        noticed: list[Noticed | None] = []
        explained = structure = 0
        if kind == IN_CONTROL:
            delays = run_lengths(detector, fresh, trial.in_control_runs)
        else:
            pool, draws = trial.ground.changed(kind, size), trial.draws(kind, size)
            noticed = watch(detector, fresh, detector.measure(pool), draws)
            delays = [None if found is None else found.delay for found in noticed]
            if arm in EXPLAINED and setting.route is not None:
                told = _explained(trial, noticed, draws, fresh_days, split_days(pool))
                explained, structure = len(told), sum(told)
        has_kinds = setting.route is not None
        named = [found.kinds for found in noticed if found is not None and has_kinds]
        yield Row(
            scenario=setting.scenario,
            arm=arm,
            seed=trial.seed,
            digest=setting.digest,
            kind=kind,
            size=size,
            delays=tuple(delays),
            named_right=sum(kinds[0] == kind for kinds in named),
            named_wrong=sum(kinds[0] != kind for kinds in named),
            named_beside=sum(any(k != kind for k in kinds) for kinds in named),
            explained=explained,
            structure=structure,
            seconds=round(process_time() - began, 2),
            commit=origin.commit,
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            machine=origin.machine,
        )
        began = process_time()


def _explained(
    trial: Trial,
    noticed: Sequence[Noticed | None],
    draws: Draws,
    fresh: Sequence[Transitions],
    changed: Sequence[Transitions],
) -> list[bool]:
    """Of the first alarms that were raised, whether the structure test calls them structure."""
    raised = [(run, found) for run, found in enumerate(noticed) if found is not None]
    return [
        trial.structure.explain(draws.telemetry(run, found.days, fresh, changed)).is_structure
        for run, found in raised[: trial.setting.explained]
    ]
