"""Stage 5: PPO on the surrogate; beside it, PPO on the simulator and the search of the best rule.

All three are paid in the same coin. The policy of the surrogate has cost the collection on every
core, the fit and its own training; PPO on the simulator gets that bill as wall-clock on a core of
its own, so that neither side has more computing than the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from envs.problem import Problem
from experiments.main_job.context import Context
from experiments.main_job.reporter import sparkline
from experiments.rule_book import RuleBook, constant
from training.journal import write_json
from training.plant import Environments
from training.rllib.session import RayExecutor
from training.rllib.train import Budget, CurvePoint, PPOSettings, Training, train_ppo
from training.search import search_rule

_LONGEST_ROLLOUT = 64
"""Epochs between two updates at most; shorter episodes are seen whole."""
_LONG_EPISODE = 100
"""Epochs beyond which later costs are discounted, or no value could be learnt in time."""


def pretrain(context: Context, folder: Path) -> dict[str, Any]:
    """Train on the surrogate, train on the simulator at equal cost, tune the rules."""
    collected, fitted = context.run.summary("collect"), context.run.summary("fit")
    paid = collected["collect_seconds"] * collected["workers"]
    paid += fitted["families"][fitted["trained_on"]]["fit_seconds"]
    bill = paid + context.settings.pretrain_seconds
    with RayExecutor() as executor:
        direct_job = executor.submit(
            train_direct, Environments(problem=context.plant.true()), bill,
            context.settings.seed,
        )  # fmt: skip
        trained = train_on_surrogate(
            context, "PPO on the surrogate", context.settings.pretrain_seconds
        )
        rules = _tune_rules(context, context.rule_book())
        with context.reporter.task(f"PPO on the simulator ({bill:.0f} s in all)", bill) as advance:
            began = time.perf_counter()
            while not direct_job.done():
                time.sleep(0.5)
                advance(time.perf_counter() - began, "")
            direct = direct_job.result()
    context.save_policy(folder / "policy", trained.policy, {"trained_on": fitted["trained_on"]})
    context.save_policy(folder / "direct", direct.policy, {"trained_on": "simulator"})
    write_json(folder / "rules.json", rules)
    context.reporter.say(
        f"surrogate: {trained.steps:,} epochs at {trained.steps_per_second:,.0f}/s; "
        f"simulator: {direct.steps:,} epochs at {direct.steps_per_second:,.0f}/s"
    )
    return {
        "cost_unit": context.surrogate_problem().cost_unit,
        "paid_before_seconds": paid,
        "bill_seconds": bill,
        "surrogate": _record(trained),
        "direct": _record(direct),
        "tuned": rules["tuned"],
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
    """PPO on the surrogate at the given parameters, with a live curve."""
    length = rollout_length(context.description.epochs)
    settings = PPOSettings(
        num_envs=context.settings.num_envs,
        rollout_length=length,
        minibatch_size=min(2048, context.settings.num_envs * length),
        discount=discount(context.description.epochs),
        learning_rate=3e-4 if warm_start is None else 1.5e-4,
        entropy_coefficient=0.01 if warm_start is None else 0.003,
        value_warmup_iterations=0 if warm_start is None else 3,
        seed=context.settings.seed,
    )
    environments = Environments(problem=context.surrogate_problem(parameters))
    with context.reporter.task(title, seconds) as advance:
        return train_ppo(
            environments, settings, Budget(seconds=seconds, steps=None),
            warm_start=warm_start, on_point=curve_watcher(advance, environments.problem),
        )  # fmt: skip


def rollout_length(epochs: int) -> int:
    """Steps of each copy between two updates, for episodes of so many epochs."""
    return min(epochs, _LONGEST_ROLLOUT)


def discount(epochs: int) -> float:
    """Weight of the next epoch's cost against this one's, for episodes of so many epochs."""
    return 1.0 if epochs <= _LONG_EPISODE else 1.0 - 10.0 / max(epochs, 1000)


def train_direct(environments: Environments, seconds: float, seed: int) -> Training:
    """PPO on the true simulator within a time; short rollouts, because steps are dear."""
    epochs = environments.problem.observation.description.epochs
    length = rollout_length(epochs)
    settings = PPOSettings(
        num_envs=8,
        rollout_length=length,
        minibatch_size=min(56, 8 * length),
        num_epochs=8,
        discount=discount(epochs),
        seed=seed,
    )
    return train_ppo(environments, settings, Budget(seconds=seconds, steps=None))


def curve_watcher(
    advance: Callable[[float, str], None], problem: Problem
) -> Callable[[CurvePoint], None]:
    """Shows the learning curve of the returns as it grows."""
    returns: list[float] = []

    def watch(point: CurvePoint) -> None:
        if point.mean_return is not None:
            returns.append(point.mean_return)
            cost = -returns[-1] * problem.cost_unit
            advance(point.seconds, f"cost {cost:,.5g} {sparkline(returns)}")

    return watch


def _record(training: Training) -> dict[str, Any]:
    return {
        "steps": training.steps,
        "seconds": training.seconds,
        "steps_per_second": training.steps_per_second,
        "curve": [asdict(point) for point in training.curve],
    }


def _tune_rules(context: Context, book: RuleBook) -> dict[str, Any]:
    """The best constants and the best tuned rules on the surrogate, and what the search took."""
    began, settings = time.perf_counter(), context.settings
    constants = list(book.judge([constant(choice) for choice in book.constants]))
    total = settings.search_rounds * settings.search_candidates
    with context.reporter.task(f"{book.tuned}, on the surrogate", total) as advance:
        found = search_rule(
            lambda values: book.build(values, book.tuned),
            book.box,
            book.judge,
            rounds=settings.search_rounds,
            candidates=settings.search_candidates,
            seed=settings.seed,
            on_progress=lambda tried, best: advance(tried, f"best {best:,.5g}"),
        )
    return {
        "tuned": book.tuned,
        "constants": list(book.constants),
        "constant_costs": constants,
        "tuned_finalists": list(found.finalists),
        "tuned_cost_on_surrogate": found.cost,
        "candidates": found.candidates + len(constants),
        "days": book.episodes,
        "seconds": time.perf_counter() - began,
    }
