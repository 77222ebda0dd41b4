"""Training a policy within a budget of time or steps, by one of the lean algorithms."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, TypeVar, Unpack

import numpy as np

from training.policies import NetworkPolicy
from training.rllib.annealing import Progress, anneal_dqn, anneal_ppo, anneal_sac
from training.rllib.build import MakeEnv, built_algorithm
from training.rllib.lean import LeanAlgorithm
from training.rllib.off_policy_settings import DQNSettings, SACSettings
from training.rllib.session import ray_session
from training.rllib.settings import Budget, PPOSettings, TrainingSettings

__all__ = [
    "Budget",
    "CurvePoint",
    "DQNSettings",
    "PPOSettings",
    "SACSettings",
    "Training",
    "train_dqn",
    "train_ppo",
    "train_sac",
]

S = TypeVar("S", bound=TrainingSettings)


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


class TrainingOptions(TypedDict, total=False):
    """What can be given to every training by name."""

    warm_start: NetworkPolicy | None
    """A policy to go on from, and whose score counts. See each algorithm for which it takes."""
    optimiser: Mapping[str, np.ndarray] | None
    """What the optimiser of an earlier training remembered; raises InconsistentNetwork for one of
    other layers."""
    on_point: Callable[[CurvePoint], None] | None
    """Sees every point as it comes; an exception from it ends the training."""
    evaluate: Callable[[NetworkPolicy], float] | None
    """Scores a policy, larger is better. It is asked of the warm start, every `evaluate_every`
    iterations and at the end, and decides which policy is kept: so a warm start is never lost to
    worse training."""
    evaluate_every: int
    """Iterations between two evaluations; 0 evaluates at the end alone."""
    name: str
    """How the policy is called; as the algorithm unless given."""


def train_ppo(
    make_env: MakeEnv, settings: PPOSettings, budget: Budget, **options: Unpack[TrainingOptions]
) -> Training:
    """Train by PPO until the budget is spent, at least one iteration.

    `make_env(num_envs)` builds an environment that `BatchedEnvRunner` accepts; with remote runners
    it must be picklable. `options` are those of `TrainingOptions`. A warm start takes over weights
    of both networks, and the optimiser where that is given.

    The same seed and a budget of steps give the same policy. Opens a `ray_session` for its own
    length unless Ray already runs, which is quicker for several trainings.
    """
    return _train(make_env, settings, budget, anneal_ppo, {"name": "ppo", **options})


def train_dqn(
    make_env: MakeEnv, settings: DQNSettings, budget: Budget, **options: Unpack[TrainingOptions]
) -> Training:
    """Train by DQN, otherwise as `train_ppo`.

    Only for Discrete actions, which are joint choices; others raise UnsupportedConfig. The policy's
    logits are action values in the units of the reward. A warm start must be such a policy as well:
    one with a value network, a memory or another head raises InconsistentNetwork.
    """
    return _train(make_env, settings, budget, anneal_dqn, {"name": "dqn", **options})


def train_sac(
    make_env: MakeEnv, settings: SACSettings, budget: Budget, **options: Unpack[TrainingOptions]
) -> Training:
    """Train by SAC, otherwise as `train_ppo`: joint choices, or numbers between finite bounds.

    The policy decides for what is likeliest; numbers are squashed (`SquashedNumbers`). A warm start
    gives its policy network, of joint choices by PPO or SAC, of numbers by SAC; what judges it
    begins afresh, for which there is `value_warmup_iterations`. What cannot be decided or loaded is
    refused as by `train_dqn`, but for a value network, which is left aside.
    """
    return _train(make_env, settings, budget, anneal_sac, {"name": "sac", **options})


def _train(
    make_env: MakeEnv,
    settings: S,
    budget: Budget,
    anneal: Callable[[S, Progress], Any],
    options: TrainingOptions,
) -> Training:
    clock = _Clock(time.perf_counter())
    name, warm_start = options["name"], options.get("warm_start")
    optimiser, on_point = options.get("optimiser"), options.get("on_point")
    evaluate_every = options.get("evaluate_every", 0)
    with ray_session(), built_algorithm(make_env, settings, warm_start) as algorithm:
        if optimiser is not None:
            algorithm.learner.load_optimiser(optimiser)
        choice = _Choice(options.get("evaluate"), clock)
        if warm_start is not None:
            choice.consider(algorithm.to_policy(name))
        loop = _Loop(
            algorithm, partial(anneal, settings), budget, clock, is_warm=warm_start is not None
        )
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

    algorithm: LeanAlgorithm
    anneal: Callable[[Progress], Any]
    budget: Budget
    clock: _Clock
    is_warm: bool
    iterations: int = 0
    steps: int = 0
    _latest: float = 0.0

    def has_time(self) -> bool:
        """Whether another iteration as long as the latest one fits."""
        seconds = self.clock.elapsed() + self._latest
        return self.budget.spent(seconds=seconds, steps=self.steps) < 1.0

    def iterate(self) -> None:
        before = self.clock.elapsed()
        self.algorithm.iterate(self.anneal(self._progress(before)))
        self.iterations += 1
        self.steps += self.algorithm.transitions
        self._latest = self.clock.elapsed() - before

    def point(self, evaluation: float | None) -> CurvePoint:
        return CurvePoint(
            seconds=self.clock.elapsed(),
            steps=self.steps,
            episodes=self.algorithm.returns.episodes,
            mean_return=self.algorithm.returns.mean,
            evaluation=evaluation,
        )

    def _progress(self, seconds: float) -> Progress:
        return Progress(
            left=1.0 - self.budget.spent(seconds=seconds, steps=self.steps),
            iterations=self.iterations,
            is_warm=self.is_warm,
        )
