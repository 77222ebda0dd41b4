"""The loop as jobs run it: on a cluster that loses a process, and killed again and again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.collecting import separate_ray_head

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """What a job came to, and the steps that it did."""

    told: dict[str, Any]
    done: Counter[str]


def start(folder: Path) -> subprocess.Popen[str]:
    """Start or go on with the job, in a process group of its own."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.stories.loop_job", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str], folder: Path) -> Ended:
    said, complaints = process.communicate(timeout=1200)
    assert process.returncode == 0, complaints
    done = Counter((folder / "done").read_text().splitlines())
    return Ended(told=json.loads(said.splitlines()[-1]), done=done)


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)


def kill_worker(doing: str, process: subprocess.Popen[str], seconds: float = 200) -> None:
    """Kill a process of our own Ray head that is at work on what its title says."""
    end = time.monotonic() + seconds
    while True:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < end, f"nobody was at work on {doing}"
        # Only what was started from here: other people's Ray has workers of the same title.
        for worker in psutil.Process().children(recursive=True):
            if _title(worker).startswith(f"ray::{doing}"):
                worker.kill()
                return
        time.sleep(0.02)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture(scope="module")
def on_a_cluster(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """On a Ray head of its own, which loses a task's process and later a training's."""
    folder = tmp_path_factory.mktemp("cluster")
    with separate_ray_head():
        process = start(folder)
        kill_worker("_call", process)
        wait_for(folder / "loop" / "watch-000" / "answer" / "train", process)
        kill_worker("BatchedEnvRunner", process)
        return ended(process, folder)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """On a Ray of this machine, killed while it collects, trains and answers."""
    folder = tmp_path_factory.mktemp("killed")
    for sign in ("loop/pretrain/collect", "loop/watch-000/event", "loop/watch-001/answer/train"):
        process = start(folder)
        wait_for(folder / sign, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    return ended(start(folder), folder)


def test_a_cluster_that_loses_processes_ends_where_a_killed_job_ends(
    on_a_cluster: Ended, killed: Ended
) -> None:
    """Policies, beliefs and verdicts must not depend on who did the work or how often it broke."""
    assert on_a_cluster.told == killed.told


def test_nothing_finished_is_done_twice(on_a_cluster: Ended, killed: Ended) -> None:
    """A finished step is hours of work where the simulator is slow."""
    assert len(killed.told["reasons"]) == 2
    everything = sum(on_a_cluster.done.values())
    # A kill between the end of a step and its note loses the note, not the step.
    assert everything - 3 <= sum(killed.done.values()) <= everything
