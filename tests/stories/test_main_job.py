"""The whole main job as a user runs it, killed on the way and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

ROOT = Path(__file__).parents[2]
Finished = dict[str, Any]

STAGES = ("learn", "simulate", "collect", "fit", "pretrain", "evaluate", "live", "report")


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start the command in a process group of its own, so that a kill reaches all of it."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.stories.smaller", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A quick run: interrupted in one stage, killed without warning in another, then resumed."""
    runs = tmp_path_factory.mktemp("runs")
    run = runs / "story"
    first = start("demo", "--quick", "--workers", "1", "--runs", str(runs), "--run-id", "story")
    wait_for(run / ".simulate.partial", first)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=240)
    assert first.returncode == 130, said
    assert "go on with --resume" in said
    after_interrupt = sorted(path.name for path in run.iterdir())
    second = start("demo", "--runs", str(runs), "--run-id", "story", "--resume")
    wait_for(run / ".collect.partial", second)
    os.killpg(second.pid, signal.SIGKILL)
    second.communicate(timeout=240)
    after_kill = {stage: (run / stage).exists() for stage in STAGES}
    learnt = (run / "learn" / "summary.json").stat().st_mtime_ns
    third = start("demo", "--runs", str(runs), "--run-id", "story", "--resume", "--json")
    said, complaints = third.communicate(timeout=1200)
    assert third.returncode == 0, complaints
    return {
        "run": run,
        "after_interrupt": after_interrupt,
        "after_kill": after_kill,
        "learnt": learnt,
        "results": json.loads(said),
    }


@pytest.mark.ray
def test_an_interrupt_leaves_whole_stages_only(finished: Finished) -> None:
    """Ctrl-C is how users stop; what was finished stays, what was not leaves no trace."""
    assert finished["after_interrupt"] == ["learn", "run.json"]


@pytest.mark.ray
def test_a_kill_leaves_whole_stages_only(finished: Finished) -> None:
    """A kill gives no chance to tidy up, so a stage may only appear by its last rename."""
    assert [stage for stage, there in finished["after_kill"].items() if there] == [
        "learn", "simulate",
    ]  # fmt: skip


@pytest.mark.ray
def test_resuming_does_nothing_twice(finished: Finished) -> None:
    """A finished stage is minutes of work."""
    now = (finished["run"] / "learn" / "summary.json").stat().st_mtime_ns
    assert now == finished["learnt"]


@pytest.mark.ray
def test_the_job_ends_with_every_stage_and_nothing_half_written(finished: Finished) -> None:
    """The page, the figures and the artefacts are what the user came for."""
    run = finished["run"]
    assert {path.name for path in run.iterdir()} == {
        *STAGES, "run.json", "report.html", "results.json",
    }  # fmt: skip
    for artefact in ("learn/arrivals", "fit/flow", "fit/gp", "pretrain/policy", "live/champion"):
        assert (run / artefact / "manifest.json").is_file()


@pytest.mark.ray
def test_the_report_stands_alone(finished: Finished) -> None:
    """It is mailed around and opened without a network."""
    page = (finished["run"] / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 6
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.ray
@pytest.mark.browser
def test_the_report_opens_in_a_browser(finished: Finished, browser: Chrome) -> None:
    """A picture that does not load or a page wider than its window is no report."""
    browser.get((finished["run"] / "report.html").as_uri())
    widths = browser.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert len(widths) == 6
    assert min(widths) > 300
    assert browser.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.ray
def test_figures_carry_goals_and_intervals(finished: Finished) -> None:
    """A figure without its interval or its goal cannot be judged."""
    found = {figure["name"]: figure for figure in finished["results"]["figures"]}
    assert 0.9 < found["fit_dispersion_ratio"]["value"] < 1.1
    cost = found["cost_vs_best_rule"]
    assert cost["low"] <= cost["value"] <= cost["high"]
    assert all(figure["goal"] for figure in found.values())


@pytest.mark.ray
def test_no_verdict_is_better_than_its_interval(finished: Finished) -> None:
    """A policy that has seen a minute of training may lose to a rule, and the page must say so."""
    summary = json.loads((finished["run"] / "evaluate" / "summary.json").read_text())
    highs = [row["against_best_rule"] for row in summary["table"][1:5]]
    assert summary["best_rule"] in [row["name"] for row in summary["table"][1:5]]
    assert min(e["value"] for e in highs) == 0.0
    wins = summary["verdict"].startswith("The policy beats every rule")
    if summary["policy_against_best_rule"]["high"] >= 0:
        assert not wins
        assert "does NOT beat" in summary["verdict"]


@pytest.mark.ray
def test_a_resumed_run_that_is_finished_returns_at_once(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is left to do, and nothing is done."""
    from cli.app import main

    run = finished["run"]
    before = (run / "report.html").stat().st_mtime_ns
    arguments = ["surrogym", "demo", "--runs", str(run.parent), "--run-id", "story", "--resume"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert (run / "report.html").stat().st_mtime_ns == before
    assert "report.html" in capsys.readouterr().out
