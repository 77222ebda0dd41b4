"""What may happen to a service that runs for years: kills, full disks, locks, vanished clients.

The suite takes 25 kills; `SURROGYM_KILLS=200 pytest tests/service/test_chaos.py` takes 200.
Kills of jobs are in `tests/service/jobs/test_chaos.py`, failing simulators in
`tests/service/sessions/test_failures.py`, clocks that jump or change are beside what goes by them.
"""

from __future__ import annotations

import os
import re
import resource
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from service.client import Client
from sim.streams import stream
from surrogates.storage import save_artefact
from tests.service.chaos.actors import Mover, Stepper, Submitter, Teller
from tests.service.chaos.killing import descendants, kill_at_random
from tests.service.chaos.sockets import (
    half_a_request,
    send_text,
    stream_that_never_reads,
    vanish,
)
from tests.service.clinic import Clinic, order, register
from tests.service.conftest import KEY, InProcess, Served, StartInProcess
from tests.service.jobs.conftest import until

KILLS = int(os.environ.get("SURROGYM_KILLS", "25"))
ROOMY = {"SURROGYM_JOBS__CORES": "0", "SURROGYM_JOBS__QUEUED_PER_OWNER": "100000"}


@pytest.fixture
def prepared(in_process: StartInProcess, clinic: Clinic, tmp_path: Path) -> tuple[Path, str]:
    """A data folder with two policies, one of them champion, and a paused monitor."""
    service = in_process(jobs={"cores": 0})
    service.app.state.monitors.supervisor.stop()
    register(service, clinic)
    monitor = service.client.post("/v1/monitors", json=order()).json()["id"]
    service.client.post(f"/v1/monitors/{monitor}/pause")
    other = _another(clinic, tmp_path / "other")
    service.app.state.models.register(
        name="clinic-policy", kind="policy", system="clinic", folder=other, owner="operator"
    )
    service.client.__exit__(None, None, None)
    return service.settings.data, str(monitor)


def _another(clinic: Clinic, folder: Path) -> Path:
    policy = replace(clinic.policy, name="another")
    folder.mkdir()
    facts = {"kind": "policy", "system": clinic.description.name, "name": policy.name}
    save_artefact(folder, policy.to_tensors(), facts)
    return folder


def test_no_kill_loses_or_doubles_anything(prepared: tuple[Path, str], clinic: Clinic) -> None:
    """Sessions go on bit for bit; jobs, epochs and moves that were acknowledged are there once."""
    data, monitor = prepared
    served = Served(data=data, environment={"SURROGYM_KEY": KEY, **ROOMY})
    with closing(served):
        served.start()
        steppers = [Stepper(served.address, seed) for seed in (1, 2)]
        submitter, mover = Submitter(served.address), Mover(served.address)
        teller = Teller(served.address, monitor, clinic.days(1))
        actors = [*steppers, submitter, mover, teller]
        for actor in actors:
            actor.start()
        killed = kill_at_random(served, KILLS, stream(11, "chaos"), actors)
        for actor in actors:
            actor.stop()
        assert min(killed.values()) > 0
        assert min(actor.done for actor in actors) > 2
        with Client(served.address, KEY) as client:
            for checked in (submitter, mover, teller):
                checked.check(client)
        counted = served.client().get("/metrics").text
        open_ones = re.findall(r"^surrogym_sessions_open{.*} (.+)$", counted, flags=re.MULTILINE)
        assert {float(count) for count in open_ones} <= {0.0}
        assert served.stop() == 0


@pytest.fixture
def session(served: Served) -> str:
    """One that was begun."""
    made = served.client().post("/v1/sessions", json={"env": "clinic", "seed": 3})
    place = str(made.json()["id"])
    assert served.client().post(f"/v1/sessions/{place}/reset", json={}).status_code == 200
    return place


def _step(served: Served, session: str) -> tuple[int, str | None]:
    answer = served.client().post(f"/v1/sessions/{session}/step", json={"action": 1})
    return answer.status_code, answer.json().get("code")


def test_clients_that_vanish_hold_nothing_up(served: Served, session: str) -> None:
    """Fifty half requests and twenty streams without a reader: others are served, all is freed."""
    assert served.process is not None
    process = psutil.Process(served.process.pid)
    before = process.num_fds()
    halves = [half_a_request(served.address) for _ in range(50)]
    deaf = [stream_that_never_reads(served.address, session) for _ in range(20)]
    for line in deaf:
        for _ in range(3):
            send_text(line, '{"type":"sync"}')
    assert _step(served, session) == (200, None)
    for line in [*halves, *deaf]:
        vanish(line)
    until(process.num_fds, lambda count: count <= before + 2, 20.0)
    assert _step(served, session) == (200, None)
    assert len(served.client().get("/v1/sessions").json()["items"]) == 1


def test_a_disk_that_takes_nothing_more_is_told_and_forgotten(served: Served, session: str) -> None:
    """No file may grow: what needs one is refused as unavailable, never half done, never a reward.

    The kernel refuses each write, as it does on a full disk; once there is room all goes on.
    """
    client = served.client()
    assert served.process is not None
    processes = [served.process.pid, *(each.pid for each in descendants(served))]
    job = {"kind": "collect", "scenario": "clinic", "episodes": 1}
    endless = resource.RLIM_INFINITY
    for pid in processes:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, endless))
    try:
        submitted = client.post("/v1/training-jobs", json=job)
        assert (submitted.status_code, submitted.json()["code"]) == (503, "storage_unavailable")
        assert "retry-after" in submitted.headers
        status, code = _step(served, session)
        assert status >= 500, (status, code)
        made = client.post("/v1/sessions", json={"env": "clinic"})
        assert made.status_code == 503, made.text
        assert client.get("/livez").status_code == 200
    finally:
        for pid in processes:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (endless, endless))
    assert client.get("/v1/training-jobs").json()["items"] == []
    assert client.post("/v1/training-jobs", json=job).status_code == 202
    made = client.post("/v1/sessions", json={"env": "clinic"})
    assert made.status_code == 201, made.text
    assert client.get("/readyz").status_code == 200


def test_a_locked_database_is_waited_for_and_then_told(
    in_process: StartInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool that holds the lock too long: writers are told to come again, readers are served."""
    monkeypatch.setattr("service.database._SECONDS_FOR_LOCK", 0.3)
    service: InProcess = in_process(jobs={"cores": 0})
    job = {"kind": "collect", "scenario": "clinic", "episodes": 1}
    key = {"Idempotency-Key": "once"}
    holder = sqlite3.connect(service.settings.data / "surrogym.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    refused = service.client.post("/v1/training-jobs", json=job, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert int(refused.headers["retry-after"]) >= 1
    assert service.client.get("/v1/training-jobs").json()["items"] == []
    holder.execute("COMMIT")
    holder.close()
    for _ in range(2):
        taken = service.client.post("/v1/training-jobs", json=job, headers=key)
        assert taken.status_code == 202, taken.text
    assert len(service.client.get("/v1/training-jobs").json()["items"]) == 1
