"""Stage 6: every controller on the true simulator, greedy, on the same days."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from experiments.rule_book import RuleBook, constant
from sim.output import Estimate
from sim.streams import stream
from training.evaluation import Comparison, compare, evaluation_seeds
from training.heuristics import Controller
from training.rllib.session import RayExecutor
from training.search import mean_cost

POLICY = "policy (PPO on surrogate)"
DIRECT = "PPO on simulator, same cost"
_FINALISTS = 4


def evaluate(context: Context, folder: Path) -> dict[str, Any]:
    """Decide between the rules' finalists, then compare everything on fresh common days."""
    del folder
    settings, book = context.settings, context.rule_book()
    tuned = json.loads((context.run.folder("pretrain") / "rules.json").read_text())
    began = time.perf_counter()
    with RayExecutor() as executor:
        choice = _choose(context, book, tuned, executor)
        rules = _rules(book, tuned, choice)
        controllers = [
            context.plant.controller(context.policy("pretrain", "policy"), POLICY),
            *rules,
            context.plant.controller(context.policy("pretrain", "direct"), DIRECT),
        ]
        total = len(controllers) * settings.evaluation_days
        seeds = evaluation_seeds(settings.seed, settings.evaluation_days, "comparison")
        with context.reporter.task(f"{len(controllers)} controllers", total) as advance:
            comparison = compare(
                context.build, controllers, context.objective, seeds, executor,
                on_progress=lambda done: advance(done, f"{done} {context.episode}s"),
            )  # fmt: skip
    random = stream(settings.seed, "intervals")
    names = [rule.name for rule in rules]
    best_rule = comparison.best(names)
    table = [_row(comparison, c.name, best_rule, random) for c in controllers]
    against_best = comparison.against(POLICY, best_rule, random)
    verdict = _verdict(comparison, names, best_rule, against_best, random, context.episode)
    context.reporter.say(verdict)
    return {
        "days": settings.evaluation_days,
        "episode": context.episode,
        "unit": context.scenario.costs.unit,
        "seconds": time.perf_counter() - began,
        "table": table,
        "best_rule": best_rule,
        "constant_choice": context.description.decisions[choice.constant].tolist(),
        "policy_against_best_rule": _estimate(against_best),
        "policy_against_standard": None
        if book.standard is None
        else _estimate(comparison.against(POLICY, book.standard, random)),
        "policy_against_direct": _estimate(comparison.against(POLICY, DIRECT, random)),
        "policy_cost_on_surrogate": mean_cost(
            context.surrogate_problem(), controllers[0], context.worth(1024, least=16),
            settings.seed + 1,
        ),
        "verdict": verdict,
        "costs": {name: costs.tolist() for name, costs in comparison.costs.items()},
        "tuned_rule": tuned["tuned_finalists"][choice.tuned],
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """Which finalists won on the true simulator."""

    constant: int
    tuned: int


def _rules(book: RuleBook, tuned: dict[str, Any], choice: _Choice) -> list[Controller]:
    best = book.build(tuned["tuned_finalists"][choice.tuned], book.tuned)
    return [constant(choice.constant), *book.line_up(best)]


def _choose(
    context: Context, book: RuleBook, tuned: dict[str, Any], executor: RayExecutor
) -> _Choice:
    """Decide between the search's finalists on true episodes of their own.

    The surrogate that ranked thousands of candidates is a little wrong; a rule must not lose for
    that reason.
    """
    cheapest = np.argsort(tuned["constant_costs"])[:_FINALISTS]
    choices = [tuned["constants"][position] for position in cheapest]
    constants = [constant(choice, f"constant {choice}") for choice in choices]
    finalists = [book.build(v, f"tuned {i}") for i, v in enumerate(tuned["tuned_finalists"])]
    days = max(4, context.settings.evaluation_days // 2)
    seeds = evaluation_seeds(context.settings.seed, days, "finalists")
    rules: list[Controller] = [*constants, *finalists]
    total = len(rules) * days
    with context.reporter.task("finalists of the rules", total) as advance:
        found = compare(
            context.build, rules, context.objective, seeds, executor,
            on_progress=lambda done: advance(done, f"{done} {context.episode}s"),
        )  # fmt: skip
    best_constant = found.best([rule.name for rule in constants])
    best = found.best([rule.name for rule in finalists])
    return _Choice(constant=int(best_constant.split()[1]), tuned=int(best.split()[1]))


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
    comparison: Comparison,
    rules: list[str],
    best_rule: str,
    best: Estimate,
    random: np.random.Generator,
    episode: str,
) -> str:
    worst = max((comparison.against(POLICY, rule, random) for rule in rules), key=lambda e: e.high)
    interval = f"[{best.low:+.1%}, {best.high:+.1%}]"
    share = f"{best.value:+.1%} {interval} on {best.count} paired {episode}s"
    if worst.high < 0:
        return f"The policy beats every rule: cost {share} against the best ({best_rule})."
    return (
        f"The policy does NOT beat every rule with a paired 95% interval: cost {share} against "
        f"the best ({best_rule})."
    )
