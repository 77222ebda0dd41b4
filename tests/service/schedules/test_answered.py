"""The whole way with real jobs: telemetry, alarm, estimate, training, gate, and the alias."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.client import Client
from service.client.monitors import epochs_of
from tests.service.clinic import SYSTEM, Clinic, order
from tests.service.conftest import KEY, Served
from tests.service.jobs.conftest import until


@pytest.fixture
def client(clinic: Clinic, calibrations: Path, tmp_path: Path) -> Iterator[Client]:
    """Of a service in a process of its own that knows the clinic's calibrations."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "calibrations").symlink_to(calibrations)
    served = Served(data=data, environment={"SURROGYM_KEY": KEY, "SURROGYM_JOBS__CORES": "2"})
    with closing(served), Client(served.start().address, KEY) as client:
        yield client


@pytest.mark.ray
def test_an_alarm_is_answered_from_telemetry_to_decision(client: Client, clinic: Clinic) -> None:
    """A fifth more patients: found by telemetry alone, estimated, trained for, judged, told."""
    for kind in ("surrogate", "policy"):
        name = f"clinic-{kind}"
        client.models.upload(name, clinic.folder / kind, kind=kind, system=SYSTEM)
        client.models.move(name, "champion", 1, "the first", seen=None)
    collected = client.jobs.submit({"kind": "collect", "scenario": SYSTEM, "episodes": 4})
    monitor = client.monitors.create(**order())
    until(lambda: client.monitors.get(monitor.id).state, lambda state: state == "watching", 90.0)
    assert client.jobs.wait(collected.id).state == "done"
    schedule = client.schedules.create(
        name="keep it good",
        monitor=monitor.id,
        answer={
            "transitions": {"job": collected.id, "artefact": "transitions"},
            "in_control_days": 8,
            "refining_days": 0,
            "ppo": {"num_envs": 16, "rollout_length": 16, "hidden": [16]},
            "budget": {"steps": 512},
            "renewal_episodes": 4,
            "gate_episodes": 4,
        },
    )
    for day in [*clinic.days(3), *clinic.days(12, first=3, arrival_scale=1.2)]:
        client.monitors.send(monitor.id, day)
    until(lambda: client.schedules.runs(), bool, 60.0)
    (run,) = client.schedules.runs(schedule=schedule.id)
    ended = client.schedules.wait(run.id, 240.0)
    assert (ended.trigger, ended.state in ("promoted", "kept")) == ("alarm", True), ended.reason
    assert ended.decision is not None
    assert ended.base is not None
    assert "arrivals: registration" in ended.base["alarm"]["drifted"]
    assert ended.outcome is not None
    champion = client.models.alias("clinic-policy", "champion").version
    assert champion == (2 if ended.state == "promoted" else 1)
    assert client.models.alias("clinic-policy", "challenger").version == 2
    assert ended.outcome["evidence"]["count"] == 4
    watched = client.monitors.get(monitor.id)
    assert watched.generation == 2
    assert watched.policy == f"clinic-policy@{champion}"
    assert "arrival_scale" in ended.decision["moved"]
    assert watched.beliefs["arrival_scale"] > 1.1


def test_transitions_become_epochs_with_their_days(clinic: Clinic) -> None:
    """A day ends with its episode, and the numbers are those that were recorded."""
    from service.monitors.telemetry import to_transitions
    from surrogates.dataset import concatenate

    days = clinic.days(2, first=5)
    beliefs = clinic.beliefs
    both = concatenate([to_transitions(day, day[0]["day"], beliefs, "p") for day in days])
    assert list(epochs_of(both, 5)) == [epoch for day in days for epoch in day]
