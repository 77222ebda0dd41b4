"""Go on from a policy on the true simulator, never for the worse."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from service.jobs.specs import FineTuneSpec
from service.jobs.work import Work
from training.evaluation import compare, evaluation_seeds
from training.forms import PolicyForm, read_json
from training.journal import write_json
from training.plant import Environments
from training.policies import NetworkPolicy
from training.rllib.fine_tune import fine_tune, gentle
from training.rllib.recovery import run_again

_STEP = "fine-tune"
_TRAINING = 0.8
"""Share of the step; the rest is for true episodes that judge."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuned:
    """What came of it, as it is kept."""

    policy: NetworkPolicy
    record: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedForm:
    """A policy and JSON."""

    policies: PolicyForm

    def write(self, folder: Path, value: Tuned) -> None:
        """Side by side."""
        self.policies.write(folder, value.policy)
        write_json(folder / "tuned.json", value.record)

    def read(self, folder: Path) -> Tuned:
        """Raises for anything but what was written."""
        return Tuned(policy=self.policies.read(folder), record=read_json(folder / "tuned.json"))


def weights(_: FineTuneSpec) -> dict[str, float]:
    """One step: a training in progress cannot be kept."""
    return {_STEP: 1.0}


def run(work: Work[FineTuneSpec]) -> dict[str, Any]:
    """Makes `policy`: the tuned one if it is surely cheaper, else the one that was given."""
    form = TunedForm(
        policies=PolicyForm(system=work.subject.description.name, lineage=work.lineage)
    )
    # Ray's processes may be lost under it, which is no fault of the job.
    tuned = work.journal.step(_STEP, lambda: run_again(lambda: _tune(work)), form)
    work.keep_policy(tuned.policy, is_improved=tuned.record["is_improved"])
    return tuned.record


def _tune(work: Work[FineTuneSpec]) -> Tuned:
    spec, plant, policy = work.spec, work.plant, work.policy("policy")

    def judge(tried: NetworkPolicy, purpose: str) -> Float[np.ndarray, "episode"]:
        controller = plant.controller(tried)
        seeds = evaluation_seeds(spec.seed, spec.judge_episodes, purpose)
        found = compare(
            plant.build,
            [controller],
            plant.objective,
            seeds,
            work.executor,
            parameters=spec.parameters,
        )
        return found.costs[controller.name]

    told = spec.ppo
    found = fine_tune(
        policy,
        Environments(problem=plant.true(spec.parameters)),
        spec.budget.to_settings(),
        judge,
        settings=None if told is None else gentle(told.to_settings(spec.seed, **work.defaults)),
        evaluate_every=spec.evaluate_every,
        on_point=work.curve(_STEP, spec.budget, "fine-tuning", _TRAINING),
        seed=spec.seed,
    )
    record = {
        "is_improved": found.is_improved,
        "reason": found.reason,
        "evidence": asdict(found.evidence),
        "steps": found.training.steps,
        "seconds": found.training.seconds,
    }
    return Tuned(policy=found.policy, record=record)
