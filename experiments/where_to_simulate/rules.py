"""Good rules for any scenario: the best constant, and feedback searched for around it."""

from __future__ import annotations

import numpy as np
from scipy.special import logit

from sim.description import Description
from surrogates.design import RoughView
from training.heuristics import ConstantRule, Controller, LinearRule
from training.search import Judge, search_rule

_FEEDBACK = 0.6
"""Largest weight of what is seen, either way, and how far an offset may leave the constant's."""


def find_rules(
    description: Description, judge: Judge, *, rounds: int, candidates: int, seed: int
) -> list[tuple[float, Controller]]:
    """Constants and the finalists among linear rules, with their costs, the cheapest first."""
    constants: list[Controller] = [
        ConstantRule(choice=i) for i in range(len(description.decisions))
    ]
    costs = list(judge(constants))
    box = _around(description, int(np.argmin(costs)))
    search = search_rule(
        lambda values: LinearRule.from_values(description, values),
        box,
        judge,
        rounds=rounds,
        candidates=candidates,
        seed=seed,
    )
    linear: list[Controller] = [
        LinearRule.from_values(description, values) for values in search.finalists
    ]
    found = [*zip(costs, constants, strict=True), *zip(judge(linear), linear, strict=True)]
    return sorted(found, key=lambda each: each[0])


def _around(description: Description, choice: int) -> dict[str, tuple[float, float]]:
    """A box of linear rules in whose middle stands a constant."""
    names = RoughView(description).names
    sizes = [len(lever.levels) for lever in description.levers]
    levels = np.unravel_index(choice, sizes)
    box: dict[str, tuple[float, float]] = {}
    for lever, level, size in zip(description.levers, levels, sizes, strict=True):
        offset = float(logit((level + 0.5) / size))
        box |= {f"{lever.name}: {name}": (-_FEEDBACK, _FEEDBACK) for name in names}
        box[f"{lever.name}: offset"] = (offset - _FEEDBACK, offset + _FEEDBACK)
    return box
