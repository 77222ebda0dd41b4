"""What follows an alarm: re-estimate, re-train, fine-tune, and promote only on evidence."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from experiments.main_job.pretrain import discount, rollout_length
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
from training.evaluation import Day, evaluation_seeds, run_days
from training.journal import Journal
from training.likelihood import DayLikelihood
from training.loop import Decision, Findings, Incumbent, RetrainSettings, decide, retrain
from training.loop.decision import corrected
from training.rllib.session import RayExecutor
from training.rllib.settings import Budget, PPOSettings

_CHUNK = 10
_LONGEST_LOOK_BACK = 10
"""Days among which the beginning of a change is sought."""
_VOLUME = "arrival_scale"
_FEWEST_IN_CONTROL, _FEWEST_AGAIN = 30, 12
"""Of long episodes, on which a detector is calibrated and an estimate refined."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Who is in charge, what is believed of the system, and the detector that doubts it."""

    incumbent: Incumbent
    champion: PolicyController
    folder: Path
    """Where the steps of each answer are kept."""
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


def begin_watch(context: Context, folder: Path) -> Watch:
    """Put the pre-trained policy in charge and calibrate a detector for it."""
    incumbent = Incumbent(
        policy=replace(context.policy("pretrain", "policy"), name="pre-trained"),
        surrogate=context.surrogate,
        transitions=context.transitions,
        beliefs=context.description.nominal,
    )
    champion = context.plant.controller(incumbent.policy)
    detector = _detector(context, champion, incumbent.beliefs)
    context.reporter.say(
        f"detector set to one false alarm in {detector.settings.run_length:.0f} "
        f"{context.episode}s in control"
    )
    return Watch(
        incumbent=incumbent,
        champion=champion,
        folder=folder,
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
    if _others(found.moved, given):
        found = _refine(context, watch, telemetry, found)
    decision = decide(
        Findings(calibration=found), smallest_change=settings.smallest_change, given=given
    )
    alarm = _alarm_record(today, verdict, found, decision)
    watch.alarms.append(alarm)
    changed = ", ".join(decision.moved) or "nothing that matters"
    context.reporter.say(f"{today}: alarm, changed: {changed}")
    moved = _others(found.moved, given)
    if not moved or watch.corrections >= settings.most_corrections:
        spent = "no correction is left in the budget" if moved else "the dynamics have not changed"
        alarm["action"] = f"Noted: {spent}."
        watch.restart()
        return False
    watch.corrections += 1
    beliefs = corrected(context.description, watch.incumbent.beliefs, found, given)
    watch.incumbent = replace(watch.incumbent, beliefs=beliefs)
    is_promoted = False
    if decision.retrains and len(watch.retrainings) < settings.most_retrainings:
        record = _retrain(context, watch, decision)
        is_promoted = record["promoted"]
        watch.retrainings.append({"date": today, **record})
        alarm["action"] = record["reason"]
    else:
        left = len(watch.retrainings) < settings.most_retrainings
        alarm["action"] = "Beliefs corrected; " + (
            "the change is too small to re-train." if left else "no re-training was left."
        )
    watch.restart(_detector(context, watch.champion, watch.incumbent.beliefs))
    return is_promoted


def _given(context: Context) -> tuple[str, ...]:
    """Parameters that no answer is due to, because the record says what came."""
    return (_VOLUME,) if context.scenario.volumes is not None else ()


def _others(changed: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in changed if name not in given)


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


def _alarm_record(
    today: str, verdict: Verdict, calibration: Calibration, decision: Decision
) -> dict[str, Any]:
    return {
        "date": today,
        "drifted": list(verdict.drifted),
        "changed": list(decision.moved),
        "since_days": verdict.since_days,
        "estimated_on": calibration.days,
        "estimates": {
            e.name: {"value": e.value, "low": e.low, "high": e.high} for e in calibration.estimates
        },
    }


def _retrain(context: Context, watch: Watch, decision: Decision) -> dict[str, Any]:
    """On the surrogate at the new beliefs, then on the true simulator, and through the gate."""
    number, settings = len(watch.retrainings) + 1, context.settings
    began = time.perf_counter()
    seconds = settings.retrain_seconds + settings.fine_tune_seconds
    with RayExecutor() as executor, context.reporter.task(f"answer {number}", seconds) as advance:
        done = retrain(
            context.plant, watch.incumbent, decision, _settings(context),
            Journal(watch.folder / f"answer-{number}"), executor,
            number=number, on_point=lambda name, point: advance(point.seconds, name),
        )  # fmt: skip
    context.reporter.say(done.reason)
    watch.incumbent = done.incumbent
    watch.champion = context.plant.controller(done.incumbent.policy)
    e = done.evidence
    return {
        "beliefs": context.description.parameter_values(watch.incumbent.beliefs),
        "surrogate_steps": done.surrogate_steps,
        "simulator_steps": done.simulator_epochs,
        "seconds": time.perf_counter() - began,
        "promoted": done.is_promoted,
        "reason": done.reason,
        "costs": {name: float(costs.mean()) for name, costs in done.comparison.costs.items()},
        "evidence": {"value": e.value, "low": e.low, "high": e.high, "n": e.count},
    }


def _settings(context: Context) -> RetrainSettings:
    """As in the pre-training, and short rollouts on the true simulator, where steps are dear."""
    settings, epochs = context.settings, context.description.epochs
    workers, length = settings.workers, rollout_length(epochs)
    practice = PPOSettings(
        num_envs=settings.num_envs,
        rollout_length=length,
        minibatch_size=min(2048, settings.num_envs * length),
        discount=discount(epochs),
        seed=settings.seed,
    )
    return RetrainSettings(
        ppo=practice,
        budget=Budget(seconds=settings.retrain_seconds),
        tuning=replace(
            practice,
            num_envs=8 * workers,
            num_env_runners=workers if workers > 1 else 0,
            minibatch_size=min(112, 8 * workers * length),
        ),
        tuning_budget=Budget(seconds=settings.fine_tune_seconds),
        gate_episodes=settings.gate_days,
        seed=settings.seed,
    )
