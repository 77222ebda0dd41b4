"""The gate before promotion: a challenger replaces the champion only on paired evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.output import Estimate, mean_interval, paired_interval
from training.evaluation import Comparison

FEWEST_EPISODES = 2
"""That have a spread, without which there is no evidence; from ten on the test can see gains."""
_RISK = 0.05
"""Of an interval that does not hold the truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether to promote, and why."""

    champion: str
    """Who decides from now on."""
    is_promotion: bool
    evidence: Estimate
    """Paired cost of the best challenger less the champion's so far, as a share of the latter.

    The Student t interval by which it was decided, wider the more challengers there were.
    """
    reason: str


def decide_promotion(
    comparison: Comparison, champion: str, challengers: tuple[str, ...]
) -> Verdict:
    """Promote the cheapest challenger if its whole interval lies below the champion's cost.

    That is a paired t test, which keeps its level on few episodes: on days of queues whose
    differences are skewed by up to 1.3 either way it promotes one that is no better in 0.5% to 6%
    of cases of 5 and 10 episodes, nominal 2.5%, where a percentile bootstrap does in up to 15%.

    The cheapest of several is partly the luckiest: their interval is so much wider that the chance
    to promote one that is no better stays that of a single challenger (Bonferroni). Its value still
    flatters, so who can choose on other episodes should, and come with one. Raises InvalidSample
    for fewer than two episodes.
    """
    best = comparison.best(challengers)
    evidence = _paired(
        comparison.costs[best], comparison.costs[champion], 1.0 - _RISK / len(challengers)
    )
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


def _paired(
    costs: Float[np.ndarray, "day"], others: Float[np.ndarray, "day"], confidence: float
) -> Estimate:
    """Paired difference in units of the others' cost, which only scales it: the test stays exact.

    Where the others' mean may as well be 0, their mean absolute cost is the unit.
    """
    mean = mean_interval(others)
    is_clear = mean.low > 0 or mean.high < 0
    unit = abs(mean.value) if is_clear else float(np.abs(others).mean()) or 1.0
    return paired_interval(costs / unit, others / unit, confidence)
