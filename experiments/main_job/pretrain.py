"""Stage 5: PPO on the surrogate; beside it, PPO on the simulator and the search of the best rule.

All three are paid in the same coin. The policy of the surrogate has cost the collection on every
core, the fit and its own training; PPO on the simulator gets that bill as wall-clock on a core of
its own, so that neither side has more computing than the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from envs.problem import Problem
from envs.vector import VectorEnvironment
from experiments.main_job.context import Context
from experiments.main_job.reporter import sparkline
from experiments.main_job.run_folder import write_json
from training.heuristics import (
    ADAPTIVE_BOX,
    AdaptiveSettings,
    AdaptiveSquareRootRule,
    CentreFacts,
    ConstantRule,
)
from training.rllib.session import RayExecutor
from training.rllib.train import Budget, CurvePoint, PPOSettings, Training, train_ppo
from training.search import mean_cost, search_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorEnvironments:
    """Builds batched environments of one problem in whatever process calls it."""

    problem: Problem

    def __call__(self, copies: int) -> VectorEnvironment:
        """An environment of so many copies."""
        return VectorEnvironment(self.problem, copies)


def pretrain(context: Context, folder: Path) -> dict[str, Any]:
    """Train on the surrogate, train on the simulator at equal cost, tune the rules."""
    run = context.run
    paid = run.summary("collect")["collect_seconds"] * run.summary("collect")["workers"]
    paid += run.summary("fit")["families"]["flow"]["fit_seconds"]
    bill = paid + context.settings.pretrain_seconds
    with RayExecutor() as executor:
        direct_job = executor.submit(
            train_direct, VectorEnvironments(problem=context.true_problem()), bill,
            context.settings.seed,
        )  # fmt: skip
        trained = train_on_surrogate(
            context, "PPO on the surrogate", context.settings.pretrain_seconds
        )
        rules = _tune_rules(context)
        with context.reporter.task(f"PPO on the simulator ({bill:.0f} s in all)", bill) as advance:
            began = time.perf_counter()
            while not direct_job.done():
                time.sleep(0.5)
                advance(time.perf_counter() - began, "")
            direct = direct_job.result()
    context.save_policy(folder / "policy", trained.policy, {"trained_on": "flow"})
    context.save_policy(folder / "direct", direct.policy, {"trained_on": "simulator"})
    write_json(folder / "rules.json", rules)
    context.reporter.say(
        f"surrogate: {trained.steps:,} epochs at {trained.steps_per_second:,.0f}/s; "
        f"simulator: {direct.steps:,} epochs at {direct.steps_per_second:,.0f}/s"
    )
    return {
        "paid_before_seconds": paid,
        "bill_seconds": bill,
        "surrogate": _record(trained),
        "direct": _record(direct),
        "search_seconds": rules["seconds"],
        "search_candidates": rules["candidates"],
        "search_days": rules["days"],
    }


def train_on_surrogate(
    context: Context,
    title: str,
    seconds: float,
    parameters: np.ndarray | None = None,
    warm_start: Any = None,
) -> Training:
    """PPO on the flow surrogate at the given parameters, with a live curve."""
    settings = PPOSettings(
        num_envs=context.settings.num_envs,
        rollout_length=context.description.epochs,
        minibatch_size=2048,
        discount=1.0,
        learning_rate=3e-4 if warm_start is None else 1.5e-4,
        entropy_coefficient=0.01 if warm_start is None else 0.003,
        value_warmup_iterations=0 if warm_start is None else 3,
        seed=context.settings.seed,
    )
    environments = VectorEnvironments(problem=context.surrogate_problem(parameters))
    with context.reporter.task(title, seconds) as advance:
        return train_ppo(
            environments, settings, Budget(seconds=seconds, steps=None),
            warm_start=warm_start, on_point=curve_watcher(advance),
        )  # fmt: skip


def train_direct(environments: VectorEnvironments, seconds: float, seed: int) -> Training:
    """PPO on the true simulator within a time; short rollouts, because steps are dear."""
    epochs = environments.problem.observation.description.epochs
    settings = PPOSettings(
        num_envs=8, rollout_length=epochs, minibatch_size=56, num_epochs=8, discount=1.0, seed=seed
    )
    return train_ppo(environments, settings, Budget(seconds=seconds, steps=None))


def curve_watcher(advance: Callable[[float, str], None]) -> Callable[[CurvePoint], None]:
    """Shows the learning curve of the returns as it grows."""
    returns: list[float] = []

    def watch(point: CurvePoint) -> None:
        if point.mean_return is not None:
            returns.append(point.mean_return)
            advance(point.seconds, f"cost {-returns[-1]:.2f}k {sparkline(returns)}")

    return watch


def _record(training: Training) -> dict[str, Any]:
    return {
        "steps": training.steps,
        "seconds": training.seconds,
        "steps_per_second": training.steps_per_second,
        "curve": [asdict(point) for point in training.curve],
    }


def _tune_rules(context: Context) -> dict[str, Any]:
    """The best constant and the best adaptive rule on the surrogate, and what the search took."""
    began, settings = time.perf_counter(), context.settings
    problem = context.surrogate_problem()
    facts = CentreFacts.of(context.recipe.system, context.description.nominal)
    choices = range(len(context.description.decisions))
    constants = [
        mean_cost(problem, ConstantRule(choice=c), settings.search_days, settings.seed)
        for c in choices
    ]
    total = settings.search_rounds * settings.search_candidates
    with context.reporter.task("tuning the adaptive rule on the surrogate", total) as advance:
        found = search_rule(
            lambda values: AdaptiveSquareRootRule(facts=facts, settings=AdaptiveSettings(**values)),
            ADAPTIVE_BOX,
            problem,
            rounds=settings.search_rounds,
            candidates=settings.search_candidates,
            days=settings.search_days,
            seed=settings.seed,
            on_progress=lambda tried, best: advance(tried, f"best {best / 1000:.2f}k"),
        )
    return {
        "constant_costs": constants,
        "adaptive_finalists": list(found.finalists),
        "adaptive_cost_on_surrogate": found.cost,
        "candidates": found.candidates + len(constants),
        "days": settings.search_days,
        "seconds": time.perf_counter() - began,
    }
