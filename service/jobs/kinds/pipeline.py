"""From no data to a policy, as the loop pre-trains."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from service.jobs.specs import PipelineSpec
from service.jobs.work import Work
from training.loop import PretrainSettings, pretrain
from training.rllib.train import CurvePoint


def weights(spec: PipelineSpec) -> dict[str, float]:
    """Steps of all rounds that there may be; it may end after any of them."""
    found = {"fit": 1.0, "final": 0.5}
    if spec.transitions is None:
        found["collect"] = 1.0
    for number in range(1, spec.rounds + 1):
        part = {"train": 3.0, "visit": 0.5, "judge": 0.1}
        for again in range(1, spec.doublings + 1):
            part[f"visit-{again + 1}"] = part["visit"] * 2 ** (again - 1)
        if number < spec.rounds:
            part["refit"] = 1.0
        found |= {f"round-{number}/{step}": weight for step, weight in part.items()}
    return found


def run(work: Work[PipelineSpec]) -> dict[str, Any]:
    """Makes `policy`, `surrogate` and `transitions`."""
    spec = work.spec
    given = None if spec.transitions is None else work.transitions("transitions")

    def on_point(name: str, point: CurvePoint) -> None:
        work.point(f"{name.replace(' ', '-')}/train", spec.budget, name, point)

    found = pretrain(
        work.plant,
        _settings(work),
        work.journal,
        work.executor,
        transitions=given,
        on_point=on_point,
    )
    data = work.keep_transitions(found.transitions)
    work.keep_surrogate(found.surrogate, data=data)
    work.keep_policy(found.policy, trained_on=spec.family, data=data)
    return {
        "reason": found.reason,
        "is_believed": found.is_believed,
        "rounds": [asdict(each) for each in found.rounds],
        "simulator_epochs": found.simulator_epochs,
    }


def _settings(work: Work[PipelineSpec]) -> PretrainSettings:
    spec = work.spec
    return PretrainSettings(
        family=spec.family,
        episodes=spec.episodes,
        ppo=spec.ppo.to_settings(spec.seed, **work.defaults),
        budget=spec.budget.to_settings(),
        rounds=spec.rounds,
        visits=spec.visits,
        doublings=spec.doublings,
        imagined=spec.imagined,
        tolerance=spec.tolerance,
        final_episodes=spec.final_episodes,
        seed=spec.seed,
    )
