"""Generalised advantage estimation on arrays (Schulman et al. 2016, arXiv:1506.02438)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from training.rllib.rollout import Rollout


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Advantages:
    """How much better each decision was than expected, and what the value should have been."""

    advantages: Float[np.ndarray, "steps envs"]
    """Exponentially weighted sums of temporal-difference errors, not yet standardised."""
    targets: Float[np.ndarray, "steps envs"]
    """Advantage plus the value it was measured against: what to fit the value network to."""


def estimate_advantages(
    *,
    rewards: Float[np.ndarray, "steps envs"],
    values: Float[np.ndarray, "steps envs"],
    next_values: Float[np.ndarray, "steps envs"],
    terminated: Bool[np.ndarray, "steps envs"],
    truncated: Bool[np.ndarray, "steps envs"],
    discount: float | Float[np.ndarray, "steps envs"],
    gae_lambda: float,
) -> Advantages:
    """Advantages by a backward recursion that stops at the end of every episode.

    `next_values` is the value of what truly followed each step: of the final observation where
    an episode ended, never of the one after the reset. It counts for nothing at a termination,
    and in full at a truncation and at the edge of the rollout. In a semi-Markov process each step
    has a discount of its own, by how long it took.
    """
    errors = rewards + discount * ~terminated * next_values - values
    decay = discount * gae_lambda * ~(terminated | truncated)
    advantages = np.empty_like(values)
    running = np.zeros_like(values[0])
    for step in reversed(range(len(errors))):
        running = errors[step] + decay[step] * running
        advantages[step] = running
    return Advantages(advantages=advantages, targets=advantages + values)


def evaluate_rollout(
    rollout: Rollout,
    *,
    value_of: Callable[[Float[np.ndarray, "rows features"]], Float[np.ndarray, " rows"]],
    reward_scale: float,
    discount: float,
    discount_minutes: float | None = None,
    gae_lambda: float,
) -> Advantages:
    """Advantages of a rollout by a value function of scaled rewards, asked for all rows at once."""
    steps, envs, features = rollout.observations.shape
    parts = (rollout.final_observations, rollout.last_observations)
    flat = rollout.observations.reshape(steps * envs, features)
    values, final_values, last_values = np.split(
        value_of(np.concatenate([flat, *parts])), np.cumsum([len(flat), len(parts[0])])
    )
    values = values.reshape(steps, envs)
    next_values = np.concatenate([values[1:], last_values[None]])
    next_values[rollout.ended] = final_values
    return estimate_advantages(
        rewards=rollout.rewards * np.float32(reward_scale),
        values=values,
        next_values=next_values,
        terminated=rollout.terminated,
        truncated=rollout.truncated,
        discount=rollout.discounts(discount, discount_minutes),
        gae_lambda=gae_lambda,
    )


def natural_reward_scale(
    rollout: Rollout, *, discount: float, discount_minutes: float | None = None
) -> float:
    """A factor that brings discounted returns to unit spread, so that one network fits them.

    The spread is that of the discounted reward collected so far, as running reward normalisers
    use. Rewards that never vary from zero are left alone.
    """
    collected = np.empty_like(rollout.rewards)
    running = np.zeros_like(rollout.rewards[0])
    weights = np.broadcast_to(
        np.float32(rollout.discounts(discount, discount_minutes)), rollout.rewards.shape
    )
    for step, ended in enumerate(rollout.ended):
        running = rollout.rewards[step] + weights[step] * running
        collected[step] = running
        running = np.where(ended, np.float32(0.0), running)
    spread = float(collected.std())
    return 1.0 / spread if spread > 0.0 else 1.0
