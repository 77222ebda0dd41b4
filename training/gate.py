"""The gate before promotion: a challenger replaces the champion only on paired evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.output import Estimate
from training.evaluation import Comparison


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
    """Promote the cheapest challenger if its whole interval lies below the champion's cost."""
    best = comparison.best(challengers)
    evidence = comparison.against(best, champion, random)
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
