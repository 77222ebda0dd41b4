"""How PPO learns where steps cost nothing, and where they are dear."""

from __future__ import annotations

from experiments.main_job.pretrain import discount, rollout_length
from training.plant import Plant
from training.rllib.settings import PPOSettings

WORKERS = 2
"""Processes of the arms that train on the simulator: every core of the machine."""


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
