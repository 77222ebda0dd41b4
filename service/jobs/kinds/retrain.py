"""The answer to a change, as the loop gives it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from service.jobs.kinds.evaluate import summary_of
from service.jobs.specs import RetrainSpec
from service.jobs.work import Work
from sim.epoch import parameter_vector
from training.calibrate import Calibration
from training.forms import RecordForm
from training.loop import (
    Change,
    Decision,
    Incumbent,
    RenewalSettings,
    RetrainSettings,
    retrain,
)
from training.loop.decision import corrected
from training.rllib.train import CurvePoint

_CHANGES = {
    "objective": Change.OBJECTIVE,
    "inside": Change.INSIDE,
    "outside": Change.OUTSIDE,
    "structure": Change.STRUCTURE,
}
_IN_CHARGE = "in charge"


def weights(spec: RetrainSpec) -> dict[str, float]:
    """Steps of the loop's answer."""
    learns = spec.change in ("outside", "structure")
    return {
        **({"collect": 0.3, "refit": 0.3} if learns else {}),
        "train": 1.0,
        "train-fresh": 1.0,
        **({} if spec.tuning_budget is None else {"fine-tune": 1.0}),
        "gate": 0.5,
    }


def run(work: Work[RetrainSpec]) -> dict[str, Any]:
    """Makes `policy` (the best challenger), `surrogate`, `transitions` and `comparison`."""
    spec = work.spec
    # The system under the objective that is wanted now.
    plant, beliefs = work.subject.wanting(spec.costs, spec.costs_at_close), _beliefs(work)
    incumbent = Incumbent(
        # Under a name that no challenger has, whatever it was called before.
        policy=replace(work.policy("policy"), name=_IN_CHARGE),
        surrogate=work.surrogate("surrogate"),
        transitions=work.transitions("transitions"),
        beliefs=beliefs,
    )
    decision = Decision(change=_CHANGES[spec.change], moved=(), reason=f"asked for: {spec.change}")
    settings = _settings(work)

    def on_point(name: str, point: CurvePoint) -> None:
        is_tuning = name.startswith("fine-tuned")
        step = "fine-tune" if is_tuning else "train"
        if name.startswith("trained anew"):
            step = "train-fresh"
        budget = spec.tuning_budget if is_tuning and spec.tuning_budget else spec.budget
        work.point(step, budget, name, point)

    done = retrain(
        plant, incumbent, decision, settings, work.journal, work.executor, on_point=on_point
    )
    policy = done.challenger
    work.keep_policy(policy, beliefs=work.subject.description.parameter_values(beliefs))
    work.keep_surrogate(done.incumbent.surrogate)
    work.keep_transitions(done.incumbent.transitions)
    work.keep_comparison(done.comparison)
    return {
        "is_promoted": done.is_promoted,
        "challenger": policy.name,
        "evidence": asdict(done.evidence),
        "reason": done.reason,
        "surrogate_steps": done.surrogate_steps,
        "simulator_epochs": done.simulator_epochs,
        **summary_of(done.comparison, list(done.comparison.costs), [_IN_CHARGE], spec.seed),
    }


def _settings(work: Work[RetrainSpec]) -> RetrainSettings:
    spec = work.spec
    ppo, tuning = spec.ppo.to_settings(spec.seed, **work.defaults), spec.tuning_budget
    return RetrainSettings(
        ppo=ppo,
        budget=spec.budget.to_settings(),
        tuning=None if tuning is None else ppo,
        tuning_budget=(tuning or spec.budget).to_settings(),
        renewal=RenewalSettings(episodes=spec.renewal_episodes, seed=spec.seed),
        gate_episodes=spec.gate_episodes,
        seed=spec.seed,
    )


def _beliefs(work: Work[RetrainSpec]) -> Float[np.ndarray, "parameter"]:
    spec, description = work.spec, work.subject.description
    beliefs = parameter_vector(description.parameters, spec.beliefs)
    if spec.calibration is None:
        return beliefs
    form = RecordForm(from_record=Calibration.from_record)
    return corrected(description, beliefs, form.read(work.inputs["calibration"]))
