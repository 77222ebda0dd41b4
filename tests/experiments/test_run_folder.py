"""A run's folder holds whole stages or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.main_job.errors import InvalidRun
from experiments.main_job.run_folder import RunFolder
from experiments.main_job.settings import MainJobSettings
from training.journal import write_json


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A new run."""
    return RunFolder.create(tmp_path / "run", MainJobSettings(seed=7))


def test_a_stage_stands_only_when_its_block_ends_well(run: RunFolder) -> None:
    """A stage that failed half-way must not look finished."""

    def fail() -> None:
        with run.writing("learn") as folder:
            write_json(folder / "summary.json", {"a": 1})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not run.is_finished("learn")
    assert [path.name for path in run.path.iterdir()] == ["run.json"]
    with run.writing("learn") as folder:
        write_json(folder / "summary.json", {"a": 2})
    assert run.summary("learn") == {"a": 2}


def test_what_a_kill_left_is_swept_by_the_next_try(run: RunFolder) -> None:
    """After kill -9 the hidden folder stays behind with half a stage in it."""
    left = run.path / ".learn.partial"
    left.mkdir()
    (left / "half").write_text("...")
    with run.writing("learn") as folder:
        assert list(folder.iterdir()) == []
        write_json(folder / "summary.json", {})
    assert not left.exists()


def test_settings_come_back_as_they_were(run: RunFolder) -> None:
    """Resuming must not change what the run is."""
    assert RunFolder.open(run.path).settings == run.settings


@pytest.mark.parametrize("content", ["{", "[]", '{"seed": 1}', '{"unknown": 1}'])
def test_a_run_of_another_version_is_refused(run: RunFolder, content: str) -> None:
    """Missing settings would silently take today's defaults."""
    (run.path / "run.json").write_text(content)
    with pytest.raises(InvalidRun, match=r"run\.json"):
        RunFolder.open(run.path)


def test_json_is_replaced_whole(tmp_path: Path) -> None:
    """What cannot be written must leave the old file as it was."""
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_doing_a_stage_again_forgets_what_stood_on_it(run: RunFolder) -> None:
    """A report of old evaluations under a new policy would be false."""
    for stage in ("fit", "pretrain"):
        with run.writing(stage) as folder:
            write_json(folder / "summary.json", {})
    run.forget(("pretrain", "evaluate"))
    assert run.is_finished("fit")
    assert not run.is_finished("pretrain")
