"""What follows an alarm: re-estimate, re-train, fine-tune, and promote only on evidence."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from experiments.main_job.pretrain import (
    VectorEnvironments,
    curve_watcher,
    discount,
    rollout_length,
    train_on_surrogate,
)
from sim.streams import stream
from surrogates.dataset import Transitions, concatenate
from training.calibrate import Calibration, calibrate_since_change, refine_calibration
from training.controllers import PolicyController
from training.drift import (
    DetectorSettings,
    DetectorState,
    ScoreCusum,
    Verdict,
    calibrate_detector,
)
from training.evaluation import Day, compare, evaluation_seeds, run_days
from training.gate import decide_promotion
from training.likelihood import DayLikelihood
from training.policies import NetworkPolicy
from training.rllib.fine_tune import gentle
from training.rllib.session import RayExecutor
from training.rllib.train import Budget, PPOSettings, Training, train_ppo

_CHUNK = 10
_LONGEST_LOOK_BACK = 10
"""Days among which the beginning of a change is sought."""
_VOLUME = "arrival_scale"
_FEWEST_IN_CONTROL, _FEWEST_AGAIN = 30, 12
"""Of long episodes, on which a detector is calibrated and an estimate refined."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Who is in charge, what is believed of the system, and the detector that doubts it."""

    policy: NetworkPolicy
    champion: PolicyController
    beliefs: np.ndarray
    detector: ScoreCusum
    state: DetectorState
    corrections: int = 0
    """How often the beliefs were corrected."""
    alarms: list[dict[str, Any]] = field(default_factory=list)
    retrainings: list[dict[str, Any]] = field(default_factory=list)

    def restart(self, detector: ScoreCusum | None = None) -> None:
        """Forget the evidence; watch with another detector when one is given."""
        self.detector = detector or self.detector
        self.state = self.detector.begin()


def begin_watch(context: Context) -> Watch:
    """Put the pre-trained policy in charge and calibrate a detector for it."""
    policy = context.policy("pretrain", "policy")
    champion = context.controller(policy, "pre-trained")
    beliefs = context.description.nominal
    detector = _detector(context, champion, beliefs)
    context.reporter.say(
        f"detector set to one false alarm in {detector.settings.run_length:.0f} "
        f"{context.episode}s in control"
    )
    return Watch(
        policy=policy,
        champion=champion,
        beliefs=beliefs,
        detector=detector,
        state=detector.begin(),
    )


def respond(context: Context, watch: Watch, seen: list[Day], today: str, verdict: Verdict) -> bool:
    """Answer an alarm; says whether somebody else is in charge from tomorrow.

    A change of the dynamics that matters is answered by re-training; a small one only corrects the
    beliefs. Recorded volumes come and go by themselves and whoever is in charge sees them come: a
    change of volumes alone is noted.
    """
    settings, given = context.settings, _given(context)
    recent = seen[-min(max(2, verdict.since_days), _LONGEST_LOOK_BACK) :]
    telemetry = concatenate([day.telemetry for day in recent])
    found = calibrate_since_change(watch.detector.likelihood, telemetry, watch.detector.control)
    telemetry = concatenate([day.telemetry for day in recent[-found.days :]])
    moved = _others(found.moved, given)
    if moved:
        found = _refine(context, watch, telemetry, found)
        moved = _others(found.moved, given)
    changed = _changed(found, settings.smallest_change)
    alarm = _alarm_record(today, verdict, found, changed)
    watch.alarms.append(alarm)
    context.reporter.say(f"{today}: alarm, changed: {', '.join(changed) or 'nothing that matters'}")
    if not moved or watch.corrections >= settings.most_corrections:
        spent = "no correction is left in the budget" if moved else "the dynamics have not changed"
        alarm["action"] = f"Noted: {spent}."
        watch.restart()
        return False
    watch.corrections += 1
    watch.beliefs = _new_beliefs(watch, found, moved)
    is_promoted = False
    if _others(changed, given) and len(watch.retrainings) < settings.most_retrainings:
        record, policies = _retrain(context, watch)
        is_promoted = _gate(context, watch, policies, record)
        watch.retrainings.append({"date": today, **record})
        alarm["action"] = record["reason"]
    else:
        left = len(watch.retrainings) < settings.most_retrainings
        alarm["action"] = "Beliefs corrected; " + (
            "the change is too small to re-train." if left else "no re-training was left."
        )
    watch.restart(_detector(context, watch.champion, watch.beliefs))
    return is_promoted


def _given(context: Context) -> tuple[str, ...]:
    """Parameters that no answer is due to, because the record says what came."""
    return (_VOLUME,) if context.scenario.volumes is not None else ()


def _others(changed: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in changed if name not in given)


def _changed(calibration: Calibration, smallest: float) -> tuple[str, ...]:
    """Parameters that have moved surely and by enough to matter, the clearest first."""
    relative = {e.name: abs(e.value / e.start - 1) for e in calibration.estimates}
    return tuple(name for name in calibration.moved if relative[name] >= smallest)


def _simulated(
    context: Context,
    champion: PolicyController,
    parameters: np.ndarray,
    days: int,
    purpose: str,
) -> Transitions:
    """Telemetry of simulated days at the given parameters, on all cores."""
    values = context.description.parameter_values(parameters)
    seeds = evaluation_seeds(context.settings.seed, days, purpose)
    parts = [seeds[i : i + _CHUNK] for i in range(0, days, _CHUNK)]
    with RayExecutor() as executor:
        jobs = [
            executor.submit(run_days, context.build, champion, context.objective, part, values)
            for part in parts
        ]
        return concatenate([day.telemetry for job in jobs for day in job.result()])


