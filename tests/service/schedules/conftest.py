"""A service whose jobs end when and as a test says, and a monitor that can be made to alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from service.clock import HandClock
from service.jobs.job import Job
from service.jobs.specs import CollectSpec
from service.jobs.states import JobState
from service.jobs.subject import subject_of
from service.jobs.tables import ArtefactRow, JobRow
from service.monitors.tables import MonitorRow
from service.schedules.operations import Schedules
from sim.description import Description
from sim.epoch import parameter_vector
from surrogates.storage import save_artefact
from tests.service.clinic import SYSTEM, Clinic, Inline, order, register
from tests.service.conftest import InProcess, StartInProcess
from training.calibrate import Calibration, Estimate
from training.forms import RecordForm
from training.loop.decision import corrected
from training.policies import NetworkPolicy

HOUR, DAY = 3600.0, 86400.0
QUIET = {"jobs": {"cores": 0}, "webhooks": {"may_be_private": True}}


@dataclass
class Desk:
    """A service, its clock in hand, and whoever ends its jobs."""

    service: InProcess
    clock: HandClock
    clinic: Clinic
    folder: Path
    monitor: str
    transitions: str
    """Of a job that is done."""
    challengers: int = 1

    @property
    def schedules(self) -> Schedules:
        found: Schedules = self.service.app.state.schedules
        return found

    def create(self, **given: Any) -> str:
        """A schedule; its place."""
        answer = given.pop("answer", {})
        made = {"job": self.transitions, "artefact": "transitions"}
        told = {
            "name": "keep it good",
            "monitor": self.monitor,
            "answer": {"transitions": made} | answer,
        }
        found = self.service.client.post("/v1/schedules", json=told | given)
        assert found.status_code == 201, found.text
        return str(found.headers["location"])

    def turn(self) -> None:
        """Do all that can be done at this moment."""
        while self.schedules.scheduler.turn():
            pass

    def runs(self, **asked: Any) -> list[dict[str, Any]]:
        """The oldest first."""
        found = self.service.client.get("/v1/runs", params={"limit": 200} | asked).json()["items"]
        return sorted(found, key=lambda run: run["number"])

    def look(self, place: str, **asked: Any) -> Any:
        return self.service.client.get(place, params=asked).json()

    def send(self, days: list[list[dict[str, Any]]]) -> None:
        """Telemetry that nobody judges."""
        for day in days:
            answer = self.service.client.post(
                f"/v1/monitors/{self.monitor}/epochs", json={"epochs": day}
            )
            assert answer.status_code == 200, answer.text

    def put(self, state: str, **values: Any) -> None:
        """The monitor into some state."""
        with self.service.app.state.platform.database.begin() as session:
            row = session.get(MonitorRow, self.monitor)
            row.state = state
            for name, value in values.items():
                setattr(row, name, value)

    def alarm(self, day: int = 7, drifted: tuple[str, ...] = ("arrival_scale",)) -> None:
        """Raise one."""
        told = {
            "day": day,
            "detectors": ["score cusum"],
            "drifted": list(drifted),
            "since_days": 3,
            "at": self.clock.now().isoformat(),
        }
        self.put("alarm", alarm=told)

    def job(self, run: dict[str, Any], step: str) -> Job:
        """Of a run, which must have one by now."""
        job = self.look(f"/v1/runs/{run['id']}")[f"{step}_job"]
        assert job is not None
        found: Job = self.service.app.state.jobs.get(job)
        return found

    def end(
        self, job_id: str, outcome: dict[str, Any] | None, **artefacts: dict[str, Any] | None
    ) -> None:
        """End a job well, having made artefacts, or badly."""
        with self.service.app.state.platform.database.begin() as session:
            row = session.get(JobRow, job_id)
            row.state = JobState.FAILED if outcome is None else JobState.DONE
            row.reason = "it was told to" if outcome is None else None
            row.outcome, row.ended_at = outcome, self.clock.now()
            for name, published in artefacts.items():
                session.add(
                    ArtefactRow(
                        job_id=job_id, name=name, kind=name, folder=f"made/{job_id}/{name}",
                        files=[], facts={}, published=published,
                    )
                )  # fmt: skip

    def calibrated(self, run: dict[str, Any], change: str, **moved: float) -> None:
        """End a run's calibration, which found that parameters are so many times as believed."""
        job = self.job(run, "calibrate")
        data: Path = self.service.settings.data.absolute()
        folder = data / "made" / job.id / "calibration"
        folder.mkdir(parents=True)
        found = _calibration(subject_of(SYSTEM).description, moved)
        RecordForm(from_record=Calibration.from_record).write(folder, found)
        decision = {"change": change, "moved": list(moved), "reason": f"decided: {change}"}
        outcome = {"calibration": found.to_record(), "decision": decision}
        self.end(job.id, outcome, calibration=None)

    def retrained(self, run: dict[str, Any], low: float, high: float) -> str:
        """End a run's re-training, with a challenger of such a relative cost; its version."""
        job = self.job(run, "retrain")
        version = self.challenger()
        evidence = {"value": (low + high) / 2, "low": low, "high": high, "count": 50}
        outcome = {
            "is_promoted": high < 0, "evidence": evidence, "reason": f"{low:+.0%} to {high:+.0%}",
            "simulator_epochs": 10, "surrogate_steps": 1000, "beliefs": self._believed(job),
        }  # fmt: skip
        self.end(job.id, outcome, policy={"name": "clinic-policy", "version": version})
        return f"clinic-policy@{version}"

    def _believed(self, job: Job) -> dict[str, float]:
        """What a re-training was told to believe."""
        description = subject_of(SYSTEM).description
        beliefs = parameter_vector(description.parameters, job.spec["beliefs"])
        asked = job.spec.get("calibration")
        if asked is not None:
            folder = self.service.settings.data.absolute() / "made" / asked["job"] / "calibration"
            found = RecordForm(from_record=Calibration.from_record).read(folder)
            beliefs = corrected(description, beliefs, found)
        return description.parameter_values(beliefs)

    def challenger(self) -> int:
        """A further version of the policy."""
        self.challengers += 1
        weights = self.clinic.policy.weights
        name = f"challenger {self.challengers}"
        policy = replace(
            self.clinic.policy, name=name, weights=(weights[0], -self.challengers * weights[1])
        )
        folder = self.folder / name
        _keep(policy, folder)
        kept = self.service.app.state.models.register(
            name="clinic-policy", kind="policy", system=SYSTEM, folder=folder, owner="operator"
        )
        return int(kept.version)

    def champion(self) -> int:
        """Version in charge, by the registry."""
        found = self.look("/v1/models/clinic-policy/aliases/champion")
        return int(found["version"])


