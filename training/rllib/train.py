"""Training a policy by PPO within a budget of time or steps."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from training.policies import NetworkPolicy
from training.rllib.build import built_algorithm
from training.rllib.learner import Annealing
from training.rllib.ppo import LeanPPO
from training.rllib.session import ray_session
from training.rllib.settings import Budget, PPOSettings

__all__ = ["Budget", "CurvePoint", "PPOSettings", "Training", "train_ppo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Where training stood after one iteration."""

    seconds: float
    """Wall time since the call."""
    steps: int
    """Environment steps since the call."""
    episodes: int
    """Episodes that ended in this iteration."""
    mean_return: float | None
    """Their mean undiscounted return, while exploring; None when none ended."""
    evaluation: float | None = None
    """What `evaluate` said of the policy after this iteration; None when it was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """What training gave: the policy and how it got there."""

    policy: NetworkPolicy
    """The best policy by `evaluate`, the first of equals; without it, the last."""
    curve: tuple[CurvePoint, ...]
    """One point for each iteration."""
    steps: int
    """Environment steps in all."""
    seconds: float
    """Wall time in all, Ray's start included when this call started it."""
    evaluation_seconds: float
    """The part of it spent in `evaluate`."""
    optimiser: dict[str, np.ndarray]
    """What the optimiser remembered in the end, for a training that goes on."""

    @property
    def steps_per_second(self) -> float:
        """Environment steps per second of wall time outside evaluations."""
        return self.steps / (self.seconds - self.evaluation_seconds)


def train_ppo(
    make_env: Callable[[int], VectorEnv[Any, Any, Any]],
    settings: PPOSettings,
    budget: Budget,
    *,
    warm_start: NetworkPolicy | None = None,
    optimiser: Mapping[str, np.ndarray] | None = None,
    on_point: Callable[[CurvePoint], None] | None = None,
    evaluate: Callable[[NetworkPolicy], float] | None = None,
    evaluate_every: int = 0,
    name: str = "ppo",
) -> Training:
    """Train until the budget is spent, at least one iteration.

    `make_env(num_envs)` builds an environment that `BatchedEnvRunner` accepts; with remote runners
    it must be picklable. A warm start takes over weights, and the optimiser where that is given; an
    optimiser of other layers raises InconsistentNetwork. `evaluate` (larger is better) is asked of
    the warm start, every `evaluate_every` iterations and at the end, and decides which policy is
    kept: so a warm start is never lost to worse training.
    `on_point` sees every point as it comes; an exception from it ends the training.

    The same seed and a budget of steps give the same policy. Opens a `ray_session` for its own
    length unless Ray already runs, which is quicker for several trainings.
    """
    clock = _Clock(time.perf_counter())
    with ray_session(), built_algorithm(make_env, settings, warm_start) as algorithm:
        if optimiser is not None:
            algorithm.learner.load_optimiser(optimiser)
        choice = _Choice(evaluate, clock)
        if warm_start is not None:
            choice.consider(algorithm.to_policy(name))
        loop = _Loop(algorithm, settings, budget, clock, warmup=warm_start is not None)
        curve: list[CurvePoint] = []
        goes_on = True
        while goes_on:
            loop.iterate()
            goes_on = loop.has_time()
            is_due = evaluate_every > 0 and loop.iterations % evaluate_every == 0
            score = choice.consider(algorithm.to_policy(name)) if is_due or not goes_on else None
            # Asked again, because an evaluation takes time too.
            goes_on = goes_on and loop.has_time()
            curve.append(loop.point(score))
            if on_point is not None:
                on_point(curve[-1])
        policy = choice.policy or algorithm.to_policy(name)
        remembered = algorithm.learner.optimiser_tensors()
    return Training(
        policy=policy,
        curve=tuple(curve),
        steps=loop.steps,
        seconds=clock.elapsed(),
        evaluation_seconds=clock.evaluating,
        optimiser=remembered,
    )


@dataclass(slots=True)
class _Clock:
    started: float
    evaluating: float = 0.0

    def elapsed(self) -> float:
        return time.perf_counter() - self.started


@dataclass(slots=True)
class _Choice:
    """The policy to keep: the best so far by `evaluate`, else none."""

    evaluate: Callable[[NetworkPolicy], float] | None
    clock: _Clock
    policy: NetworkPolicy | None = None
    score: float = float("-inf")

    def consider(self, policy: NetworkPolicy) -> float | None:
        if self.evaluate is None:
            return None
        before = self.clock.elapsed()
        score = self.evaluate(policy)
        self.clock.evaluating += self.clock.elapsed() - before
        if self.policy is None or score > self.score:
            self.policy, self.score = policy, score
        return score


@dataclass(slots=True)
class _Loop:
    """Iterations of one algorithm, annealed by the share of the budget that is spent."""

    algorithm: LeanPPO
    settings: PPOSettings
    budget: Budget
    clock: _Clock
    warmup: bool
    iterations: int = 0
    steps: int = 0
    _latest: float = 0.0

    def has_time(self) -> bool:
        """Whether another iteration as long as the latest one fits."""
        seconds = self.clock.elapsed() + self._latest
        return self.budget.spent(seconds=seconds, steps=self.steps) < 1.0

    def iterate(self) -> None:
        before = self.clock.elapsed()
        self.algorithm.iterate(self._annealing(before))
        self.iterations += 1
        self.steps += self.settings.transitions_per_iteration
        self._latest = self.clock.elapsed() - before

    def point(self, evaluation: float | None) -> CurvePoint:
        return CurvePoint(
            seconds=self.clock.elapsed(),
            steps=self.steps,
            episodes=self.algorithm.returns.episodes,
            mean_return=self.algorithm.returns.mean,
            evaluation=evaluation,
        )

    def _annealing(self, seconds: float) -> Annealing:
        left = 1.0 - self.budget.spent(seconds=seconds, steps=self.steps)
        last = self.settings.final_learning_rate
        since = self.iterations - self.settings.value_warmup_iterations
        grown = 1.0
        if self.warmup and since >= 0:
            grown = min(1.0, (since + 1) / (self.settings.step_warmup_iterations + 1))
        return Annealing(
            learning_rate=grown * (last + (self.settings.learning_rate - last) * left),
            entropy_coefficient=self.settings.entropy_coefficient * left,
            trains_policy=not (self.warmup and since < 0),
            reference_weight=self.settings.reference_weight * left if self.warmup else 0.0,
        )
