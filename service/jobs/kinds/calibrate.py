"""Re-estimate hidden parameters from telemetry, and decide what that asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from service.jobs.specs import CalibrateSpec
from service.jobs.work import Work
from sim.epoch import parameter_vector
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import NotFitted
from training.calibrate import Calibration
from training.drift import StructureSettings
from training.forms import RecordForm
from training.heuristics import ConstantRule, Controller
from training.likelihood import LikelihoodSurrogate, split_days
from training.loop.decision import Findings, decide
from training.loop.investigating import Found, Investigation
from training.loop.learning import seeds_of
from training.loop.visits import visit

_FIRST_ESTIMATE = 10
"""Simulated days that take about as long as the estimate before them."""


def weights(spec: CalibrateSpec) -> dict[str, float]:
    """Days in control, then the estimate, by the days that each simulates."""
    return {"in control": float(spec.in_control_days), "find": float(_length_of_finding(spec))}


def run(work: Work[CalibrateSpec]) -> dict[str, Any]:
    """Makes `calibration`."""
    found = work.journal.step(
        "find", lambda: _find(work), RecordForm(from_record=Found.from_record)
    )
    form = RecordForm(from_record=Calibration.from_record)
    work.making.keep(
        "calibration",
        "calibration",
        lambda folder: form.write(folder, found.calibration),
        work.lineage,
    )
    decision = decide(Findings(calibration=found.calibration, unexplained=found.unexplained))
    return {**found.to_record(), "decision": decision.to_record()}


def _find(work: Work[CalibrateSpec]) -> Found:
    spec = work.spec
    surrogate = work.surrogate("surrogate")
    if not isinstance(surrogate, LikelihoodSurrogate):
        raise NotFitted(
            f"surrogate {surrogate.name!r} has no likelihood to judge days by: fit flow, ensemble "
            "or gp"
        )
    beliefs = parameter_vector(work.subject.description.parameters, spec.beliefs)
    in_control = work.journal.step(
        "in control",
        lambda: _simulated(
            work,
            beliefs,
            spec.in_control_days,
            "in control",
            work.journal.counting(spec.in_control_days),
        ),
        work.transitions_form,
    )
    points = spec.structure_points
    investigation = Investigation.about(
        surrogate,
        beliefs,
        in_control,
        refining_days=spec.refining_days,
        structure=None if points is None else StructureSettings(points=points),
        seed=spec.seed,
    )
    return investigation.find(_recent(work), _Finding(work=work).simulate)


def _length_of_finding(spec: CalibrateSpec) -> int:
    """Days that are simulated to find out what changed, if something did, and the estimate."""
    points = spec.structure_points
    structure = 0 if points is None else points * StructureSettings(points=points).spans[-1]
    return _FIRST_ESTIMATE + structure + spec.refining_days


@dataclass(slots=True, kw_only=True)
class _Finding:
    """Simulates while it is found out what changed, and tells how far that is."""

    work: Work[CalibrateSpec]
    simulated: int = 0

    def simulate(self, place: Float[np.ndarray, "parameter"], days: int) -> Transitions:
        before = _FIRST_ESTIMATE + self.simulated
        count = self.work.journal.counting(_length_of_finding(self.work.spec))
        self.simulated += days
        return _simulated(
            self.work, place, days, f"finding {place.tobytes().hex()}",
            lambda done: count(before + done),
        )  # fmt: skip


def _recent(work: Work[CalibrateSpec]) -> Transitions:
    """The last days of the telemetry."""
    days = split_days(work.transitions("telemetry"))
    return concatenate(days[-work.spec.most_days_back :])


def _simulated(
    work: Work[CalibrateSpec],
    parameters: Float[np.ndarray, "parameter"],
    days: int,
    purpose: str,
    on_progress: Callable[[int], None],
) -> Transitions:
    spec, description = work.spec, work.subject.description
    controller: Controller = ConstantRule(choice=len(description.decisions) // 2, name="middle")
    if spec.policy is not None:
        controller = work.plant.controller(work.policy("policy"))
    values = description.parameter_values(parameters)
    seeds = seeds_of(spec.seed, days, purpose)
    return visit(work.plant, controller, seeds, work.executor, values, on_progress).telemetry
