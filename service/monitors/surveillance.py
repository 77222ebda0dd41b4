"""What is worked out in processes of their own: calibrations, and judgements of days.

Both load what they need from the data folder and give back plain JSON. What a process has loaded
it keeps for the next day.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from service.jobs.subject import Subject, subject_of
from service.models.artefacts import policy_of
from service.monitors.telemetry import to_transitions
from service.monitors.watched import Tuning, Watched
from sim.epoch import parameter_vector
from surrogates.interface import Surrogate
from surrogates.storage import load_artefact, load_as_learnt
from training.controllers import PolicyController
from training.drift import Detector, DetectorSettings, SupportsRecord, restore
from training.forms import TransitionsForm, read_json
from training.journal import whole_folder, write_json
from training.loop import Surveillance, WatchSettings
from training.loop.learning import seeds_of
from training.loop.visits import visit
from training.policies import NetworkPolicy

_DETECTORS = "detectors.json"


def calibrate(watched: Watched, tuning: Tuning) -> dict[str, Any]:
    """Simulate days in control, tune the detectors to them, and keep both whole or not at all.

    A calibration that is there already is only read.
    """
    if not (watched.folder / _DETECTORS).is_file():
        with whole_folder(watched.folder) as partial:
            _calibrate(watched, tuning, partial)
    told = read_json(watched.folder / _DETECTORS)
    return {name: told[name] for name in ("days", "seconds", "thresholds", "run_lengths")}


def observe(
    watched: Watched, states: Mapping[str, Any] | None, day: int, contents: list[dict[str, Any]]
) -> dict[str, Any]:
    """Judge one day: the detectors' states after it, and their verdicts, by detector."""
    loaded = _loaded(watched)
    telemetry = to_transitions(contents, day, loaded.beliefs, loaded.policy)
    after, verdicts = {}, {}
    for name, detector in loaded.detectors.items():
        state = detector.begin() if states is None else detector.restore(states[name])
        state, verdict = detector.observe(state, telemetry)
        after[name], verdicts[name] = state.to_record(), verdict.to_record()
    return {"states": after, "verdicts": verdicts}


@dataclass(frozen=True, slots=True)
class _Loaded:
    detectors: dict[str, Detector[Any]]
    beliefs: Float[np.ndarray, "parameter"]
    policy: str


@lru_cache(maxsize=8)
def _loaded(watched: Watched) -> _Loaded:
    subject = subject_of(watched.reference)
    beliefs = _beliefs(subject, watched)
    surrogate = _surrogate(subject, watched)
    told = read_json(watched.folder / _DETECTORS)
    detectors = {
        name: restore(name, record, surrogate, beliefs) for name, record in told["records"].items()
    }
    return _Loaded(detectors, beliefs, _policy(subject, watched).name)


def _calibrate(watched: Watched, tuning: Tuning, folder: Path) -> None:
    began = time.perf_counter()
    subject = subject_of(watched.reference)
    beliefs, surrogate = _beliefs(subject, watched), _surrogate(subject, watched)
    policy = _policy(subject, watched)
    seeds = seeds_of(tuning.seed, tuning.in_control_days, "in control")
    values = subject.description.parameter_values(beliefs)
    controller: PolicyController = subject.plant.believing(beliefs).controller(policy)
    with ThreadPoolExecutor(1) as executor:
        days = visit(subject.plant, controller, seeds, executor, values).telemetry
    settings = WatchSettings(
        detectors=tuning.detectors,
        detector=DetectorSettings(run_length=tuning.run_length),
        in_control_days=tuning.in_control_days,
    )
    found = Surveillance.calibrated(surrogate, beliefs, days, settings, tuning.seed)
    (folder / "in-control").mkdir()
    TransitionsForm(description=subject.description).write(folder / "in-control", days)
    write_json(
        folder / _DETECTORS,
        {
            "days": tuning.in_control_days,
            "seconds": time.perf_counter() - began,
            "thresholds": {n: _number(d, "threshold") for n, d in found.detectors.items()},
            "run_lengths": {n: _run_length(d) for n, d in found.detectors.items()},
            "records": {n: _record(d) for n, d in found.detectors.items()},
        },
    )


def _record(detector: Detector[Any]) -> dict[str, Any]:
    assert isinstance(detector, SupportsRecord)
    return detector.to_record()


def _number(detector: Detector[Any], name: str) -> float:
    return float(getattr(detector, name))


def _run_length(detector: Detector[Any]) -> Any:
    achieved = getattr(detector, "run_length", None)
    return None if achieved is None else asdict(achieved)


def _beliefs(subject: Subject, watched: Watched) -> Float[np.ndarray, "parameter"]:
    return parameter_vector(subject.description.parameters, dict(watched.beliefs))


def _surrogate(subject: Subject, watched: Watched) -> Surrogate:
    return load_as_learnt(watched.surrogate, subject.description)


def _policy(subject: Subject, watched: Watched) -> NetworkPolicy:
    return policy_of(load_artefact(watched.policy, kind="policy", system=subject.description.name))
