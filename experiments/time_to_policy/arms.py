"""The ways to a policy, each as a timeline whose clock runs from no data at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from envs.environment import Environment
from experiments.main_job.pretrain import discount, rollout_length
from experiments.racing.checkpoints import Recorder, Timeline
from experiments.time_to_policy.settings import Setting
from sim.streams import stream
from surrogates.collect import collect
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.families import fit_family
from surrogates.interface import Surrogate
from training.plant import Environments, Plant
from training.policies import NetworkPolicy
from training.rllib.settings import Budget, PPOSettings
from training.rllib.stock import train_stock_ppo
from training.rllib.train import train_ppo

STOCK, LEAN = "simulator, stock RLlib", "simulator, our RLlib"
WORKERS = 2
"""Processes of the arms that train on the simulator: every core of the machine."""


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


def on_simulator(plant: Plant, seconds: float, seed: int) -> Timeline:
    """Our PPO on the true simulator: short rollouts on every core."""
    settings = direct(plant, seed)
    recorder = Recorder(0.0, 0, epochs_each=settings.transitions_per_iteration)
    train_ppo(
        Environments(problem=plant.true()),
        settings,
        Budget(seconds=seconds),
        evaluate=recorder,
        evaluate_every=1,
        name=LEAN,
    )
    return recorder.timeline


def by_stock_rllib(plant: Plant, seconds: float, seed: int) -> Timeline:
    """RLlib's own PPO as it comes, one environment a runner, a runner a core."""
    recorder = Recorder(0.0, 0)

    def hear(policy: NetworkPolicy, steps: int, _: float) -> bool:
        recorder.hear(policy, steps)
        return False

    train_stock_ppo(
        partial(Environment, plant.true()),
        direct(plant, seed),
        Budget(seconds=seconds),
        on_policy=hear,
        name=STOCK,
    )
    return recorder.timeline


def practice(plant: Plant, seed: int) -> PPOSettings:
    """Of PPO on a surrogate, where steps cost nothing."""
    epochs = plant.description.epochs
    length = rollout_length(epochs)
    return PPOSettings(
        num_envs=256,
        rollout_length=length,
        minibatch_size=min(1024, 256 * length),
        discount=discount(epochs),
        learning_rate=1e-3,
        seed=seed,
    )


def direct(plant: Plant, seed: int) -> PPOSettings:
    """Of PPO on the simulator, where steps are dear: small batches, learnt from more often."""
    epochs = plant.description.epochs
    length = rollout_length(epochs)
    return PPOSettings(
        num_envs=8 * WORKERS,
        num_env_runners=WORKERS,
        rollout_length=length,
        minibatch_size=min(64, 8 * length),
        num_epochs=8,
        discount=discount(epochs),
        learning_rate=1e-3,
        seed=seed,
    )


Direct = Callable[[Plant, float, int], Timeline]
DIRECT: dict[str, Direct] = {STOCK: by_stock_rllib, LEAN: on_simulator}
