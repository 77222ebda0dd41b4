"""Doing a job, in the process of an attempt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from service.jobs.folders import AttemptFolder
from service.jobs.kinds.table import KIND_TABLE
from service.jobs.notes import Notes
from service.jobs.progress import Progress
from service.jobs.results import making, read_result
from service.jobs.specs import SPEC
from service.jobs.subject import subject_of
from service.jobs.work import Work, origin_of
from training.journal import Journal
from training.rllib.session import AtMost, RayExecutor, one_torch_thread, quiet_ray, ray_session


def do(folder: AttemptFolder, order: Mapping[str, Any]) -> None:
    """Carry out an order; finished steps of earlier attempts are not done again."""
    if read_result(folder.result) is not None:
        return
    spec = SPEC.validate_python(order["spec"])
    kind = KIND_TABLE[spec.kind]
    with (
        closing(Notes(folder.notes)) as notes,
        one_torch_thread(),
        quiet_ray(),
        workers(spec.cores, needs_ray=kind.needs_ray) as executor,
        making(folder.result, Path(order["data"])) as result,
    ):
        progress = Progress(notes, kind.weights(spec))
        inputs = {name: Path(path) for name, path in order["inputs"].items()}
        work = Work(
            job=order["job"],
            spec=spec,
            inputs=inputs,
            origin=origin_of(inputs),
            subject=subject_of(order["system"]),
            journal=Journal(Path(order["work"]), hear=progress.finished, hear_share=progress.at),
            progress=progress,
            notes=notes,
            executor=executor,
            making=result,
        )
        result.summary.update(kind.run(work))
        progress.end()


@contextmanager
def workers(cores: int, *, needs_ray: bool) -> Iterator[Executor]:
    """Where simulations run: on Ray for several cores or a cluster, else in this process.

    A cluster has more cores than the job may use, which is why no more tasks are under way at once.

    A training runs in this process and keeps Ray for its own; simulations never run beside it.
    """
    is_spread = cores > 1 or bool(os.environ.get("RAY_ADDRESS"))
    if not (needs_ray or is_spread):
        with _one_thread() as executor:
            yield executor
        return
    with ray_session(num_cpus=cores):
        if is_spread:
            with AtMost(RayExecutor(), cores) as executor:
                yield executor
            return
        with _one_thread() as executor:
            yield executor


@contextmanager
def _one_thread() -> Iterator[Executor]:
    executor = ThreadPoolExecutor(max_workers=1)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
