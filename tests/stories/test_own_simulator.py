"""The whole main job on a simulator of the user's own, stage by stage as commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.app import main
from tests.stories.smaller import SMALLER, smaller
from training.rllib.session import ray_session

EXAMPLE = Path(__file__).parents[2] / "examples" / "adapting_simpy"
STAGES = ("learn", "simulate", "collect", "fit", "pretrain", "evaluate", "live", "report")
SCENARIO = """
name = "drifting_clinic"
summary = "A walk-in clinic whose consultations become longer."
simulator = "adapter:Clinic"

[costs]
unit = "pounds"
outputs = { waiting = 0.5, left = 40.0, on_duty = 2.0 }
at_close = { others_waiting = 3.0 }

[drift]
consultation_scale = { shape = "step", since = 8, to = 1.2 }
"""


def surrogym(*arguments: str) -> int:
    """Run the command in this process; returns its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["surrogym", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every stage as a command of its own, in the folder where the user's module is."""
    runs = tmp_path_factory.mktemp("runs")
    (runs / "clinic.toml").write_text(SCENARIO)
    with pytest.MonkeyPatch.context() as patch, smaller():
        patch.chdir(EXAMPLE)
        begin = ("--scenario", str(runs / "clinic.toml"), "--quick", "--workers", "1")
        with ray_session(num_cpus=2):
            for stage in STAGES:
                begun = begin if stage == "learn" else ()
                arguments = ("--runs", str(runs), "--run-id", "clinic", *begun)
                assert surrogym(stage, *arguments) == 0, stage
        yield runs / "clinic"


def summary(run: Path, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / stage / "summary.json").read_text())
    return found


@pytest.mark.ray
def test_every_stage_leaves_its_folder_and_its_artefacts(run: Path) -> None:
    """What a user's simulator goes through is the same job, and leaves the same things behind."""
    assert {path.name for path in run.iterdir()} == {
        *STAGES, "run.json", "report.html", "results.json",
    }  # fmt: skip
    used = summary(run, "fit")["trained_on"]
    for artefact in (
        f"fit/{used}",
        "fit/gp",
        "pretrain/policy",
        "pretrain/direct",
        "live/champion",
    ):
        assert (run / artefact / "manifest.json").is_file()


@pytest.mark.ray
def test_results_are_those_of_every_run(run: Path) -> None:
    """Scripts read figures by name; what did not run has none."""
    results = json.loads((run / "results.json").read_text())
    found = {figure["name"]: figure for figure in results["figures"]}
    assert {"demo_seconds", "demo_peak_mib", "cost_vs_best_rule"} <= set(found)
    assert not {"fit_dispersion_ratio", "cost_vs_standard_rule"} & set(found)
    cost = found["cost_vs_best_rule"]
    assert cost["low"] <= cost["value"] <= cost["high"]
    assert cost["n"] == SMALLER["evaluation_days"]


@pytest.mark.ray
def test_nothing_is_learnt_where_there_are_no_volumes(run: Path) -> None:
    """A stage without work says so and the job goes on."""
    assert "no arrivals to learn" in summary(run, "learn")["skipped"]


@pytest.mark.ray
def test_the_contract_is_looked_at_before_anything_relies_on_it(run: Path) -> None:
    """The user sees each clause, and what could not be looked at."""
    clauses = summary(run, "simulate")["contract"]
    assert len(clauses) > 15
    assert {clause["outcome"] for clause in clauses} <= {"passed", "noted", "skipped"}


@pytest.mark.ray
def test_the_surrogate_in_use_is_the_best_that_needs_no_structure(run: Path) -> None:
    """Which family suits a simulator of which nothing is known, only scores can tell."""
    fitted = summary(run, "fit")
    assert set(fitted["families"]) == {"gp", "bootstrap", "mean"}
    crps = {n: f["scores"]["standardised_crps"] for n, f in fitted["families"].items()}
    assert fitted["trained_on"] == min(crps, key=lambda name: crps[name])


@pytest.mark.ray
def test_everybody_meets_the_same_episodes(run: Path) -> None:
    """The policy, both rules and the policy of the simulator are compared in pairs."""
    evaluated = summary(run, "evaluate")
    names = [row["name"] for row in evaluated["table"]]
    assert names == [
        "policy (PPO on surrogate)", "best constant", "linear rule (tuned)",
        "PPO on simulator, same cost",
    ]  # fmt: skip
    assert {len(costs) for costs in evaluated["costs"].values()} == {SMALLER["evaluation_days"]}
    assert evaluated["best_rule"] in names[1:3]


@pytest.mark.ray
def test_the_drift_is_replayed_about_its_beginning(run: Path) -> None:
    """Six episodes about the eighth, of which those from the eighth on are changed."""
    live = summary(run, "live")
    assert [row["date"] for row in live["days"]] == [f"episode {i}" for i in range(5, 11)]
    assert live["change_on"] == "episode 8"
    assert live["change"] == {"consultation_scale": pytest.approx(1.2)}
    assert live["phases"][0]["days"] == 3


@pytest.mark.ray
def test_the_report_speaks_of_what_ran(run: Path) -> None:
    """No calls, no dollars and no days where there are none."""
    page = (run / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 5
    assert "pounds" in page
    assert "episode 8" in page
    for stranger in ("Erlang", "real calls", "a day,", "$"):
        assert stranger not in page
