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
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import InvalidDataset
from training.calibrate import Calibration
from training.drift import StructureSettings
from training.forms import RecordForm
from training.likelihood import LikelihoodSurrogate, split_days
from training.loop import (
    Change,
    Decision,
    Incumbent,
    RenewalSettings,
    RetrainSettings,
    retrain,
)
from training.loop.decision import Findings, corrected, decide
from training.loop.following import Followed, Following, follow
from training.loop.investigating import Investigation
from training.loop.learning import seeds_of
from training.loop.visits import visit
from training.plant import Plant
from training.rllib.train import CurvePoint

_CHANGES = {
    "objective": Change.OBJECTIVE,
    "inside": Change.INSIDE,
    "outside": Change.OUTSIDE,
    "structure": Change.STRUCTURE,
}
_IN_CHARGE = "in charge"
_EPISODE = 0.005
"""Weight of a true episode beside a training."""
_CALIBRATION = RecordForm(from_record=Calibration.from_record)


def weights(spec: RetrainSpec) -> dict[str, float]:
    """Steps of the loop's answer."""
    learns = spec.change in ("outside", "structure")
    challengers = 2 if spec.tuning_budget is None else 3
    return {
        **({"in control": 0.3, "find": 0.3, "test": 0.3} if _may_follow(spec) else {}),
        **({"collect": 0.3, "refit": 0.3} if learns else {}),
        "train": 1.0,
        "train-fresh": 1.0,
        **({} if spec.tuning_budget is None else {"fine-tune": 1.0}),
        "choose": challengers * RetrainSettings().choose_episodes * _EPISODE,
        "gate": 2 * spec.gate_episodes * _EPISODE,
    }


def run(work: Work[RetrainSpec]) -> dict[str, Any]:
    """Makes `policy` (the best challenger), `surrogate`, `transitions` and `comparison`."""
    spec = work.spec
    # The system under the objective that is wanted now.
    plant = work.subject.wanting(spec.costs, spec.costs_at_close)
    incumbent = Incumbent(
        # Under a name that no challenger has, whatever it was called before.
        policy=replace(work.policy("policy"), name=_IN_CHARGE),
        surrogate=work.surrogate("surrogate"),
        transitions=work.transitions("transitions"),
        beliefs=_beliefs(work),
    )
    decision = Decision(change=_CHANGES[spec.change], moved=(), reason=f"asked for: {spec.change}")
    settings = _settings(work)
    followed = _followed(work, plant, incumbent, decision, settings)
    if followed is not None:
        # What is left to do is what a change inside the box asks for.
        incumbent, decision = followed.incumbent, replace(decision, change=Change.INSIDE)
    beliefs = incumbent.beliefs

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
    data = work.keep_transitions(done.incumbent.transitions)
    work.keep_surrogate(done.incumbent.surrogate, data=data)
    believed = work.subject.description.parameter_values(beliefs)
    work.keep_policy(policy, beliefs=believed, data=data)
    work.keep_comparison(done.comparison)
    return {
        "is_promoted": done.is_promoted,
        "challenger": policy.name,
        "evidence": asdict(done.evidence),
        "reason": done.reason,
        "surrogate_steps": done.surrogate_steps,
        "simulator_epochs": done.simulator_epochs + (followed.simulator_epochs if followed else 0),
        "beliefs": believed,
        **summary_of(done.comparison, list(done.comparison.costs), [_IN_CHARGE], spec.seed),
    }


def _may_follow(spec: RetrainSpec) -> bool:
    """Whether there is an estimate that may lie beyond the box, and the days it was made on."""
    return spec.change == "outside" and None not in (spec.telemetry, spec.calibration)


def _followed(
    work: Work[RetrainSpec],
    plant: Plant,
    incumbent: Incumbent,
    decision: Decision,
    settings: RetrainSettings,
) -> Followed | None:
    """Where the estimate went that pushed against the box; None where none did, or was given.

    Raises InvalidDataset where a test finds the days no better explained there: the simulator does
    not show what has changed, so that nothing is to be learnt or compared on it.
    """
    spec, description = work.spec, work.subject.description
    if not _may_follow(spec):
        return None
    calibration = _CALIBRATION.read(work.inputs["calibration"])
    findings = Findings(calibration=calibration)
    is_beyond = decide(findings).change is Change.OUTSIDE
    if not is_beyond or not isinstance(incumbent.surrogate, LikelihoodSurrogate):
        return None

    def simulate(there: Incumbent, place: Float[np.ndarray, "parameter"], days: int) -> Transitions:
        # Days of their own at every place: the same luck all over would look like a rule.
        seeds = seeds_of(spec.seed, days, f"following {place.tobytes().hex()}")
        values, count = description.parameter_values(place), work.journal.counting(days)
        return visit(plant, there.controller(plant), seeds, work.executor, values, count).telemetry

    before, points = _believed_before(work), spec.structure_points
    in_control = work.journal.step(
        "in control",
        lambda: simulate(replace(incumbent, beliefs=before), before, spec.in_control_days),
        work.transitions_form,
    )
    investigation = Investigation.about(
        incumbent.surrogate,
        before,
        in_control,
        refining_days=spec.refining_days,
        structure=None if points is None else StructureSettings(points=points),
        seed=spec.seed,
    )
    days = split_days(work.transitions("telemetry"))
    following = Following(
        days=concatenate(days[-calibration.days :]),
        before=investigation,
        renewal=lambda number: settings.numbered(number).renewal,
        simulate=simulate,
    )
    followed = follow(
        plant, incumbent, decision, calibration, following, work.journal, work.executor
    )
    if followed.unexplained:
        due = decide(Findings(unexplained=followed.unexplained, is_followed=True))
        raise InvalidDataset(
            f"{due.reason}, and the simulator {description.name!r} does not show it: train on one "
            "that does"
        )
    work.making.keep(
        "calibration",
        "calibration",
        lambda folder: _CALIBRATION.write(folder, followed.calibration),
        work.lineage,
    )
    return replace(followed, simulator_epochs=followed.simulator_epochs + len(in_control))


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
    spec, beliefs = work.spec, _believed_before(work)
    if spec.calibration is None or spec.change == "structure":
        # Of a changed structure estimates say nothing.
        return beliefs
    return corrected(
        work.subject.description, beliefs, _CALIBRATION.read(work.inputs["calibration"])
    )


def _believed_before(work: Work[RetrainSpec]) -> Float[np.ndarray, "parameter"]:
    return parameter_vector(work.subject.description.parameters, work.spec.beliefs)
