"""One run: every replication that is missing, on any executor, kept as it is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from experiments.main_job.context import machine
from experiments.rows import append_row, read_rows
from experiments.truths.catalogue import find_setting, truths_of
from experiments.truths.recording import record
from experiments.truths.rows import Row
from experiments.truths.setting import Depth, Setting
from sim.provenance import commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """One replication to be measured."""

    setting: str
    depth: Depth
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one replication said of the truths of its setting."""

    values: dict[str, float]
    seconds: float


def measure(replication: Replication) -> Measured:
    """Run one replication; settings go by name, so that any process can."""
    setting = find_setting(replication.setting)
    began = perf_counter()
    recording = record(setting, setting.effort(replication.depth).minutes, replication.seed)
    values = {truth.name: float(truth.estimate(recording)) for truth in truths_of(setting)}
    return Measured(values=values, seconds=perf_counter() - began)


def missing(
    settings: Iterable[Setting], depth: Depth, rows: Iterable[Row]
) -> Iterator[Replication]:
    """The replications of which no row says what every truth of the setting asks."""
    known = {row.key: row.values.keys() for row in rows}
    for setting in settings:
        if depth not in setting.depths:
            continue
        digest, asked = setting.digest(depth), {truth.name for truth in truths_of(setting)}
        for seed in setting.seeds(depth):
            if not asked <= known.get((setting.name, digest, seed), set()):
                yield Replication(setting=setting.name, depth=depth, seed=seed)


def run(
    settings: Iterable[Setting],
    depth: Depth,
    path: Path,
    executor: Executor,
    *,
    on_row: Callable[[Row, int], None] | None = None,
) -> None:
    """Measure what is missing and keep each row at once, so that a kill loses little.

    `on_row` hears of each row and of how many are still to come.
    """
    code, machine_name = commit(), machine()
    wanted = tuple(missing(settings, depth, read_rows(path, Row)))
    jobs = {executor.submit(measure, replication): replication for replication in wanted}
    for number, job in enumerate(as_completed(jobs), start=1):
        replication, measured = jobs[job], job.result()
        setting = find_setting(replication.setting)
        row = Row(
            setting=setting.name,
            depth=depth,
            digest=setting.digest(depth),
            seed=replication.seed,
            warm_up=setting.warm_up,
            minutes=setting.effort(depth).minutes,
            values=measured.values,
            seconds=round(measured.seconds, 3),
            commit=code,
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            machine=machine_name,
        )
        append_row(path, row)
        if on_row is not None:
            on_row(row, len(jobs) - number)
