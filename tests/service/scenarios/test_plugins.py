"""Plug-ins say what they are where they can harm nobody; what they say of errors stays there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.problems import Problem
from service.scenarios.catalogue import Catalogue
from service.scenarios.describing import describe, described, read
from tests.service.conftest import InProcess

MODULE = "tests.service.scenarios.odd"


def put(folder: Path, how: str) -> None:
    """A scenario file around a simulator that behaves so."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "odd.toml").write_text(
        f'name = "odd"\nsummary = "As its file\\nsays."\nsimulator = "{MODULE}:Odd"\n'
        f'[options]\nhow = "{how}"\n[costs.outputs]\nturns = 1.0\n'
    )


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue(tmp_path / "scenarios")
    yield made
    made._process.end()


def test_a_plugin_describes_itself_in_another_process(catalogue: Catalogue) -> None:
    """Once; nothing of it is ever imported where everybody's requests are answered."""
    put(catalogue.folder, "well")
    known = catalogue.find("odd")
    where = int(known.description.name.split()[1])
    assert where != os.getpid()
    assert known.explanation["costs"]["outputs"] == {"turns": 1.0}
    assert catalogue.find("odd") is known
    assert MODULE not in sys.modules


@pytest.mark.parametrize(
    ("how", "code"),
    [("raise", "simulator_error"), ("exit", "simulator_crashed"), ("loop", "simulator_crashed")],
)
def test_a_plugin_that_fails_to_describe_itself_fails_alone(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, how: str, code: str
) -> None:
    """Whoever asks is told a code, and not what the plug-in said; others are answered."""
    if how == "loop":
        monkeypatch.setattr("service.scenarios.catalogue._SECONDS", 1.0)
    put(catalogue.folder, how)
    with pytest.raises(Problem) as refused:
        catalogue.find("odd")
    assert refused.value.code == code
    assert "swordfish" not in str(refused.value.detail)
    assert catalogue.find("clinic").explanation["name"] == "clinic"


def test_strangers_run_nothing(service: InProcess) -> None:
    """OpenEnv's validator asks for the metadata without a key: the file alone answers."""
    put(service.settings.data / "scenarios", "exit")
    answer = TestClient(service.app).get("/openenv/odd/metadata")
    assert answer.json() == {"name": "odd", "description": "As its file says."}
    assert service.app.state.catalogue._process._pool is None


def test_what_a_plugin_says_of_its_errors_is_not_passed_on(service: InProcess) -> None:
    """It may hold paths, rows and passwords; the request's id leads to it in the log."""
    put(service.settings.data / "scenarios", "raise")
    answers = [
        service.client.get("/v1/scenarios/odd"),
        service.client.post("/v1/sessions", json={"env": "odd"}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (502, "simulator_error")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "swordfish" not in answer.text


@pytest.mark.parametrize("name", ["clinic", "criss_cross"])
def test_a_description_comes_over_whole(name: str) -> None:
    """Plug-ins may be built of our own parts, of which surrogates have to know everything."""
    explanation, description = described(name)
    told, again = read(describe(name))
    assert type(again) is type(description)
    assert again.levers == description.levers
    assert (again.components, again.outputs) == (description.components, description.outputs)
    assert again.parameters == description.parameters
    assert told["levers"][0]["levels"] == list(explanation["levers"][0]["levels"])
