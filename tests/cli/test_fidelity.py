"""What a user reads who asks how far a surrogate can be trusted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cli.app import main


def surrogym(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command in this process; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["surrogym", "fidelity", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


@pytest.mark.parametrize("arguments", [(), ("--run-id", "one", "--scenario", "clinic")])
def test_a_run_or_a_scenario_must_be_named(
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With neither there is nothing to examine, with both it is not clear what."""
    assert surrogym(monkeypatch, *arguments) == 2
    assert "give --run-id NAME" in capsys.readouterr().err


def test_a_policy_without_its_run_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Other data would scale what it sees otherwise, and it would decide as nobody trained it."""
    assert surrogym(monkeypatch, "--scenario", "clinic", "--policy", str(tmp_path)) == 2
    assert "--policy needs --run-id" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--run-id", "nope"), "no run runs/nope"),
        (("--scenario", "bnak"), "did you mean 'bank'"),
        (("--scenario", "clinic", "--family", "gpp"), "did you mean 'gp'"),
        (("--scenario", "criss_cross", "--family", "fluid"), "these can: flow, ensemble"),
        (("--scenario", "clinic", "--output", "page.json"), "such as page.html"),
        (("--scenario", "tests.fakes:TinyQueue", "--output", "file/page.html"), "another --output"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_simulated(
    arguments: tuple[str, ...],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A report takes minutes, and whoever mistyped a name must not wait for them."""
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    assert surrogym(monkeypatch, *arguments) == 2
    heard = capsys.readouterr().err
    assert told in heard
    assert "%" not in heard


@pytest.mark.ray
def test_a_simulator_of_ones_own_is_examined_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Collecting, fitting, training and judging need no run of the main job."""
    page = tmp_path / "page.html"
    code = surrogym(
        monkeypatch, "--scenario", "tests.fakes:TinyQueue", "--family", "bootstrap",
        "--episodes", "24", "--train-seconds", "1", "--quick", "--json", "--workers", "1",
        "--output", str(page),
    )  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert told == json.loads(page.with_suffix(".json").read_text())
    assert told["verdict"]["use"] in ("train on it", "short rollouts only", "do not use")
    assert told["gap"] is not None
    assert "cannot be told who comes" in told["no_conditional"]
    assert told["verdict"]["use"].capitalize() in page.read_text()
