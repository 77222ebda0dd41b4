"""The ways to a policy by a surrogate, as timelines whose clocks run from no data at all."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass

from experiments.racing.checkpoints import Recorder, Timeline
from experiments.time_to_policy.practice import practice
from experiments.time_to_policy.settings import Setting
from sim.streams import stream
from surrogates.collect import collect
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.families import fit_family
from surrogates.interface import Surrogate
from training.plant import Environments, Plant
from training.rllib.settings import Budget
from training.rllib.train import train_ppo


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was simulated for a surrogate, and how long that took."""

    transitions: Transitions
    seconds: float


def collected(plant: Plant, setting: Setting, seed: int, executor: Executor) -> Collected:
    """Episodes over the box and all behaviours, on all cores."""
    began = time.perf_counter()
    plans = plan_episodes(plant.description, setting.episodes, seed)
    transitions = collect(plant.build, plans, executor)
    return Collected(transitions=transitions, seconds=time.perf_counter() - began)


def by_surrogate(
    plant: Plant, setting: Setting, family: str, seed: int, found: Collected
) -> tuple[Timeline, Surrogate]:
    """Fit, then PPO on the surrogate; the clock begins with the collection."""
    began = time.perf_counter()
    surrogate = fit_family(
        family, found.transitions, plant.description, stream(seed, "fit", family)
    )
    spent = found.seconds + time.perf_counter() - began
    recorder = Recorder(spent, len(found.transitions))
    train_ppo(
        Environments(problem=plant.imagined(surrogate)),
        practice(plant, seed),
        Budget(seconds=setting.train_seconds),
        evaluate=recorder,
        evaluate_every=1,
        name=family,
    )
    return recorder.timeline, surrogate