def _detector(context: Context, champion: PolicyController, beliefs: np.ndarray) -> ScoreCusum:
    days = context.worth(context.settings.in_control_days, least=_FEWEST_IN_CONTROL)
    context.reporter.say(f"simulating {days} {context.episode}s in control under {champion.name}")
    telemetry = _simulated(context, champion, beliefs, days, "in control")
    random = stream(context.settings.seed, "detector")
    likelihood = DayLikelihood.at(context.likelihood, beliefs)
    return calibrate_detector(telemetry, likelihood, DetectorSettings(), random)


def _refine(
    context: Context, watch: Watch, telemetry: Transitions, first: Calibration
) -> Calibration:
    """Take off the surrogate's misfit at the new point by simulation there.

    Except for recorded volumes: a few simulated days say less of them than the days in control.
    """
    days = context.worth(max(20, context.settings.in_control_days // 5), least=_FEWEST_AGAIN)
    refined = refine_calibration(
        first,
        context.likelihood,
        telemetry,
        watch.detector.control,
        lambda point: _simulated(context, watch.champion, point, days, "calibration"),
        rounds=1,
    )
    kept = {e.name: e for e in first.estimates if e.name in _given(context)}
    return replace(refined, estimates=tuple(kept.get(e.name, e) for e in refined.estimates))


def _new_beliefs(watch: Watch, calibration: Calibration, changed: tuple[str, ...]) -> np.ndarray:
    """Take over what has changed; the rest stays as it was believed."""
    names = [p.name for p in watch.detector.likelihood.surrogate.description.parameters]
    beliefs = watch.beliefs.copy()
    for estimate in calibration.estimates:
        if estimate.name in changed:
            beliefs[names.index(estimate.name)] = estimate.value
    return beliefs


def _alarm_record(
    today: str, verdict: Verdict, calibration: Calibration, changed: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "date": today,
        "drifted": list(verdict.drifted),
        "changed": list(changed),
        "since_days": verdict.since_days,
        "estimated_on": calibration.days,
        "estimates": {
            e.name: {"value": e.value, "low": e.low, "high": e.high} for e in calibration.estimates
        },
    }


def _retrain(context: Context, watch: Watch) -> tuple[dict[str, Any], dict[str, NetworkPolicy]]:
    """On the surrogate at the new beliefs, then on the true simulator, both from the champion."""
    number = len(watch.retrainings) + 1
    began = time.perf_counter()
    trained = train_on_surrogate(
        context,
        "re-training on the surrogate",
        context.settings.retrain_seconds,
        parameters=watch.beliefs,
        warm_start=watch.policy,
    )
    tuned = _fine_tune(context, watch, trained.policy)
    record = {
        "beliefs": context.description.parameter_values(watch.beliefs),
        "surrogate_steps": trained.steps,
        "simulator_steps": tuned.steps,
        "seconds": time.perf_counter() - began,
    }
    policies = {f"re-trained {number}": trained.policy, f"fine-tuned {number}": tuned.policy}
    return record, policies


def _fine_tune(context: Context, watch: Watch, policy: NetworkPolicy) -> Training:
    """PPO on the true simulator at the beliefs: small steps, the value network first."""
    parameters = context.description.parameter_values(watch.beliefs)
    workers, epochs = context.settings.workers, context.description.epochs
    length = rollout_length(epochs)
    settings = gentle(
        PPOSettings(
            num_envs=8 * workers,
            num_env_runners=workers if workers > 1 else 0,
            rollout_length=length,
            minibatch_size=min(112, 8 * workers * length),
            discount=discount(epochs),
            seed=context.settings.seed,
        )
    )
    seconds = context.settings.fine_tune_seconds
    environments = VectorEnvironments(problem=context.true_problem(parameters))
    with context.reporter.task("fine-tuning on the true simulator", seconds) as advance:
        return train_ppo(
            environments,
            settings,
            Budget(seconds=seconds, steps=None),
            warm_start=policy,
            on_point=curve_watcher(advance, environments.problem),
        )


def _gate(
    context: Context, watch: Watch, policies: dict[str, NetworkPolicy], record: dict[str, Any]
) -> bool:
    """Compare champion and challengers on paired true days at the beliefs; promote or keep."""
    parameters = context.description.parameter_values(watch.beliefs)
    challengers = [context.controller(policy, name) for name, policy in policies.items()]
    days = context.settings.gate_days
    purpose = f"gate {len(watch.retrainings) + 1}"
    seeds = evaluation_seeds(context.settings.seed, days, purpose)
    with RayExecutor() as executor, context.reporter.task("gate", 3 * days) as advance:
        comparison = compare(
            context.build, [watch.champion, *challengers], context.objective, seeds, executor,
            parameters=parameters, chunk=5, on_progress=lambda done: advance(done, ""),
        )  # fmt: skip
    random = stream(context.settings.seed, purpose)
    decided = decide_promotion(comparison, watch.champion.name, tuple(policies), random)
    context.reporter.say(decided.reason)
    record |= {
        "promoted": decided.is_promotion,
        "reason": decided.reason,
        "costs": {name: float(costs.mean()) for name, costs in comparison.costs.items()},
        "evidence": {
            "value": decided.evidence.value,
            "low": decided.evidence.low,
            "high": decided.evidence.high,
            "n": decided.evidence.count,
        },
    }
    if decided.is_promotion:
        watch.policy = policies[decided.champion]
        watch.champion = context.controller(watch.policy, decided.champion)
    return decided.is_promotion
