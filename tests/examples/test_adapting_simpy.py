"""A SimPy script that was there before, adapted without a change: it is still the same model."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from sim.adapting import private_copy
from sim.contract import check_simulator
from sim.scenario import SimulatorRecipe, load_scenario
from tests.sim import faulty

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "adapting_simpy"
PAGE = (ROOT / "docs" / "own-simulator.md").read_text()


@pytest.fixture
def adapter() -> ModuleType:
    return private_copy(FOLDER / "adapter.py")


@pytest.fixture
def clinic(adapter: ModuleType) -> Any:
    return adapter.Clinic()


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the example, in which the user stands."""
    copy = tmp_path / "example"
    shutil.copytree(FOLDER, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    yield copy
    sys.modules.pop("adapter", None)


def _day(clinic: Any, seed: int, doctors: list[float], **parameters: float) -> list[Any]:
    clinic.reset(seed, parameters)
    return [clinic.advance(np.array([level])) for level in doctors]


def test_the_adapter_keeps_the_contract(in_folder: Path) -> None:
    """The example that users copy must not teach them a fault."""
    recipe = SimulatorRecipe(scenario=load_scenario("adapter:Clinic"))
    checks = check_simulator(recipe, fresh_process=True)
    assert [c for c in checks if c.outcome not in ("passed", "skipped")] == []
    assert [c.name for c in checks if c.outcome == "skipped"] == ["flow_balance"]


def test_a_scenario_file_puts_other_costs_on_the_same_simulator(in_folder: Path) -> None:
    """Costs change more often than models do."""
    mine, own = load_scenario("clinic.toml"), load_scenario("adapter:Clinic")
    assert (mine.name, mine.costs.unit, mine.costs.outputs["left"]) == (
        "clinic_of_mine", "euros", 120.0,
    )  # fmt: skip
    assert (own.name, own.costs.outputs["left"]) == ("clinic", 40.0)
    assert "how many doctors" in own.summary
    built = SimulatorRecipe(scenario=mine)()
    assert built.describe() == SimulatorRecipe(scenario=own)().describe()


@pytest.mark.parametrize("doctors", [3, 4, 6])
def test_a_day_of_constant_staff_is_the_day_that_the_script_itself_runs(
    doctors: int, clinic: Any
) -> None:
    """The adapter may hold doctors out and watch, but never change who is served when."""
    script: Any = private_copy(FOLDER / "clinic.py")
    script.DOCTORS = doctors
    state = random.getstate()
    try:
        script.main()
    finally:
        random.setstate(state)
    epochs = _day(clinic, 1, [float(doctors)] * 16)
    _, seen, left, _, on_duty = np.sum([epoch.outputs for epoch in epochs], axis=0)
    assert (seen, left) == (len(script.waits), script.left)
    assert clinic._script.waits == script.waits
    assert on_duty == 480.0 * doctors


def test_patients_are_conserved(clinic: Any) -> None:
    """Whoever came has been seen, has left or is still there."""
    epochs = _day(clinic, 2, [3.0, 6.0, 4.0, 5.0] * 4)
    came, seen, left, _, _ = np.sum([epoch.outputs for epoch in epochs], axis=0)
    at_nurses, urgent, others, _, epoch = epochs[-1].state
    assert came == seen + left + at_nurses + urgent + others
    assert epoch == 16.0


def test_fewer_doctors_finish_the_patients_they_have(clinic: Any) -> None:
    """Six are at work when three are sent home: nobody is thrown out, and nobody new goes in."""
    clinic.reset(3, {"arrival_scale": 1.3})
    before = [clinic.advance(np.array([6.0])) for _ in range(4)][-1]
    assert before.state[3] == 6.0
    clinic._doctors.keep(3)
    assert len(clinic._doctors.in_service) == 6
    after = clinic.advance(np.array([3.0]))
    assert after.state[3] == 3.0


def test_one_more_doctor_takes_the_next_patient_at_once(clinic: Any) -> None:
    """Otherwise the first half hour of every doctor would be wasted."""
    clinic.reset(3, {"arrival_scale": 1.3})
    before = [clinic.advance(np.array([3.0])) for _ in range(4)][-1]
    assert before.state[1] + before.state[2] >= 1.0
    clinic._doctors.keep(2)
    while clinic._env.peek() == 120.0:
        clinic._env.step()
    assert (clinic._env.now, len(clinic._doctors.in_service)) == (120.0, 4)


def test_waiting_minutes_are_those_of_the_patients(clinic: Any) -> None:
    """Those who were seen waited `waits`; with a patience of years nobody else ends a wait."""
    clinic.reset(4)
    clinic._script.PATIENCE = 1e9
    epochs = [clinic.advance(np.array([6.0])) for _ in range(16)]
    assert epochs[-1].state[1] + epochs[-1].state[2] == 0.0
    watched = sum(epoch.outputs[3] for epoch in epochs)
    assert watched == pytest.approx(sum(clinic._script.waits), rel=1e-9)


def test_the_script_knows_nothing_of_surrogym() -> None:
    """The point of the example is that nobody had to edit it."""
    text = (FOLDER / "clinic.py").read_text()
    assert "sim " not in text.replace("simpy", "")
    ended = subprocess.run(
        [sys.executable, str(FOLDER / "clinic.py")], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert "seen by a doctor: 103" in ended.stdout


def test_the_stored_line_count_is_the_adapters() -> None:
    """The README states it, and an adapter that grew would make it untrue."""
    counting = private_copy(FOLDER / "count_lines.py")
    stored = json.loads((FOLDER / "line_count.json").read_text())
    assert stored == {"figures": counting.figures()}
    values = {figure["name"]: figure["value"] for figure in stored["figures"]}
    assert values["adapter_lines"] == len((FOLDER / "adapter.py").read_text().splitlines()) < 100
    assert values["adapter_code_lines"] < values["adapter_lines"]
    readme = (FOLDER.parents[1] / "README.md").read_text()
    assert f"{values['adapter_lines']} lines" in readme
    assert counting.stated_in(readme) == readme


def _quoted(name: str) -> list[str]:
    return re.findall(rf"<!-- {re.escape(name)} -->\n```\w+\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.mark.parametrize("name", ["adapter.py", "clinic.py", "test_clinic.py", "clinic.toml"])
def test_the_pages_code_is_the_files(name: str) -> None:
    """Code that is printed twice differs sooner or later."""
    text = (FOLDER / name).read_text()
    blocks = _quoted(name)
    assert blocks
    for block in blocks:
        assert f"\n{block}\n" in f"\n{text}"


def test_the_page_shows_the_whole_adapter() -> None:
    """A reader who copies every block has the adapter."""
    shown = [line for block in _quoted("adapter.py") for line in block.splitlines() if line.strip()]
    lines = (FOLDER / "adapter.py").read_text().splitlines()
    assert shown == [line for line in lines if line.strip()]


def test_the_page_tells_messages_as_they_are() -> None:
    """Readers search the page for what they were told."""
    table = PAGE.split("| told |")[1].split("\n\n")[0]
    told = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    broken = [
        faulty.OutputsTooMany, faulty.WaitIsNaN, faulty.TooFast, faulty.KeepsItsQueue,
        faulty.SharesItsRandomness, faulty.ReusesItsState, faulty.StumblesBeforeReset,
    ]  # fmt: skip
    messages = [" ".join(check.detail for check in check_simulator(build)) for build in broken]
    assert len(told) == len(broken)
    for said, message in zip(told, messages, strict=True):
        for part in said.replace("epoch 1 returned", "reset(seed=1) returned").split(" ..."):
            assert part in message


def test_the_example_tests_itself_in_its_folder(in_folder: Path) -> None:
    """The page says so."""
    found = importlib.util.find_spec("pytest")
    assert found is not None
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."],
        cwd=in_folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    assert "19 passed, 2 skipped" in ended.stdout
