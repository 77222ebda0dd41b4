"""The gate before promotion: a challenger replaces the champion only on paired evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.output import Estimate
from training.evaluation import Comparison

_RISK = 0.05
"""Of an interval that does not hold the truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether to promote, and why."""

    champion: str
    """Who decides from now on."""
    is_promotion: bool
    evidence: Estimate
    """Relative cost of the best challenger against the champion so far."""
    reason: str


def decide_promotion(
    comparison: Comparison, champion: str, challengers: tuple[str, ...], random: np.random.Generator
) -> Verdict:
    """Promote the cheapest challenger if its whole interval lies below the champion's cost.

    The cheapest of several is partly the luckiest: their interval is so much wider that the chance
    to promote one that is no better stays that of a single challenger (Bonferroni). Its value still
    flatters, so who can choose on other episodes should, and come with one.
    """
    best = comparison.best(challengers)
    confidence = 1.0 - _RISK / len(challengers)
    evidence = comparison.against(best, champion, random, confidence)
    is_promotion = evidence.high < 0
    reason = (
        f"{best} costs {evidence.value:+.1%} [{evidence.low:+.1%}, {evidence.high:+.1%}] against "
        f"{champion} on {evidence.count} paired days: "
        + ("promoted" if is_promotion else f"{champion} stays, the gain is not certain")
    )
    return Verdict(
        champion=best if is_promotion else champion,
        is_promotion=is_promotion,
        evidence=evidence,
        reason=reason,
    )
