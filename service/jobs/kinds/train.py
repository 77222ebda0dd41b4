"""Train a policy on a surrogate, by PPO, DQN or SAC."""

from __future__ import annotations

from typing import Any

from service.jobs.specs import TrainSpec
from service.jobs.work import Work
from sim.epoch import parameter_vector
from training.forms import PolicyForm
from training.loop.learning import Trained, TrainedForm, warm
from training.plant import Environments
from training.policies import NetworkPolicy
from training.rllib.train import Training, train_dqn, train_ppo, train_sac

_STEP = "train"


def weights(_: TrainSpec) -> dict[str, float]:
    """One step: a training in progress cannot be kept."""
    return {_STEP: 1.0}


def run(work: Work[TrainSpec]) -> dict[str, Any]:
    """Makes `policy`."""
    spec = work.spec
    description = work.subject.description
    before = work.policy("warm_start") if spec.warm_start is not None else None
    where = parameter_vector(description.parameters, spec.parameters)
    problem = work.plant.practice(work.surrogate("surrogate"), where)
    form = TrainedForm(policies=PolicyForm(system=description.name, lineage=work.lineage))
    trained = work.journal.step(
        _STEP, lambda: Trained.of(_train(work, Environments(problem=problem), before)), form
    )
    work.keep_policy(trained.policy, algorithm=spec.algorithm)
    return {"algorithm": spec.algorithm, "steps": trained.steps, "seconds": trained.seconds}


def _train(
    work: Work[TrainSpec], environments: Environments, before: NetworkPolicy | None
) -> Training:
    spec, seed = work.spec, work.spec.seed
    name, budget = spec.algorithm, spec.budget.to_settings()
    on_point = work.curve(_STEP, spec.budget, name)
    if spec.algorithm == "ppo":
        settings = spec.ppo.to_settings(seed, **work.defaults)
        return train_ppo(
            environments,
            settings if before is None else warm(settings),
            budget,
            warm_start=before,
            on_point=on_point,
            name=name,
        )
    defaults = {"discount": work.defaults["discount"]}
    if spec.algorithm == "dqn":
        dqn = spec.off_policy.to_dqn(seed, **defaults)
        return train_dqn(environments, dqn, budget, warm_start=before, on_point=on_point, name=name)
    sac = spec.off_policy.to_sac(seed, **defaults)
    return train_sac(environments, sac, budget, warm_start=before, on_point=on_point, name=name)
