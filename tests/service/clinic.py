"""A clinic that is watched: its surrogate, the policy in charge, and days of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient
from jaxtyping import Float

from service.isolation import Work, do
from service.jobs.subject import subject_of
from service.monitors.operations import Monitors
from sim.description import Description
from surrogates import FlowSettings, Surrogate, fit_flow, plan_episodes, run_episodes
from surrogates.baselines import fit_mean
from surrogates.storage import save_artefact, save_surrogate
from training.evaluation import run_day
from training.policies import NetworkPolicy

SYSTEM = "clinic"


@dataclass(frozen=True)
class Clinic:
    """Artefacts of a clinic, and what its days are like."""

    folder: Path
    policy: NetworkPolicy

    @property
    def description(self) -> Description:
        """What the simulator says of itself."""
        return subject_of(SYSTEM).description

    @property
    def beliefs(self) -> Float[np.ndarray, "parameter"]:
        """Nominal parameters."""
        return self.description.nominal

    def days(self, count: int, first: int = 0, **parameters: float) -> list[list[dict[str, Any]]]:
        """Days under the policy, as telemetry; parameters as they really are."""
        plant = subject_of(SYSTEM).plant
        simulator, controller = plant.build(), plant.controller(self.policy)
        found = []
        for day in range(first, first + count):
            seen = run_day(simulator, controller, plant.objective, 9000 + day, parameters).telemetry
            rows = len(seen.state)
            found.append(
                [
                    {
                        "day": day,
                        "index": row,
                        "state": seen.state[row].tolist(),
                        "decision": seen.decision[row].tolist(),
                        "outputs": seen.outputs[row].tolist(),
                        "next_state": seen.next_state[row].tolist(),
                        "minutes": float(seen.duration[row]),
                        "is_last": row == rows - 1,
                    }
                    for row in range(rows)
                ]
            )
        return found


def learnt(folder: Path) -> Clinic:
    """A surrogate of few episodes and a policy of random weights, kept in a folder."""
    subject = subject_of(SYSTEM)
    description = subject.description
    random = np.random.default_rng(1)
    rows = run_episodes(subject.recipe, plan_episodes(description, 40, seed=1))
    fitted = fit_flow(rows, description, FlowSettings(passes=6), random)
    return _kept(folder, fitted, random)


def sketched(folder: Path, seed: int = 1) -> Clinic:
    """The same with a surrogate that knows means alone: it cannot be watched, and takes no time."""
    subject = subject_of(SYSTEM)
    rows = run_episodes(subject.recipe, plan_episodes(subject.description, 2, seed=seed))
    random = np.random.default_rng(1)
    return _kept(folder, fit_mean(rows, subject.description, None, random), random)


def _kept(folder: Path, surrogate: Surrogate, random: np.random.Generator) -> Clinic:
    subject = subject_of(SYSTEM)
    description = subject.description
    save_surrogate(folder / "surrogate", surrogate, {})
    features, decisions = len(subject.plant.observation.names), len(description.decisions)
    policy = NetworkPolicy(
        name="in charge",
        weights=(
            0.1 * random.normal(size=(16, features)).astype(np.float32),
            random.normal(size=(decisions, 16)).astype(np.float32),
        ),
        biases=(np.zeros(16, dtype=np.float32), np.zeros(decisions, dtype=np.float32)),
    )
    facts = {"kind": "policy", "system": description.name, "name": policy.name}
    save_artefact(folder / "policy", policy.to_tensors(), facts)
    return Clinic(folder=folder, policy=policy)


class HasModels(Protocol):
    """A service in this process, and an admin's client."""

    app: FastAPI
    client: TestClient


class Inline:
    """Does the work of a process at once, in this one."""

    def run(self, seconds: float, work: Work, *args: Any) -> dict[str, Any]:
        return do(work, *args)

    def end(self) -> None:
        pass


def register(service: HasModels, clinic: Clinic) -> None:
    """Bring the clinic's artefacts into a service, both as champions."""
    for kind in ("surrogate", "policy"):
        name = f"clinic-{kind}"
        service.app.state.models.register(
            name=name, kind=kind, system=SYSTEM, folder=clinic.folder / kind, owner="operator"
        )
        answer = service.client.put(
            f"/v1/models/{name}/aliases/champion",
            json={"version": 1, "reason": "the first"},
            headers={"If-None-Match": "*"},
        )
        assert answer.status_code == 200, answer.text


def order(**watch: Any) -> dict[str, Any]:
    """A monitor of the clinic."""
    quick = {"detectors": ["residual cusum"], "in_control_days": 30, "run_length": 100, "seed": 3}
    return {
        "name": "front desk",
        "system": SYSTEM,
        "surrogate": "clinic-surrogate@champion",
        "policy": "clinic-policy@champion",
        "watch": quick | watch,
    }


def settle(monitors: Monitors) -> None:
    """Do everything that is due, here and now."""
    while monitors.supervisor.calibrate_due() or monitors.supervisor.watch_due():
        pass


def watch(service: HasModels, clinic: Clinic, **asked: Any) -> str:
    """Begin to watch a clinic; nothing happens by itself, and the monitor is calibrated."""
    monitors: Monitors = service.app.state.monitors
    monitors.supervisor.stop(5.0)
    monitors.supervisor._is_stopping = False
    monitors.supervisor._threads.clear()
    monitors.supervisor._observing = Inline()  # type: ignore[assignment]
    monitors.supervisor._calibrating = Inline()  # type: ignore[assignment]
    register(service, clinic)
    answer = service.client.post("/v1/monitors", json=order(**asked))
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "calibrating"
    settle(monitors)
    place = str(answer.headers["location"])
    assert service.client.get(place).json()["state"] == "watching"
    return place
