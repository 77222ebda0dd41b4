"""The pole on a cart by DQN and SAC, lean and as RLlib has them, at equal steps and updates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from training.policies import NetworkPolicy
from training.rllib.off_policy_settings import DQNSettings, OffPolicySettings, SACSettings
from training.rllib.session import ray_session
from training.rllib.settings import Budget
from training.rllib.stock import train_stock_dqn, train_stock_sac
from training.rllib.train import train_dqn, train_sac

PROBLEM = "CartPole-v1"
LEAN, STOCK = "lean", "stock"
ALGORITHMS: dict[str, tuple[type[OffPolicySettings], Any, Any]] = {
    "dqn": (DQNSettings, train_dqn, train_stock_dqn),
    "sac": (SACSettings, train_sac, train_stock_sac),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How good a policy was after so many environment steps of one training."""

    algorithm: str
    arm: str
    seed: int
    steps: int
    mean_return: float
    """Of the greedy policy, in episodes of its own; 500 at most."""
    seconds: float
    """Wall time of the training by then, looks at the policy included."""
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """The same networks, steps, updates, exploration and targets for both; no scale of rewards."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    steps: int = 12_800
    looks: int = 4
    """Policies that are looked at on the way."""
    episodes: int = 64
    updates: int = 8
    """After each 64 steps."""

    def settings(self, algorithm: str, seed: int) -> OffPolicySettings:
        """What both arms are told."""
        settings = ALGORITHMS[algorithm][0](
            hidden=(64, 64),
            learning_rate=1e-3,
            final_learning_rate=1e-3,
            num_envs=16,
            rollout_length=4,
            batch_size=64,
            updates_per_iteration=self.updates,
            learning_starts=1_024,
            target_rate=0.02,
            reward_scale=1.0,
            seed=seed,
        )
        if isinstance(settings, SACSettings):
            return replace(settings, initial_temperature=1.0)
        return settings

    def curve(self, algorithm: str, arm: str, seed: int, commit: str) -> Iterator[Row]:
        """One training, looked at `looks` times."""
        heard = (self._lean if arm == LEAN else self._stock)(algorithm, seed)
        every = self.steps / self.looks
        due = every
        for policy, steps, seconds in heard:
            if steps >= due:
                due += every
                yield Row(
                    algorithm=algorithm,
                    arm=arm,
                    seed=seed,
                    steps=steps,
                    mean_return=greedy_return(policy, self.episodes),
                    seconds=seconds,
                    commit=commit,
                )

    def _lean(self, algorithm: str, seed: int) -> list[tuple[NetworkPolicy, int, float]]:
        """As `evaluate` is asked after every iteration, it hears of every policy."""
        policies: list[NetworkPolicy] = []

        def keep(policy: NetworkPolicy) -> float:
            policies.append(policy)
            return 0.0

        settings, budget = self.settings(algorithm, seed), Budget(steps=self.steps)
        train = ALGORITHMS[algorithm][1]
        training = train(pole_carts, settings, budget, evaluate=keep, evaluate_every=1)
        return [
            (policy, point.steps, point.seconds)
            for policy, point in zip(policies, training.curve, strict=True)
        ]

    def _stock(self, algorithm: str, seed: int) -> list[tuple[NetworkPolicy, int, float]]:
        heard: list[tuple[NetworkPolicy, int, float]] = []

        def keep(policy: NetworkPolicy, steps: int, seconds: float) -> bool:
            heard.append((policy, steps, seconds))
            return False

        settings, budget = self.settings(algorithm, seed), Budget(steps=self.steps)
        train = ALGORITHMS[algorithm][2]
        train(partial(gymnasium.make, PROBLEM), settings, budget, on_policy=keep)
        return heard

    def run(self, done: Sequence[Row], commit: str) -> Iterator[Row]:
        """What is missing, the arms by turns."""
        had = {(row.algorithm, row.arm, row.seed) for row in done}
        with ray_session(num_cpus=2):
            for seed in self.seeds:
                for algorithm in ALGORITHMS:
                    for arm in (LEAN, STOCK):
                        if (algorithm, arm, seed) not in had:
                            yield from self.curve(algorithm, arm, seed, commit)


def pole_carts(num_envs: int) -> VectorEnv[Any, Any, Any]:
    """Gymnasium's own, side by side."""
    make = partial(gymnasium.make, PROBLEM)
    return SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)


def greedy_return(policy: NetworkPolicy, episodes: int) -> float:
    """Mean return of the policy's likeliest decisions, the same first states each time."""
    carts = pole_carts(episodes)
    observations, _ = carts.reset(seed=10_000)
    alive, total = np.ones(episodes, dtype=bool), np.zeros(episodes)
    while alive.any():
        observations, rewards, terminated, truncated, _ = carts.step(policy.act(observations))
        total += alive * rewards
        alive &= ~(terminated | truncated)
    carts.close()
    return float(total.mean())


def table(rows: Sequence[Row]) -> str:
    """Mean returns of the seeds at each look, arm by arm."""
    lines = ["| algorithm | arm | " + " | ".join(f"look {k + 1}" for k in range(_looks(rows)))]
    lines[0] += " | seconds |"
    lines.append("| --- | --- |" + " ---: |" * (_looks(rows) + 1))
    for algorithm in ALGORITHMS:
        for arm in (LEAN, STOCK):
            own = [row for row in rows if (row.algorithm, row.arm) == (algorithm, arm)]
            if own:
                lines.append(_line(algorithm, arm, own))
    return "\n".join(lines)


def _looks(rows: Sequence[Row]) -> int:
    return max(len(returns) for returns in _by_seed(rows).values())


def _by_seed(rows: Sequence[Row]) -> dict[tuple[str, str, int], list[float]]:
    found: dict[tuple[str, str, int], list[float]] = {}
    for row in rows:
        found.setdefault((row.algorithm, row.arm, row.seed), []).append(row.mean_return)
    return found


def _line(algorithm: str, arm: str, rows: Sequence[Row]) -> str:
    returns = list(zip(*_by_seed(rows).values(), strict=True))
    cells = [f"{np.mean(look):.0f} ({min(look):.0f} to {max(look):.0f})" for look in returns]
    last: dict[int, float] = {row.seed: row.seconds for row in rows}
    return (
        f"| {algorithm} | {arm} | " + " | ".join(cells) + f" | {np.mean(list(last.values())):.0f} |"
    )
