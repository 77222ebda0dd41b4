"""When a policy is good again: most of what can be gained over the old one is gained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.racing.arrivals import known_costs
from experiments.racing.rows import RULES, Row

NEVER, CONDITIONED = "never re-trained", "conditioned, at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a day of a policy may cost at most, for one seed of what was there before."""

    never: float
    """Cost of a day under the old policy."""
    conditioned: float
    """Under the policy that is told of the change."""
    best_known: float
    cost: float


def target_of(rows: Sequence[Row], seed: int, regained: float) -> Target | None:
    """So large a share of the gain regained, by the best policy of any arm and seed; None too soon.

    Each seed has an old policy of its own, so each has a target of its own.
    """
    old = next((r.costs for r in rows if r.arm == RULES and r.seed == seed), None)
    if old is None or not any(row.curve for row in rows):
        return None
    best = min(known_costs(rows))
    return Target(
        never=old[NEVER],
        conditioned=old[CONDITIONED],
        best_known=best,
        cost=best + (1.0 - regained) * (old[NEVER] - best),
    )
