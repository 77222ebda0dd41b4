"""An end that is asked for: within ten seconds, with whatever is under way at the time."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from service.jobs.processes import processes_of
from tests.service.conftest import KEY, Served
from tests.service.jobs.conftest import until
from tests.service.sessions import hostile

JOBS = "/v1/training-jobs"
MOST_SECONDS = 10.0
"""After which containers are killed, where nobody says otherwise."""


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Served]:
    """A service with a simulator that can hang."""
    (tmp_path / "data" / "scenarios").mkdir(parents=True)
    (tmp_path / "data" / "scenarios" / "hostile.toml").write_text(hostile.SCENARIO)
    environment = {"SURROGYM_KEY": KEY, "SURROGYM_JOBS__CORES": "1"}
    with closing(Served(data=tmp_path / "data", environment=environment)) as served:
        yield served.start()


def test_a_stop_takes_ten_seconds_at_most_and_loses_nothing(busy: Served) -> None:
    """A stream of events is open, a step hangs, a job runs: all are told, and the rest goes on."""
    http = busy.client()
    spec = {"kind": "collect", "scenario": "clinic", "episodes": 5000}
    job = http.post(JOBS, json=spec).json()["id"]
    hanging, calm = (_begun(http, env) for env in ("hostile", "clinic"))
    first = http.post(f"{calm}/reset", json={"step_id": 1}).json()
    until(lambda: http.get(f"{JOBS}/{job}").json()["step"], bool, 60.0)
    before = [each.pid for each in psutil.Process(_pid(busy)).children(recursive=True)]
    with ThreadPoolExecutor(2) as pool:
        stream = pool.submit(_heard, busy, job)
        step = {"step_id": 2, "action": hostile.LOOP}
        answer = pool.submit(_posted, busy, f"{hanging}/step", step)
        time.sleep(1.0)
        assert not stream.done()
        assert not answer.done()
        began = time.monotonic()
        assert busy.stop(30.0) == 0
        assert time.monotonic() - began < MOST_SECONDS
        assert "state" in stream.result()
        assert answer.result() == 503
    until(lambda: [pid for pid in before if psutil.pid_exists(pid)], lambda left: not left, 5.0)
    assert processes_of(job) == []
    busy.start()
    assert http.post(f"{calm}/reset", json={"step_id": 1}).json() == first
    attempts = until(
        lambda: http.get(f"{JOBS}/{job}").json()["attempts_made"], lambda made: len(made) == 2
    )
    assert attempts[0]["state"] == "interrupted"


def test_whoever_stops_all_processes_at_once_means_the_service(busy: Served) -> None:
    """Systemd does: what steps sessions waits for the service to end it, and nothing is mourned."""
    session = _begun(busy.client(), "clinic")
    for child in psutil.Process(_pid(busy)).children(recursive=True):
        child.send_signal(signal.SIGTERM)
    step = {"step_id": 2, "action": 0}
    assert busy.client().post(f"{session}/step", json=step).status_code == 200
    assert busy.stop(30.0) == 0
    assert " lost" not in busy.log()


def _begun(http: httpx2.Client, env: str) -> str:
    """The path of a new session, in its first episode."""
    made = http.post("/v1/sessions", json={"env": env, "seed": 3})
    path = f"/v1/sessions/{made.json()['id']}"
    assert http.post(f"{path}/reset", json={"step_id": 1}).status_code == 200
    return path


def _pid(served: Served) -> int:
    assert served.process is not None
    return served.process.pid


def _heard(served: Served, job: str) -> str:
    """All that a stream of events tells until it ends, which it does as answers should."""
    with _another(served) as http, http.stream("GET", f"{JOBS}/{job}/events") as answer:
        return "".join(answer.iter_text())


def _posted(served: Served, path: str, body: dict[str, Any]) -> int:
    """The status of the answer."""
    with _another(served) as http:
        return http.post(path, json=body).status_code


def _another(served: Served) -> httpx2.Client:
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx2.Client(base_url=served.address, headers=headers, timeout=60.0)
