"""Nobody is promoted on hope."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sim.errors import InvalidParameters
from training.evaluation import Comparison
from training.gate import decide_promotion
from training.loop import RetrainSettings


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
    verdict = decide_promotion(costs(1.0, challenger, noise), "champion", ("challenger",))
    assert verdict.is_promotion is is_promotion
    assert verdict.champion == ("challenger" if is_promotion else "champion")
    assert ("promoted" in verdict.reason) is is_promotion


def test_the_cheapest_challenger_is_the_one_that_counts() -> None:
    """Re-trained and fine-tuned compete for one place."""
    days = np.random.default_rng(2).lognormal(9, 0.5, size=30)
    comparison = Comparison(
        costs={"champion": days, "re-trained": 0.95 * days, "fine-tuned": 0.93 * days}
    )
    verdict = decide_promotion(comparison, "champion", ("re-trained", "fine-tuned"))
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
        promoted += decide_promotion(comparison, "champion", names).is_promotion
    assert promoted <= 60 * (0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 60))


@pytest.mark.parametrize("days", [2, 5, 10])
def test_few_days_promote_the_no_better_as_seldom_as_many(days: int) -> None:
    """A challenger that is no better is promoted in 2.5% of gates, whatever their length.

    Of 4000 gates, give or take 3.3 standard errors; a percentile bootstrap does in 8% at five days.
    """
    random, promoted, gates = np.random.default_rng(8), 0, 4000
    for _ in range(gates):
        champion = random.lognormal(9, 0.3, size=days)
        challenger = champion + 800 * random.standard_normal(days)
        comparison = Comparison(costs={"champion": champion, "challenger": challenger})
        promoted += decide_promotion(comparison, "champion", ("challenger",)).is_promotion
    assert promoted / gates == pytest.approx(0.025, abs=3.3 * np.sqrt(0.025 * 0.975 / gates))


@pytest.mark.parametrize("level", [1.0, -1.0])
def test_evidence_is_the_test_that_decided(level: float) -> None:
    """Who reads the interval must see why, whether costs are spent or earned.

    A Student t interval of the paired differences, in units of what the champion costs.
    """
    champion = level * np.array([90.0, 110.0, 95.0, 105.0])
    challenger = champion - np.array([3.0, 5.0, 4.0, 8.0])
    verdict = decide_promotion(
        Comparison(costs={"champion": champion, "challenger": challenger}),
        "champion",
        ("challenger",),
    )
    half = stats.t.ppf(0.975, 3) * np.sqrt(14 / 3) / np.sqrt(4)
    evidence = verdict.evidence
    assert evidence.value == pytest.approx(-0.05)
    assert (evidence.low, evidence.high) == pytest.approx((-0.05 - half / 100, -0.05 + half / 100))
    assert verdict.is_promotion


@pytest.mark.parametrize("episodes", [0, 1])
def test_a_gate_without_a_spread_is_refused_before_anything_is_trained(episodes: int) -> None:
    """One episode cannot tell a gain from luck, which must not be found out after hours."""
    with pytest.raises(InvalidParameters, match=f"gate_episodes {episodes}: at least 2"):
        RetrainSettings(gate_episodes=episodes)
