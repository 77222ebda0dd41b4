"""The rules of thumb that a policy has to beat: those of a trade where they fit, else general ones.

A rule book is data: which rule is tuned, in which box, and who else is in the table. For two-tier
centres there are rules that the trade uses; for any simulator there are a constant choice and a
linear rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.main_job.context import Context
from sim.errors import InvalidSystem
from sim.streams import stream
from sim.system import System
from surrogates.fluid import FluidModel
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
from training.search import InTurn, Judge, SideBySide

CONSTANT = "best constant"
STANDARD = "square-root on forecast"
ADAPTIVE = "adaptive square-root (tuned)"
FLUID = "fluid look-ahead"
LINEAR = "linear rule (tuned)"
_MOST_CONSTANTS = 64
"""Constants that are tried; of more joint choices as many drawn at random."""
_FEWEST_EPISODES = 4
"""Of long episodes, on which a candidate is judged."""


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


def rule_book(context: Context) -> RuleBook:
    """The trade's rules for a two-tier centre, general ones for anything else."""
    if context.system is not None:
        try:
            return _for_centres(context, context.system)
        except InvalidSystem:
            # Those rules know one shape of system, and say so; general rules fit any.
            pass
    return _for_any(context)


def _for_centres(context: Context, system: System) -> RuleBook:
    facts = CentreFacts.of(system, context.description.nominal)
    fluid = FluidLookAheadRule(
        facts=facts, model=FluidModel(system, {}), objective=context.objective, name=FLUID
    )
    standard = SquareRootRule(facts=facts, name=STANDARD)
    settings = context.settings

    def build(values: dict[str, float], name: str) -> Controller:
        return AdaptiveSquareRootRule(facts=facts, settings=AdaptiveSettings(**values), name=name)

    return RuleBook(
        tuned=ADAPTIVE,
        box=ADAPTIVE_BOX,
        build=build,
        judge=InTurn(
            problem=context.surrogate_problem(), days=settings.search_days, seed=settings.seed
        ),
        episodes=settings.search_days,
        line_up=lambda tuned: (standard, tuned, fluid),
        constants=tuple(range(len(context.description.decisions))),
        standard=STANDARD,
    )


def _for_any(context: Context) -> RuleBook:
    description, seed = context.description, context.settings.seed
    episodes = context.worth(context.settings.search_days, least=_FEWEST_EPISODES)
    choices = np.arange(len(description.decisions))
    if len(choices) > _MOST_CONSTANTS:
        drawn = stream(seed, "constants").choice(choices, _MOST_CONSTANTS, replace=False)
        choices = np.sort(drawn)
    return RuleBook(
        tuned=LINEAR,
        box=LinearRule.box(description),
        build=partial(LinearRule.from_values, description),
        judge=SideBySide(problem=context.surrogate_problem(), days=episodes, seed=seed),
        episodes=episodes,
        line_up=lambda tuned: (tuned,),
        constants=tuple(choices.tolist()),
    )


def constant(choice: int, name: str = CONSTANT) -> Controller:
    """The same joint choice always."""
    return ConstantRule(choice=choice, name=name)
