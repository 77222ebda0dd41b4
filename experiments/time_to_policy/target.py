"""When a policy is good enough: it beats the best rule and nearly reaches the best known value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.racing.arrivals import known_costs
from experiments.racing.rows import RULES, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a day of a policy may cost at most."""

    best_rule: str
    rule_cost: float
    best_known: float
    """Least cost of any checkpoint of any arm, and of any rule."""
    cost: float


def target_of(rows: Sequence[Row], reaches: float) -> Target | None:
    """The best rule beaten, and so large a share of the best value known reached; None too soon."""
    rules = next((row.costs for row in rows if row.arm == RULES), None)
    if rules is None or not any(row.curve for row in rows):
        return None
    best_rule = min(rules, key=lambda name: rules[name])
    best = min(known_costs(rows))
    slack = abs(best) * (1.0 / reaches - 1.0)
    return Target(
        best_rule=best_rule,
        rule_cost=rules[best_rule],
        best_known=best,
        cost=min(rules[best_rule], best + slack),
    )
