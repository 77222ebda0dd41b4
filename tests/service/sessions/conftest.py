"""Plug-ins and surrogates in a service's data folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.app import create_app
from service.clock import HandClock
from service.sessions.settings import SessionSettings
from service.settings import Settings
from sim.scenario import SimulatorRecipe, load_scenario
from sim.streams import stream
from surrogates.collect import run_episodes
from surrogates.design import plan_episodes
from surrogates.flow import FlowSettings, fit_flow
from surrogates.storage import save_surrogate
from tests.service.conftest import KEY, InProcess, Served
from tests.service.sessions.desk import Desk
from tests.service.sessions.hostile import SCENARIO

SURROGATE = "clinic-flow"


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small flow of the clinic, as it is stored."""
    recipe = SimulatorRecipe(scenario=load_scenario("clinic"))
    description = recipe().describe()
    seen = run_episodes(recipe, plan_episodes(description, 6, seed=1))
    settings = FlowSettings(hidden=16, passes=1, least_steps=0)
    fitted = fit_flow(seen, description, settings, stream(1, "fit"))
    folder = tmp_path_factory.mktemp("artefacts") / SURROGATE
    save_surrogate(folder, fitted, {"made_by": "a test"})
    return folder


def stock(data: Path, artefact: Path) -> Path:
    """A data folder with a plug-in and a surrogate in it."""
    (data / "scenarios").mkdir(parents=True)
    (data / "scenarios" / "hostile.toml").write_text(SCENARIO)
    shutil.copytree(artefact, data / "surrogates" / SURROGATE)
    return data


Starting = Callable[..., InProcess]


@pytest.fixture(scope="module")
def starting(tmp_path_factory: pytest.TempPathFactory, artefact: Path) -> Iterator[Starting]:
    """Starts services that all tests of a file share: workers take seconds to be there."""
    entered: list[TestClient] = []

    def start(clock: HandClock | None = None, **given: Any) -> InProcess:
        data = stock(tmp_path_factory.mktemp("stepping") / "data", artefact)
        settings = Settings(data=data, key=SecretStr(KEY), sessions=SessionSettings(**given))
        app = create_app(settings, clock)
        client = TestClient(app, headers={"Authorization": f"Bearer {KEY}"})
        entered.append(client.__enter__())
        return InProcess(app=app, client=client, settings=settings, clock=clock)

    yield start
    for client in entered:
        client.__exit__(None, None, None)


def end_all(service: InProcess) -> None:
    """End every session, so that the next test finds every slot free."""
    for session in list(service.app.state.sessions._sessions.values()):
        key = service.key("step", owner=session.owner)
        service.client.delete(f"/v1/sessions/{session.id}", headers=key)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, artefact: Path) -> Iterator[Served]:
    """A service in a process of its own with one worker for simulators, and little patience."""
    data = stock(tmp_path_factory.mktemp("served") / "data", artefact)
    environment = {
        "SURROGYM_KEY": KEY,
        "SURROGYM_SESSIONS__STEP_SECONDS": "1",
        "SURROGYM_SESSIONS__SIMULATOR_WORKERS": "1",
    }
    with closing(Served(data=data, environment=environment)) as handle:
        yield handle.start()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A worker that the test talks to in the place of the service."""
    with closing(Desk(tmp_path)) as made:
        yield made
