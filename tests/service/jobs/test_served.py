"""Real jobs in a real service, with the service, Ray and a training killed under them."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.jobs.processes import processes_of
from tests.service.conftest import KEY, Served
from tests.service.jobs.conftest import until

JOBS = "/v1/training-jobs"


def submit(served: Served, **spec: Any) -> str:
    answer = served.client().post(JOBS, json={"scenario": "clinic", **spec})
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def story(served: Served, job_id: str) -> dict[str, Any]:
    told: dict[str, Any] = served.client().get(f"{JOBS}/{job_id}").json()
    return told


def finished(served: Served, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = until(
        lambda: story(served, job_id), lambda job: job["state"] in ("done", "failed"), 120.0
    )
    assert job["state"] == "done", job
    return job


def points(served: Served, job_id: str, attempt: int) -> list[dict[str, Any]]:
    items = served.client().get(f"{JOBS}/{job_id}/curve").json()["items"]
    return [each for each in items if each["attempt"] == attempt]


def process_of_ray(job_id: str, name: str) -> int:
    (found,) = [
        each.pid for each in processes_of(job_id) if psutil.Process(each.pid).name() == name
    ]
    return found


@pytest.mark.ray
def test_real_jobs_outlive_the_service_and_ray_and_end_when_they_are_told(tmp_path: Path) -> None:
    """What a team relies on, with the simulator and Ray that it uses."""
    environment = {
        "SURROGYM_KEY": KEY,
        "SURROGYM_JOBS__CORES": "2",
        "SURROGYM_JOBS__WAIT_SECONDS": "0",
        # Ray waits for a minute for its control service to come back before it gives up.
        "RAY_gcs_rpc_server_reconnect_timeout_s": "2",
    }
    with closing(Served(data=tmp_path / "data", environment=environment)) as served:
        served.start()
        collected = submit(served, kind="collect", episodes=480)
        until(lambda: story(served, collected)["step"], bool, 60.0)
        served.kill()
        until(lambda: processes_of(collected), lambda left: not left, 5.0)
        served.start()
        job = finished(served, collected)
        assert [each["state"] for each in job["attempts_made"]] == ["lost", "done"]
        assert sum(each["steps"] for each in job["attempts_made"]) == 30

        data = {"job": collected, "artefact": "transitions"}
        fitted = submit(
            served,
            kind="fit",
            family="mean",
            transitions=data,
            publish={"surrogate": "clinic-mean"},
        )
        finished(served, fitted)
        model = served.client().get("/v1/models/clinic-mean/versions").json()["items"]
        assert [each["version"] for each in model] == [1]

        trained = submit(
            served,
            kind="train",
            surrogate={"model": "clinic-mean@1"},
            budget={"seconds": 600},
            ppo={"hidden": [16], "num_envs": 32, "num_epochs": 1},
        )
        until(lambda: points(served, trained, 1), bool, 60.0)
        for attempt, part in enumerate(("raylet", "gcs_server"), 1):
            os.kill(process_of_ray(trained, part), signal.SIGKILL)
            until(partial(points, served, trained, attempt + 1), bool, 90.0)
            ended = story(served, trained)["attempts_made"][attempt - 1]
            assert ended["state"] == "crashed", part
        began = time.monotonic()
        served.client().post(f"{JOBS}/{trained}/cancel")
        until(lambda: story(served, trained)["state"], lambda state: state == "cancelled", 10.0)
        assert time.monotonic() - began < 6.0
        assert processes_of(trained) == []
        assert served.stop() == 0
