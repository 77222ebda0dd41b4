"""Re-estimate hidden parameters from telemetry, and decide what that asks for."""

from __future__ import annotations

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


def weights(_: CalibrateSpec) -> dict[str, float]:
    """Days in control, then the estimate."""
    return {"in control": 1.0, "find": 1.0}


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
        lambda: _simulated(work, beliefs, spec.in_control_days, "in control"),
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
    return investigation.find(
        _recent(work),
        lambda place, days: _simulated(work, place, days, f"finding {place.tobytes().hex()}"),
    )


def _recent(work: Work[CalibrateSpec]) -> Transitions:
    """The last days of the telemetry."""
    days = split_days(work.transitions("telemetry"))
    return concatenate(days[-work.spec.most_days_back :])


def _simulated(
    work: Work[CalibrateSpec], parameters: Float[np.ndarray, "parameter"], days: int, purpose: str
) -> Transitions:
    spec, description = work.spec, work.subject.description
    controller: Controller = ConstantRule(choice=len(description.decisions) // 2, name="middle")
    if spec.policy is not None:
        controller = work.plant.controller(work.policy("policy"))
    values = description.parameter_values(parameters)
    seeds = seeds_of(spec.seed, days, purpose)
    return visit(work.plant, controller, seeds, work.executor, values).telemetry
