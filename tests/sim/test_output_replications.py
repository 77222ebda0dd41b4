from collections.abc import Callable

import numpy as np
import pytest

from sim.errors import InvalidSample
from sim.output import mean_interval, replicate


def normal_run(mean: float, deviation: float, seed: int = 0) -> Callable[[int], float]:
    def run(number: int) -> float:
        return float(np.random.default_rng([seed, number]).normal(mean, deviation))

    return run


def test_it_stops_at_the_first_replication_that_is_precise_enough() -> None:
    """With one fewer the interval was still too wide; both are computed here from the values."""
    result = replicate(normal_run(10.0, 3.0), relative_precision=0.05)
    values = result.values[:, 0]

    def relative(count: int) -> float:
        interval = mean_interval(values[:count])
        return interval.half_width / (interval.value - interval.half_width)

    assert result.is_met
    assert len(values) > 11
    assert relative(len(values)) <= 0.05 < relative(len(values) - 1)
    assert result.relative_precision == pytest.approx(relative(len(values)))
    assert result.estimates == (mean_interval(values),)


def test_half_the_width_takes_about_four_times_the_replications() -> None:
    """A half-width falls with the root: about (1.96 x .3 / .1)^2 = 35 and 138 of them.

    Each count varies by 24% and 12%, so that means over 20 seeds are within a fifth and a tenth.
    """
    counts = [
        np.mean([len(replicate(normal_run(10.0, 3.0, seed), p).values) for seed in range(20)])
        for p in (0.1 / 0.9, 0.05 / 0.95)
    ]
    assert counts[0] == pytest.approx(35, rel=0.2)
    assert counts[1] == pytest.approx(138, rel=0.1)


def test_the_error_keeps_to_the_precision_as_often_as_it_says() -> None:
    """At 90% the mean misses the truth by over 15% in a tenth of cases at most.

    Of 300 cases, 3.29 binomial errors more are chance, and two points the price of looking.
    """
    missed = []
    for seed in range(300):
        value = replicate(normal_run(10.0, 4.0, seed), 0.15, confidence=0.9).estimates[0].value
        missed.append(abs(value - 10.0) > 1.5)
    assert np.mean(missed) < 0.1 + 0.02 + 3.29 * np.sqrt(0.1 * 0.9 / 300)


def test_every_figure_of_a_run_must_be_precise() -> None:
    """The noisier of two figures decides when to stop."""
    quiet, noisy = normal_run(10.0, 0.5, 1), normal_run(10.0, 3.0, 2)
    both = replicate(lambda number: np.array([quiet(number), noisy(number)]), 0.05)
    alone = replicate(noisy, 0.05)
    assert len(both.values) == len(alone.values)
    assert both.estimates[1] == alone.estimates[0]
    assert both.estimates[0].half_width < both.estimates[1].half_width


def test_a_precision_out_of_reach_is_said_not_to_be_met() -> None:
    """The most replications bound the time; whoever reads the figure must know."""
    result = replicate(normal_run(10.0, 3.0), 0.001, first=5, most=30)
    assert not result.is_met
    assert len(result.values) == 30
    assert result.relative_precision > 0.001
    about_zero = replicate(normal_run(0.0, 1.0), 0.5, most=20)
    assert not about_zero.is_met
    assert about_zero.relative_precision == float("inf")


def test_a_figure_that_never_varies_is_precise_at_once() -> None:
    """No customer ever lost is an answer, and must not run to the most replications."""
    result = replicate(lambda number: 0.0, 0.05, first=4)
    assert result.is_met
    assert len(result.values) == 4


def test_replications_are_numbered_from_zero() -> None:
    """The number chooses the streams, so that each must be asked for once and in order."""
    asked: list[int] = []

    def run(number: int) -> float:
        asked.append(number)
        return 1.0 + number % 2

    replicate(run, 1e-9, most=12)
    assert asked == list(range(12))


@pytest.mark.parametrize(
    ("precision", "first", "most", "message"),
    [
        (0.0, 10, 20, "relative_precision 0.0: above 0"),
        (float("nan"), 10, 20, "relative_precision nan"),
        (0.1, 1, 20, "1 first and 20 most replications: 2 <= first <= most"),
        (0.1, 30, 20, "30 first and 20 most"),
    ],
)
def test_plans_that_cannot_be_followed_are_refused(
    precision: float, first: int, most: int, message: str
) -> None:
    """Refused before the first run, which may take an hour."""

    def run(number: int) -> float:
        raise AssertionError("a run began")

    with pytest.raises(InvalidSample, match=message):
        replicate(run, precision, first=first, most=most)


def test_a_replication_that_gives_no_number_is_named() -> None:
    """One NaN would make every later interval NaN and run to the end."""
    with pytest.raises(InvalidSample, match="replication 3 gave"):
        replicate(lambda number: float("nan") if number == 3 else 1.0, 0.1)
