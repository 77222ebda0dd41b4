"""The rules of thumb that a policy has to beat: those of a trade where they fit, else general ones.

A rule book is data: which rule is tuned, in which box, and who else is in the table. For two-tier
centres there are rules that the trade uses; for any simulator there are a constant choice and a
linear rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from envs.problem import Problem
from sim.description import Description
from sim.errors import InvalidSystem
from sim.streams import stream
from sim.system import System
from surrogates.fluid import FluidModel
from training.evaluation import compare, evaluation_seeds
from training.heuristics import (
    ADAPTIVE_BOX,
    AdaptiveSettings,
    AdaptiveSquareRootRule,
    CentreFacts,
    ConstantRule,
    Controller,
    LinearRule,
    SquareRootRule,
)
from training.lookahead import FluidLookAheadRule
from training.plant import Plant
from training.search import InTurn, Judge, SideBySide, search_rule

CONSTANT = "best constant"
STANDARD = "square-root on forecast"
ADAPTIVE = "adaptive square-root (tuned)"
FLUID = "fluid look-ahead"
LINEAR = "linear rule (tuned)"
_MOST_CONSTANTS = 64
"""Constants that are tried; of more joint choices as many drawn at random."""
_FINALISTS = 4
"""Constants between which true days decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """The rules of one scenario."""

    tuned: str
    """Name of the rule that is tuned."""
    box: dict[str, tuple[float, float]]
    """What it is tuned in."""
    build: Callable[[dict[str, float], str], Controller]
    """The tuned rule at a point of the box, under a name."""
    judge: Judge
    """What candidates cost on the surrogate."""
    episodes: int
    """On which each candidate is judged."""
    line_up: Callable[[Controller], Sequence[Controller]]
    """The tuned rule among those with nothing to tune, in the order of the table."""
    constants: tuple[int, ...]
    """Joint choices that are tried as constants."""
    standard: str | None = None
    """The rule that is standard practice, where there is one."""


def rule_book(
    plant: Plant, system: System | None, problem: Problem, *, days: int, episodes: int, seed: int
) -> RuleBook:
    """The trade's rules for a two-tier centre, general ones for anything else.

    Candidates are judged on `problem`, the task on a surrogate: the trade's on so many `days`, the
    others, whose episodes may be long, on so many `episodes`.
    """
    if system is not None:
        try:
            return _for_centres(plant, system, InTurn(problem=problem, days=days, seed=seed), days)
        except InvalidSystem:
            # Those rules know one shape of system, and say so; general rules fit any.
            pass
    judge = SideBySide(problem=problem, days=episodes, seed=seed)
    return _for_any(plant.description, judge, episodes, seed)


def tuned_rules(
    book: RuleBook,
    plant: Plant,
    executor: Executor,
    *,
    rounds: int,
    candidates: int,
    true_days: int,
    seed: int,
) -> list[Controller]:
    """The rules of the book, tuned by a search on the surrogate and a choice on true days."""
    constants = [constant(choice, f"constant {choice}") for choice in book.constants]
    costs = list(book.judge(constants))
    search = search_rule(
        lambda values: book.build(values, book.tuned),
        book.box,
        book.judge,
        rounds=rounds,
        candidates=candidates,
        seed=seed,
    )
    cheapest = [constants[i] for i in np.argsort(costs)[:_FINALISTS]]
    tuned = [book.build(values, f"tuned {i}") for i, values in enumerate(search.finalists)]
    seeds = evaluation_seeds(seed, true_days, "finalists")
    found = compare(plant.build, [*cheapest, *tuned], plant.objective, seeds, executor)
    best = found.best([rule.name for rule in cheapest])
    values = search.finalists[int(found.best([rule.name for rule in tuned]).split()[1])]
    choice = int(best.split()[1])
    return [constant(choice), *book.line_up(book.build(values, book.tuned))]


def _for_centres(plant: Plant, system: System, judge: Judge, days: int) -> RuleBook:
    description = plant.description
    facts = CentreFacts.of(system, description.nominal)
    fluid = FluidLookAheadRule(
        facts=facts, model=FluidModel(system, {}), objective=plant.objective, name=FLUID
    )
    standard = SquareRootRule(facts=facts, name=STANDARD)

    def build(values: dict[str, float], name: str) -> Controller:
        return AdaptiveSquareRootRule(facts=facts, settings=AdaptiveSettings(**values), name=name)

    return RuleBook(
        tuned=ADAPTIVE,
        box=ADAPTIVE_BOX,
        build=build,
        judge=judge,
        episodes=days,
        line_up=lambda tuned: (standard, tuned, fluid),
        constants=tuple(range(len(description.decisions))),
        standard=STANDARD,
    )


def _for_any(description: Description, judge: Judge, episodes: int, seed: int) -> RuleBook:
    choices = np.arange(len(description.decisions))
    if len(choices) > _MOST_CONSTANTS:
        drawn = stream(seed, "constants").choice(choices, _MOST_CONSTANTS, replace=False)
        choices = np.sort(drawn)
    return RuleBook(
        tuned=LINEAR,
        box=LinearRule.box(description),
        build=partial(LinearRule.from_values, description),
        judge=judge,
        episodes=episodes,
        line_up=lambda tuned: (tuned,),
        constants=tuple(choices.tolist()),
    )


def constant(choice: int, name: str = CONSTANT) -> Controller:
    """The same joint choice always."""
    return ConstantRule(choice=choice, name=name)
