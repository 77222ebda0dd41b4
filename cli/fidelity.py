"""`surrogym fidelity`: how far a surrogate can be trusted, as JSON and as a page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.errors import SurrogymError, suggestion

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from experiments.fidelity.progress import Steps
    from experiments.fidelity.subject import Subject
    from experiments.main_job.reporter import Reporter
    from surrogates.fidelity import Decider

    Find = Callable[[Executor, Steps], tuple[Subject, Decider]]

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
        int,
        typer.Option(min=_FEWEST_EPISODES, help="Episodes, even, on which policies are ranked."),
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
    page = output or (runs / run_id if run_id else Path()) / "fidelity.html"
    _refuse_page(page)
    from experiments.fidelity.page import write_report
    from experiments.fidelity.progress import Steps
    from experiments.fidelity.subject import examine
    from experiments.main_job.reporter import Reporter
    from surrogates.fidelity import FidelitySettings

    reporter = Reporter(is_quiet=as_json)
    settings = FidelitySettings(**_QUICK) if quick else FidelitySettings(days=days)
    if run_id is not None:
        find = _of_run(runs / run_id, family, policy, train_seconds, seed, reporter)
    else:
        find = _of_scenario(str(scenario), family, episodes, train_seconds, seed)
    _make_room(page)
    with _workers(workers) as executor, Steps(reporter) as steps:
        subject, trained = find(executor, steps)
        record = examine(subject, trained, settings, seed, executor, steps)
    write_report(page, record)
    _tell(record, page, as_json)


def _refuse_page(page: Path) -> None:
    if page.suffix != ".html":
        raise SurrogymError(
            f"--output {page}: give the name of a page, such as {page.with_suffix('.html')}; the "
            "record stands beside it as .json"
        )


def _make_room(page: Path) -> None:
    """Minutes pass before the page is written, so that what prevents it is to be said now."""
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.with_suffix(".partial").touch()
        page.with_suffix(".partial").unlink()
    except OSError as error:
        raise SurrogymError(
            f"cannot write {page}: {error.strerror}; give another --output"
        ) from error


@contextmanager
def _workers(count: int | None) -> Iterator[Executor]:
    from threadpoolctl import threadpool_limits

    from training.rllib.session import RayExecutor, ray_session

    with (
        threadpool_limits(1),
        ray_session(count or len(os.sched_getaffinity(0))),
        RayExecutor() as executor,
    ):
        yield executor


def _of_run(
    path: Path,
    family: str | None,
    policy: Path | None,
    train_seconds: float,
    seed: int,
    reporter: Reporter,
) -> Find:
    """A run's surrogate, with its policy where it is the one that this was trained on."""
    from experiments.fidelity.subject import read_policy, run_subject, train_policy
    from experiments.main_job.context import Context
    from experiments.main_job.run_folder import RunFolder

    known = sorted(found.parent.name for found in path.parent.glob("*/run.json"))
    if path.name not in known:
        raise SurrogymError(f"no run {path}{suggestion(path.name, known)}; or name a --scenario")
    context = Context(run=RunFolder.open(path), reporter=reporter)
    subject = run_subject(context, family)
    is_in_use = family in (None, context.run.summary("fit")["trained_on"])
    if policy is None and is_in_use and context.run.is_finished("pretrain"):
        policy = context.run.folder("pretrain") / "policy"
    trained = None if policy is None else read_policy(subject, policy)
    reporter.say(f"examining {subject.surrogate.name} of run {path}")

    def find(executor: Executor, steps: Steps) -> tuple[Subject, Decider]:
        del executor
        return subject, trained or train_policy(subject, train_seconds, seed, steps)

    return find


def _of_scenario(
    scenario: str, family: str | None, episodes: int, train_seconds: float, seed: int
) -> Find:
    """A surrogate that is fitted here, to episodes simulated here, with a policy trained here."""
    from experiments.fidelity.subject import Wanted, collected_subject, train_policy

    wanted = Wanted.of(scenario, family)

    def find(executor: Executor, steps: Steps) -> tuple[Subject, Decider]:
        subject = collected_subject(wanted, episodes, seed, executor, steps)
        return subject, train_policy(subject, train_seconds, seed, steps)

    return find


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
        print(f"{finding['name']:22s} {finding['outcome']:14s} {finding['reason']}")
    print(f"{record['family']} on {record['system']}: {record['verdict']['use']}")
    print(f"report: {page}")
