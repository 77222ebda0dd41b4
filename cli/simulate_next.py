"""`surrogym simulate-next`: extend a data set where a surrogate lacks data most."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.scenarios import ScenarioArgument
from sim.errors import SurrogymError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import numpy as np

    from surrogates.acquisition import Finished
    from surrogates.dataset import Transitions
    from surrogates.interface import Surrogate


def simulate_next(
    scenario: ScenarioArgument,
    data: Annotated[
        Path, typer.Option(help="Parquet file of transitions to extend; begun where there is none.")
    ],
    epochs: Annotated[
        int, typer.Option(min=1, help="Simulated epochs in all, those included that are there.")
    ],
    family: Annotated[
        str | None, typer.Option(help="Of the surrogate; by default the first that fits.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Root of all randomness.")] = 1,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all by default.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the rounds as JSON, no progress.")
    ] = False,
) -> None:
    """Choose parameters, policies and starts by doubt times visitation, and simulate there.

    Finished rounds are kept: after an interruption the same command goes on with the next one.
    """
    from experiments.main_job.reporter import Reporter

    reporter, rounds = Reporter(is_quiet=as_json), []
    for finished in _campaign(scenario, data, epochs, family, seed, workers):
        rounds.append(_told(finished))
        reporter.say(
            "{epochs:,} epochs of {episodes} episodes in {data}".format(**rounds[-1], data=data)
        )
    if as_json:
        print(json.dumps({"data": str(data), "rounds": rounds}))
    else:
        print(f"{rounds[-1]['epochs']:,} epochs in {data}")


def _campaign(
    scenario: str, data: Path, epochs: int, family: str | None, seed: int, workers: int | None
) -> Iterator[Finished]:
    """Every state of the data set from the one that is found, with a surrogate fitted to it."""
    from experiments.where_to_simulate.arms import Improve
    from experiments.where_to_simulate.place import Place
    from sim.provenance import commit
    from surrogates.acquisition import CampaignSettings, run_campaign
    from surrogates.dataset_file import DatasetFile
    from surrogates.families import families_for, fit_family

    place = Place(scenario)
    description = place.description
    name = family or families_for(description)[0]

    def fit(transitions: Transitions, random: np.random.Generator) -> Surrogate:
        return fit_family(name, transitions, description, random)

    lineage = {"commit": commit(), "scenario": scenario, "family": name, "seed": seed}
    store = DatasetFile(path=data, description=description, lineage=lineage)
    found, _ = store.read()
    _refuse_budget(epochs, data, 0 if found is None else len(found), description.epochs)
    _make_room(data)
    settings = CampaignSettings(budget=epochs, seed=seed)
    with _executor(workers) as executor:
        yield from run_campaign(
            place.build, fit, settings, improve=Improve(place=place), store=store, executor=executor
        )


def _refuse_budget(epochs: int, data: Path, there: int, episode: int) -> None:
    if epochs < there + episode:
        told = f"{data} has {there} already and " if there else ""
        raise SurrogymError(
            f"--epochs {epochs}: {told}one episode has {episode} epochs; "
            f"ask for {there + episode} or more"
        )


def _make_room(data: Path) -> None:
    """A round is simulated before it is written, so that what prevents it is to be said now."""
    trial = data.with_name(f"{data.name}.part")
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise SurrogymError(
            f"cannot write {data}: {error.strerror}; give another --data"
        ) from error


@contextmanager
def _executor(workers: int | None) -> Iterator[Executor | None]:
    """Ray's on so many processes; none for one, which is this process."""
    from threadpoolctl import threadpool_limits

    from training.rllib.session import RayExecutor, ray_session

    count = workers or len(os.sched_getaffinity(0))
    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(1))
        if count == 1 and not os.environ.get("RAY_ADDRESS"):
            yield None
            return
        stack.enter_context(ray_session(count))
        yield stack.enter_context(RayExecutor())


def _told(finished: Finished) -> dict[str, int]:
    transitions = finished.transitions
    return {
        "round": finished.number,
        "epochs": len(transitions),
        "episodes": len(set(transitions.episode.tolist())),
    }
