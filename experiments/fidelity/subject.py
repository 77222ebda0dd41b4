"""What a report is about: a surrogate with its simulator, its costs and where it has been."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from envs.objective import Objective
from envs.observation import Viewpoint, viewpoint_of
from envs.problem import Problem
from experiments.fidelity.progress import Steps
from experiments.main_job.context import Context
from experiments.main_job.errors import InvalidRun
from experiments.main_job.pretrain import discount, rollout_length
from sim.description import Description
from sim.provenance import commit
from sim.recipes import whole_recipe
from sim.scenario import Scenario, load_scenario
from sim.streams import stream
from surrogates.clock import WithClock
from surrogates.collect import collect
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.families import families_for, fit_family, refuse_unfit
from surrogates.fidelity import Assessment, Decider, FidelitySettings
from surrogates.interface import Surrogate
from surrogates.storage import load_artefact, load_support, load_surrogate
from surrogates.support import Support
from training.controllers import PolicyController
from training.plant import Environments, SurrogateWorlds
from training.policies import NetworkPolicy
from training.rllib.train import Budget, PPOSettings, train_ppo

_MOST_ROWS = 20_000
"""Epochs to learn from: more take longer and teach a system of this size little."""
_COPIES = 256
"""Environments side by side when a policy is trained to see what it exploits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A surrogate and all that is needed to examine it."""

    surrogate: Surrogate
    support: Support | None
    build: WithClock
    objective: Objective
    observation: Viewpoint
    scenario: Scenario
    trained: str
    """On what the surrogate was fitted, in a sentence."""

    @property
    def unit(self) -> str:
        """Of costs."""
        return self.scenario.costs.unit

    def controller(self, policy: NetworkPolicy) -> Decider:
        """A policy over the subject's observation."""
        return PolicyController(policy=policy, observation=self.observation, name="trained on it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be simulated and fitted before it can be examined."""

    scenario: Scenario
    build: WithClock
    description: Description
    family: str

    @classmethod
    def of(cls, scenario_name: str, family: str | None) -> Wanted:
        """A family on a scenario, by default the first that can stand in.

        Raises InvalidDataset for one that cannot, before anything is simulated.
        """
        scenario = load_scenario(scenario_name)
        build = WithClock(build=whole_recipe(scenario))
        description = build().describe()
        family = family or families_for(description)[0]
        refuse_unfit(family, description)
        return cls(scenario=scenario, build=build, description=description, family=family)


def collected_subject(
    wanted: Wanted, episodes: int, seed: int, executor: Executor, steps: Steps
) -> Subject:
    """Simulate so many episodes and fit what is wanted to them."""
    description = wanted.description
    plans = plan_episodes(description, episodes, seed)
    title = f"simulating {episodes} episodes of {wanted.scenario.name} to fit"
    steps.hear(title, 0, episodes)
    data = collect(
        wanted.build, plans, executor, on_progress=lambda done: steps.hear(title, done, episodes)
    )
    kept = data.take(_some(len(data), seed))
    began = time.perf_counter()
    surrogate = _fitted(wanted.family, kept, description, seed, steps)
    seconds = time.perf_counter() - began
    used = f"{len(kept):,} epochs" + ("" if len(kept) == len(data) else f", of {len(data):,},")
    return Subject(
        surrogate=surrogate,
        support=Support.learn(kept, description, stream(seed, "support")),
        build=wanted.build,
        objective=_objective(wanted.scenario, surrogate),
        observation=viewpoint_of(description, description.nominal, data.state),
        scenario=wanted.scenario,
        trained=f"Fitted to {used} of {episodes} episodes in {seconds:.0f} s.",
    )


def _some(rows: int, seed: int) -> Int[np.ndarray, "chosen"]:
    """As many epochs as the main job learns from; of more, so many drawn at random."""
    if rows <= _MOST_ROWS:
        return np.arange(rows)
    chosen = stream(seed, "thinning").choice(rows, _MOST_ROWS, replace=False)
    return np.sort(chosen)


def _fitted(
    family: str, data: Transitions, description: Description, seed: int, steps: Steps
) -> Surrogate:
    title = f"fitting {family} to {len(data):,} epochs"
    steps.hear(title, 0.0, 1.0)
    surrogate = fit_family(
        family,
        data,
        description,
        stream(seed, "fit", family),
        lambda share: steps.hear(title, share, 1.0),
    )
    steps.hear(title, 1.0, 1.0)
    return surrogate


def run_subject(context: Context, family: str | None) -> Subject:
    """The surrogate of a run of the main job, by default the one that policies are trained on."""
    fitted = context.run.summary("fit")
    kept = sorted(path.parent.name for path in context.run.folder("fit").glob("*/manifest.json"))
    family = family or fitted["trained_on"]
    if family not in kept:
        raise InvalidRun(
            f"run {context.run.path.name} kept no surrogate {family!r}, only {', '.join(kept)}: "
            f"take one of these, or fit one with --scenario {context.settings.scenario}"
        )
    folder = context.run.folder("fit") / family
    surrogate, _ = load_surrogate(folder, context.description)
    return Subject(
        surrogate=surrogate,
        support=load_support(folder, context.description),
        build=context.build,
        objective=context.objective,
        observation=context.observation,
        scenario=context.scenario,
        trained=f"Run {context.run.path.name}, fitted to {fitted['rows']:,} epochs.",
    )


def _objective(scenario: Scenario, surrogate: Surrogate) -> Objective:
    costs = scenario.costs
    return Objective.from_costs(surrogate.description, costs.outputs, costs.at_close)


def train_policy(subject: Subject, seconds: float, seed: int, steps: Steps) -> Decider:
    """PPO on the surrogate for so many seconds, to see what a policy makes of its errors."""
    epochs = subject.surrogate.description.epochs
    length = rollout_length(epochs)
    settings = PPOSettings(
        num_envs=_COPIES,
        rollout_length=length,
        minibatch_size=min(2048, _COPIES * length),
        discount=discount(epochs),
        seed=seed,
    )
    problem = Problem(
        build_world=SurrogateWorlds(surrogate=subject.surrogate),
        objective=subject.objective,
        observation=subject.observation,
    )
    title = "training a policy on the surrogate"
    steps.hear(title, 0.0, seconds)
    training = train_ppo(
        Environments(problem=problem),
        settings,
        Budget(seconds=seconds),
        on_point=lambda point: steps.hear(title, min(point.seconds, seconds), seconds),
    )
    steps.hear(title, seconds, seconds)
    return subject.controller(training.policy)


def read_policy(subject: Subject, folder: Path) -> Decider:
    """A policy that was saved for the subject's system."""
    artefact = load_artefact(folder, kind="policy", system=subject.scenario.name)
    return subject.controller(NetworkPolicy.from_tensors(artefact.tensors, name="trained"))


def examine(
    subject: Subject,
    trained: Decider | None,
    settings: FidelitySettings,
    seed: int,
    executor: Executor,
    steps: Steps,
) -> dict[str, Any]:
    """The record of a report: the evidence, the verdict, and where both come from."""
    evidence = Assessment(
        surrogate=subject.surrogate,
        build=subject.build,
        cost=subject.objective.cost,
        executor=executor,
        settings=settings,
        seed=seed,
        support=subject.support,
        trained=trained,
        on_progress=steps.hear,
    ).gather()
    provenance = {
        "trained": subject.trained,
        "unit": subject.unit,
        "seed": seed,
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    return {**evidence.to_record(), **provenance}
