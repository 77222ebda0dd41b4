"""`surrogym fidelity`: how far a surrogate can be trusted, as JSON and as a page."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.errors import SurrogymError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from experiments.fidelity.progress import Steps
    from experiments.fidelity.subject import Subject
    from experiments.main_job.reporter import Reporter

_FEWEST_EPISODES = 4


def fidelity(
    run_id: Annotated[str | None, typer.Option(help="A run of the main job to examine.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("runs"),
    scenario: Annotated[
        str | None, typer.Option(help="Without a run: what to simulate, fit and examine.")
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(help="Of the surrogate; by default the one in use, or the first that fits."),
    ] = None,
    episodes: Annotated[
        int, typer.Option(min=_FEWEST_EPISODES, help="Of a scenario, to fit the surrogate to.")
    ] = 200,
    policy: Annotated[
        Path | None, typer.Option(help="Folder of a policy that was trained on the surrogate.")
    ] = None,
    train_seconds: Annotated[
        float, typer.Option(min=1.0, help="PPO on the surrogate, where there is no policy.")
    ] = 30.0,
    days: Annotated[
        int, typer.Option(min=_FEWEST_EPISODES, help="Episodes on which policies are ranked.")
    ] = 24,
    output: Annotated[
        Path | None, typer.Option(help="The page; its record stands beside it as .json.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the fresh runs.")] = 4242,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke test: few episodes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record, no progress.")] = False,
) -> None:
    """Compare a surrogate with fresh simulator runs; say what it may be used for, and why."""
    if (run_id is None) == (scenario is None):
        raise SurrogymError(
            "give --run-id NAME to examine a run's surrogate, or --scenario NAME to fit one"
        )
    if policy is not None and run_id is None:
        raise SurrogymError(
            "--policy needs --run-id: what a policy sees is scaled by the data of its run"
        )
    from threadpoolctl import threadpool_limits

    from experiments.fidelity.page import write_report
    from experiments.fidelity.progress import Steps
    from experiments.fidelity.subject import examine, read_policy, train_policy
    from experiments.main_job.reporter import Reporter
    from surrogates.fidelity import FidelitySettings
    from training.rllib.session import RayExecutor, ray_session

    reporter = Reporter(is_quiet=as_json)
    settings = FidelitySettings(**_QUICK) if quick else FidelitySettings(days=days)
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(1))
        stack.enter_context(ray_session(workers or len(os.sched_getaffinity(0))))
        executor = stack.enter_context(RayExecutor())
        steps = stack.enter_context(Steps(reporter))
        if run_id is not None:
            subject, kept = _of_run(runs / run_id, family, reporter)
            page = output or runs / run_id / "fidelity.html"
        else:
            subject, kept = _of_scenario(str(scenario), family, episodes, seed, executor, steps)
            page = output or Path("fidelity.html")
        folder = policy or kept
        if folder is None:
            trained = train_policy(subject, train_seconds, seed, steps)
        else:
            trained = read_policy(subject, folder)
        record = examine(subject, trained, settings, seed, executor, steps)
    write_report(page, record)
    _tell(record, page, as_json)


def _of_run(path: Path, family: str | None, reporter: Reporter) -> tuple[Subject, Path | None]:
    """A run's surrogate, and its policy where it is the one that this was trained on."""
    from experiments.fidelity.subject import run_subject
    from experiments.main_job.context import Context
    from experiments.main_job.run_folder import RunFolder

    context = Context(run=RunFolder.open(path), reporter=reporter)
    in_use = context.run.summary("fit")["trained_on"]
    policy = context.run.folder("pretrain") / "policy"
    is_its_own = family in (None, in_use) and context.run.is_finished("pretrain")
    return run_subject(context, family), policy if is_its_own else None


def _of_scenario(
    scenario: str,
    family: str | None,
    episodes: int,
    seed: int,
    executor: Executor,
    steps: Steps,
) -> tuple[Subject, None]:
    """A surrogate that is fitted here, to episodes simulated here."""
    from experiments.fidelity.subject import collected_subject

    return collected_subject(scenario, family, episodes, seed, executor, steps), None


_QUICK: dict[str, int] = {
    "episodes": 24,
    "scored_rows": 200,
    "conditional_rows": 60,
    "draws": 16,
    "swaps": 40,
    "policies": 6,
    "days": 6,
    "copies": 2,
    "gap_days": 8,
    "gap_episodes": 64,
}
"""Settings of `--quick`: everything runs, and mostly too little is known for a verdict."""


def _tell(record: dict[str, Any], page: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps(record))
        return
    for finding in record["verdict"]["findings"]:
        print(f"{finding['name']:15s} {finding['outcome']:8s} {finding['reason']}")
    print(f"{record['family']} on {record['system']}: {record['verdict']['use']}")
    print(f"report: {page}")