def _keep(policy: NetworkPolicy, folder: Path) -> None:
    folder.mkdir(parents=True)
    facts = {"kind": "policy", "system": subject_of(SYSTEM).description.name, "name": policy.name}
    save_artefact(folder, policy.to_tensors(), facts)


def _calibration(description: Description, moved: dict[str, float]) -> Calibration:
    estimates = tuple(
        Estimate(
            name=p.name, start=p.nominal, value=p.nominal * moved.get(p.name, 1.0),
            standard_error=0.01 * p.nominal, low=p.nominal * (moved.get(p.name, 1.0) - 0.02),
            high=p.nominal * (moved.get(p.name, 1.0) + 0.02), at_bound=False,
        )
        for p in description.parameters
    )  # fmt: skip
    return Calibration(
        estimates=estimates,
        parameters=tuple(e.value for e in estimates),
        days=4,
        log_likelihood=-1.0,
    )


@pytest.fixture
def open_desk(in_process: StartInProcess, clinic: Clinic, tmp_path: Path) -> Callable[..., Desk]:
    """Opens one, with the settings given; nothing happens by itself."""

    def opening(**given: Any) -> Desk:
        clock = HandClock()
        service = in_process(clock, **QUIET | given)
        state = service.app.state
        for part in (state.jobs.supervisor, state.monitors.supervisor, state.schedules.scheduler):
            part.stop(5.0)
        for part in (state.monitors.supervisor, state.schedules.scheduler):
            part._is_stopping = False
        state.monitors.supervisor._observing = Inline()
        register(service, clinic)
        made = service.client.post("/v1/monitors", json=order())
        monitor = str(made.json()["id"])
        spec = CollectSpec(kind="collect", scenario=SYSTEM)
        job = state.jobs.submit("operator", spec)
        desk = Desk(service, clock, clinic, tmp_path / "challengers", monitor, job.id)
        folder = service.settings.data.absolute() / "made" / job.id / "transitions"
        folder.mkdir(parents=True)
        desk.end(job.id, {}, transitions=None)
        desk.put("watching")
        desk.send(clinic.days(1))
        return desk

    return opening


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    """One as it comes."""
    return open_desk()
