"""Kill -9 at random moments: the service, a job's process, both, with two services at once.

The suite takes a handful; `SURROGYM_JOB_KILLS=200 pytest tests/service/jobs/test_chaos.py` takes
200 on SQLite and 100 on PostgreSQL.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from service.jobs.job import Job
from service.jobs.processes import processes_of, this_host
from service.jobs.states import JobState
from sim.streams import stream
from tests.service.jobs.conftest import House, until
from tests.service.jobs.light import OVERLAP, Plan

KILLS = int(os.environ.get("SURROGYM_JOB_KILLS", "6"))
ROOT = Path(__file__).resolve().parents[3]
STEPS = 6


class Chaos:
    """Two services on one database that are killed and started again."""

    def __init__(self, url: str, data: Path, random: np.random.Generator) -> None:
        self._url, self._data, self._random = url, data, random
        self._services: list[subprocess.Popen[bytes]] = []
        self.killed: Counter[str] = Counter()
        # Only submits and looks.
        self.house = House(url=url, data=data, settings={"cores": 0, "crashes": 1000}).open()

    def start(self, count: int) -> None:
        """Start so many services."""
        for _ in range(count):
            command = [sys.executable, "-m", "tests.service.jobs.small_service"]
            service = subprocess.Popen(
                [*command, self._url, str(self._data)], cwd=ROOT, stdout=subprocess.DEVNULL
            )
            self._services.append(service)

    def kill_a_service(self) -> None:
        """And start another in its place."""
        service = self._services.pop(int(self._random.integers(len(self._services))))
        service.kill()
        service.wait()
        self.killed["service"] += 1
        self.start(1)

    def kill_a_process(self, jobs: list[Job]) -> None:
        """Of some job that is at work."""
        found = [each for job in jobs for each in processes_of(job.id)]
        if found:
            with suppress(ProcessLookupError):
                os.kill(found[int(self._random.integers(len(found)))].pid, signal.SIGKILL)
            self.killed["process"] += 1

    def states(self, jobs: list[Job]) -> set[JobState]:
        """Of all jobs."""
        return {self.house.jobs.get(job.id).state for job in jobs}

    def close(self) -> None:
        """End all services."""
        for service in self._services:
            service.kill()
            service.wait()
        self.house.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_kill_loses_a_job_or_does_one_twice(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever is killed when, every step is done, its outcome kept once, and nothing is left."""
    from tests.service.databases import url_of

    random = stream(7, "chaos", kind)
    chaos = Chaos(url_of(kind, tmp_path, request), tmp_path / "data", random)
    try:
        chaos.start(2)
        jobs = [
            chaos.house.submit(Plan(steps=STEPS, pause=0.15, children=1), owner=f"owner {n % 2}")
            for n in range(max(4, KILLS // 3))
        ]
        for _ in range(KILLS // 2 if kind == "postgresql" else KILLS):
            time.sleep(float(random.exponential(1.2)))
            if random.random() < 0.6:
                chaos.kill_a_service()
            else:
                chaos.kill_a_process(jobs)
        until(lambda: chaos.states(jobs), lambda states: states == {JobState.DONE}, 180.0)
        for job in jobs:
            _check(chaos.house, job)
        assert chaos.house.jobs.repository.counts(this_host())[1] == 0
        assert not (chaos.house.data / OVERLAP).exists()
        assert chaos.killed["service"] > 0
    finally:
        chaos.close()


def _check(house: House, job: Job) -> None:
    events = house.events(job)
    assert [each.sequence for each in events] == list(range(1, len(events) + 1))
    done = Counter(
        each.payload["step"]
        for each in events
        if each.kind == "step" and not each.payload["was_there"]
    )
    # A kill between a step and its note leaves the step, which is then read back.
    assert set(done.values()) == {1}, done
    seen = house.jobs.get(job.id)
    assert seen.outcome == {"numbers": list(range(STEPS))}
    assert len(house.jobs.repository.artefacts(job.id)) == 1
    ends = [each.payload["state"] for each in events if each.kind == "state"]
    assert ends.count("done") == 1
    assert processes_of(job.id) == []
