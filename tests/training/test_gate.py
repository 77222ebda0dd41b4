"""Nobody is promoted on hope."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation import Comparison
from training.gate import decide_promotion


def costs(champion: float, challenger: float, noise: float) -> Comparison:
    """Forty paired days that differ much; the challenger costs a noisy share of the champion."""
    random = np.random.default_rng(5)
    days = random.lognormal(9, 0.6, size=40)
    return Comparison(
        costs={
            "champion": champion * days,
            "challenger": challenger * days * (1 + noise * random.standard_normal(40)),
        }
    )


@pytest.mark.parametrize(
    ("challenger", "noise", "is_promotion"),
    [(0.97, 0.02, True), (0.99, 0.20, False), (1.0, 0.0, False), (1.05, 0.01, False)],
)
def test_only_a_certain_gain_promotes(challenger: float, noise: float, is_promotion: bool) -> None:
    """The whole paired interval must lie below the champion's cost, whatever the days were like."""
    verdict = decide_promotion(
        costs(1.0, challenger, noise), "champion", ("challenger",), np.random.default_rng(1)
    )
    assert verdict.is_promotion is is_promotion
    assert verdict.champion == ("challenger" if is_promotion else "champion")
    assert ("promoted" in verdict.reason) is is_promotion


def test_the_cheapest_challenger_is_the_one_that_counts() -> None:
    """Re-trained and fine-tuned compete for one place."""
    days = np.random.default_rng(2).lognormal(9, 0.5, size=30)
    comparison = Comparison(
        costs={"champion": days, "re-trained": 0.95 * days, "fine-tuned": 0.93 * days}
    )
    verdict = decide_promotion(
        comparison, "champion", ("re-trained", "fine-tuned"), np.random.default_rng(1)
    )
    assert verdict.champion == "fine-tuned"
    assert verdict.evidence.value == pytest.approx(-0.07)


def test_one_of_many_must_show_more_than_one_alone() -> None:
    """Of twenty challengers who are no better, one looks surely so at a level of 95 %.

    Sixty gates of twenty equals each promote somebody about as often as a single one may: in 5 % of
    cases, with 3.3 standard errors more; without the wider interval it would be in four of ten.
    """
    promoted = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        days = random.lognormal(9, 0.1, size=60)
        names = tuple(f"challenger {k}" for k in range(20))
        noisy = {name: days * (1 + 0.1 * random.standard_normal(60)) for name in names}
        comparison = Comparison(costs={"champion": days, **noisy})
        promoted += decide_promotion(comparison, "champion", names, random).is_promotion
    assert promoted <= 60 * (0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 60))
