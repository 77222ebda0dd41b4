"""What a user gets who asks for more data where they are needed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.app import main
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions, read_transitions, write_transitions
from surrogates.design import plan_episodes
from tests.fakes import TinyQueue

BUILD = WithClock(build=TinyQueue)
DESCRIPTION = BUILD().describe()


def surrogym(monkeypatch: pytest.MonkeyPatch, path: Path, epochs: int) -> int:
    """Run the command in this process; returns its exit code."""
    arguments = [
        "simulate-next", "tests.fakes:TinyQueue", "--data", str(path), "--epochs", str(epochs),
        "--family", "mean", "--workers", "1", "--json",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["surrogym", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def rows(path: Path) -> tuple[Transitions, dict[str, Any]]:
    return read_transitions(path, DESCRIPTION)


def test_a_stopped_command_ends_where_it_would_have_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Finished rounds are not simulated again, and what comes after them is the same."""
    whole, stopped = tmp_path / "whole.parquet", tmp_path / "stopped.parquet"
    assert surrogym(monkeypatch, whole, 192) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["epochs"] for each in told["rounds"]] == [96, 192]
    assert surrogym(monkeypatch, stopped, 96) == 0
    assert surrogym(monkeypatch, stopped, 192) == 0
    (one, origin), (other, _) = rows(whole), rows(stopped)
    assert np.array_equal(one.next_state, other.next_state)
    assert np.array_equal(one.parameters, other.parameters)
    assert [entry["seed"] for entry in origin["rounds"]] == [1, 1]


def test_data_that_are_there_already_are_paid_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The budget counts all epochs, so that asking twice does not simulate twice."""
    path = tmp_path / "old.parquet"
    old = run_episodes(BUILD, plan_episodes(DESCRIPTION, 5, 1))
    write_transitions(path, old, DESCRIPTION, {"commit": "abc"})
    assert surrogym(monkeypatch, path, 60) == 0
    extended, _ = rows(path)
    assert len(extended) == 60
    assert np.array_equal(extended.next_state[:30], old.next_state)


def test_a_budget_that_adds_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Silence would look like a data set that was extended."""
    path = tmp_path / "t.parquet"
    assert surrogym(monkeypatch, path, 5) == 2
    assert "--epochs 5: one episode has 6 epochs; ask for 6 or more" in capsys.readouterr().err
    assert surrogym(monkeypatch, path, 96) == 0
    before = path.read_bytes()
    assert surrogym(monkeypatch, path, 101) == 2
    assert "ask for 102 or more" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["/proc/t.parquet", "file/t.parquet"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_simulated(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
) -> None:
    """An hour of the simulator would be lost, and this command has no other option to mend it."""
    (tmp_path / "file").touch()
    monkeypatch.setattr("surrogates.acquisition.run_campaign", _simulated)
    assert surrogym(monkeypatch, tmp_path / name, 96) == 2
    said = capsys.readouterr().err
    assert f"cannot write {tmp_path / name}: " in said
    assert "; give another --data" in said


def _simulated(*_: object, **__: object) -> None:
    raise AssertionError("something was simulated")
