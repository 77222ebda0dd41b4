"""The stages in order, run whole or one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from experiments.main_job.collect import collect
from experiments.main_job.context import Context
from experiments.main_job.evaluate import evaluate
from experiments.main_job.fit import fit
from experiments.main_job.learn import learn
from experiments.main_job.live import live
from experiments.main_job.memory import MemoryWatch
from experiments.main_job.pretrain import pretrain
from experiments.main_job.report import report
from experiments.main_job.simulate import simulate
from training.journal import write_json
from training.rllib.session import ray_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of the main job."""

    name: str
    title: str
    run: Callable[[Context, Path], dict[str, Any]]
    needs_ray: bool = True


STAGES = (
    Stage(name="learn", title="Learn the arrivals", run=learn, needs_ray=False),
    Stage(name="simulate", title="Check the simulator", run=simulate, needs_ray=False),
    Stage(name="collect", title="Collect transitions", run=collect),
    Stage(name="fit", title="Fit the surrogates", run=fit),
    Stage(name="pretrain", title="Pre-train on the surrogate", run=pretrain),
    Stage(name="evaluate", title="Evaluate on the true simulator", run=evaluate),
    Stage(name="live", title="Live replay", run=live),
    Stage(name="report", title="Report", run=report, needs_ray=False),
)


def run_stages(context: Context, names: list[str]) -> dict[str, dict[str, Any]]:
    """Run the named stages in order, those that are finished left alone; returns summaries."""
    summaries = {}
    with ExitStack() as session:
        session.enter_context(threadpool_limits(1))
        has_ray = False
        for number, stage in enumerate(STAGES, start=1):
            if stage.name not in names:
                continue
            if context.run.is_finished(stage.name):
                context.reporter.say(f"{stage.name}: finished before")
            else:
                context.reporter.heading(f"{number}/{len(STAGES)} {stage.title}")
                if stage.needs_ray and not has_ray:
                    session.enter_context(ray_session(context.settings.workers))
                    has_ray = True
                context.run.forget(tuple(later.name for later in STAGES[number:]))
                _run(context, stage)
            summaries[stage.name] = context.run.summary(stage.name)
    return summaries


def _run(context: Context, stage: Stage) -> None:
    began = time.perf_counter()
    with context.run.writing(stage.name) as folder, MemoryWatch() as memory:
        summary = stage.run(context, folder)
        summary["stage_seconds"] = time.perf_counter() - began
        summary["peak_mib"] = memory.peak_mib
        write_json(folder / "summary.json", summary)
