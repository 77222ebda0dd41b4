"""Stage 6: every controller on the true simulator, greedy, on the same days."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from sim.output import Estimate
from sim.streams import stream
from surrogates.fluid import FluidModel
from training.evaluation import Comparison, compare, evaluation_seeds
from training.heuristics import (
    AdaptiveSettings,
    AdaptiveSquareRootRule,
    CentreFacts,
    ConstantRule,
    Controller,
    SquareRootRule,
)
from training.lookahead import FluidLookAheadRule
from training.rllib.session import RayExecutor
from training.search import mean_cost

POLICY = "policy (PPO on surrogate)"
DIRECT = "PPO on simulator, same cost"
STANDARD = "square-root on forecast"
ADAPTIVE = "adaptive square-root (tuned)"
CONSTANT = "best constant"
FLUID = "fluid look-ahead"
RULES = (CONSTANT, STANDARD, ADAPTIVE, FLUID)
_FINALISTS = 4


def evaluate(context: Context, folder: Path) -> dict[str, Any]:
    """Decide between the rules' finalists, then compare everything on fresh common days."""
    del folder
    settings = context.settings
    tuned = json.loads((context.run.folder("pretrain") / "rules.json").read_text())
    began = time.perf_counter()
    with RayExecutor() as executor:
        choice = _choose(context, tuned, executor)
        controllers = _controllers(context, tuned, choice)
        total = len(controllers) * settings.evaluation_days
        seeds = evaluation_seeds(settings.seed, settings.evaluation_days, "comparison")
        with context.reporter.task(f"{len(controllers)} controllers", total) as advance:
            comparison = compare(
                context.recipe, controllers, context.objective, seeds, executor,
                on_progress=lambda done: advance(done, f"{done} days"),
            )  # fmt: skip
    random = stream(settings.seed, "intervals")
    best_rule = comparison.best(RULES)
    table = [_row(comparison, c.name, best_rule, random) for c in controllers]
    against_best = comparison.against(POLICY, best_rule, random)
    verdict = _verdict(comparison, best_rule, against_best, random)
    context.reporter.say(verdict)
    return {
        "days": settings.evaluation_days,
        "seconds": time.perf_counter() - began,
        "table": table,
        "best_rule": best_rule,
        "constant_choice": context.description.decisions[choice.constant].tolist(),
        "policy_against_best_rule": _estimate(against_best),
        "policy_against_standard": _estimate(comparison.against(POLICY, STANDARD, random)),
        "policy_against_direct": _estimate(comparison.against(POLICY, DIRECT, random)),
        "policy_cost_on_surrogate": mean_cost(
            context.surrogate_problem(), controllers[0], 1024, settings.seed + 1
        ),
        "verdict": verdict,
        "costs": {name: costs.tolist() for name, costs in comparison.costs.items()},
        "adaptive_rule": tuned["adaptive_finalists"][choice.adaptive],
    }


def _controllers(context: Context, tuned: dict[str, Any], choice: _Choice) -> list[Controller]:
    facts = CentreFacts.of(context.recipe.system, context.description.nominal)
    return [
        context.controller(context.policy("pretrain", "policy"), POLICY),
        ConstantRule(choice=choice.constant, name=CONSTANT),
        SquareRootRule(facts=facts, name=STANDARD),
        AdaptiveSquareRootRule(
            facts=facts,
            settings=AdaptiveSettings(**tuned["adaptive_finalists"][choice.adaptive]),
            name=ADAPTIVE,
        ),
        FluidLookAheadRule(
            facts=facts,
            model=FluidModel(context.recipe.system, {}),
            objective=context.objective,
            name=FLUID,
        ),
        context.controller(context.policy("pretrain", "direct"), DIRECT),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Which finalists won on the true simulator."""

    constant: int
    adaptive: int


def _choose(context: Context, tuned: dict[str, Any], executor: RayExecutor) -> _Choice:
    """Decide between the search's finalists on true days of their own.

    The surrogate that ranked thousands of candidates is a little wrong; a rule must not lose for
    that reason.
    """
    facts = CentreFacts.of(context.recipe.system, context.description.nominal)
    constants = [
        ConstantRule(choice=int(choice), name=f"constant {choice}")
        for choice in np.argsort(tuned["constant_costs"])[:_FINALISTS]
    ]
    adaptive = [
        AdaptiveSquareRootRule(facts=facts, settings=AdaptiveSettings(**v), name=f"adaptive {i}")
        for i, v in enumerate(tuned["adaptive_finalists"])
    ]
    days = max(4, context.settings.evaluation_days // 2)
    seeds = evaluation_seeds(context.settings.seed, days, "finalists")
    rules: list[Controller] = [*constants, *adaptive]
    total = len(rules) * days
    with context.reporter.task("finalists of the rules", total) as advance:
        found = compare(
            context.recipe, rules, context.objective, seeds, executor,
            on_progress=lambda done: advance(done, f"{done} days"),
        )  # fmt: skip
    constant = found.best([rule.name for rule in constants])
    best = found.best([rule.name for rule in adaptive])
    return _Choice(constant=int(constant.split()[1]), adaptive=int(best.split()[1]))


def _row(
    comparison: Comparison, name: str, best_rule: str, random: np.random.Generator
) -> dict[str, Any]:
    difference = comparison.against(name, best_rule, random)
    return {
        "name": name,
        "cost": _estimate(comparison.mean(name)),
        "against_best_rule": _estimate(difference),
    }


def _estimate(estimate: Estimate) -> dict[str, float]:
    return {
        "value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.count
    }  # fmt: skip


def _verdict(
    comparison: Comparison, best_rule: str, best: Estimate, random: np.random.Generator
) -> str:
    worst = max((comparison.against(POLICY, rule, random) for rule in RULES), key=lambda e: e.high)
    share = f"{best.value:+.1%} [{best.low:+.1%}, {best.high:+.1%}] on {best.count} paired days"
    if worst.high < 0:
        return f"The policy beats every rule: cost {share} against the best ({best_rule})."
    return (
        f"The policy does NOT beat every rule with a paired 95% interval: cost {share} against "
        f"the best ({best_rule})."
    )
