import numpy as np
import pytest

from sim.errors import InvalidSample
from sim.output import batch_means, lag_one_correlation, mean_interval
from tests.sim.series import autoregression, stationary_start


def steady_run(random: np.random.Generator, count: int, persistence: float) -> np.ndarray:
    start = stationary_start(random, persistence=persistence, mean=3.0)
    return autoregression(random, count, persistence=persistence, mean=3.0, start=start)


def test_an_interval_from_one_run_covers_as_often_as_it_says() -> None:
    """Batches of 100 are nearly independent at persistence .5: 90% within 3.29 binomial errors.

    Taking the values for independent, as a check that the test can fail, covers far less.
    """
    random = np.random.default_rng(5)
    covered, naive = [], []
    for _ in range(600):
        values = steady_run(random, 2000, 0.5)
        interval, wrong = batch_means(values, confidence=0.9).estimate, mean_interval(values, 0.9)
        covered.append(interval.low <= 3.0 <= interval.high)
        naive.append(wrong.low <= 3.0 <= wrong.high)
    bound = 3.29 * np.sqrt(0.9 * 0.1 / 600)
    assert abs(np.mean(covered) - 0.9) < bound
    assert np.mean(naive) < 0.9 - bound


def test_batches_that_are_too_short_show_in_their_correlation() -> None:
    """At persistence .95 batches of 5 are correlated in any run, batches of 500 hardly ever."""
    random = np.random.default_rng(6)
    runs = [steady_run(random, 2000, 0.95) for _ in range(40)]
    assert not any(batch_means(run[:200], batches=40).looks_independent for run in runs)
    long = [batch_means(steady_run(random, 5000, 0.95), batches=10) for _ in range(40)]
    assert np.mean([means.looks_independent for means in long]) > 0.8


def test_independent_batches_are_doubted_one_time_in_twenty() -> None:
    """The check is a test of size 5%: over 2,000 runs within 3.29 binomial errors of .0049.

    Its normal approximation may add a point at 20 batches.
    """
    random = np.random.default_rng(7)
    doubted = [not batch_means(random.normal(0.0, 1.0, 40)).looks_independent for _ in range(2000)]
    assert abs(np.mean(doubted) - 0.05) < 3.29 * np.sqrt(0.05 * 0.95 / 2000) + 0.01


def test_the_batches_are_the_last_and_of_equal_length() -> None:
    """What does not fill a batch is at the front, where a rest of the warm-up would be."""
    values = np.concatenate([[1e6, 1e6], np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 3)])
    result = batch_means(values, batches=5)
    assert result.estimate == mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert result.batch_length == 3
    assert result.lag_one_correlation == pytest.approx(0.4)


def test_the_correlation_of_a_constant_is_none() -> None:
    """Nothing varies, so nothing varies together; a division by 0 would give NaN."""
    assert lag_one_correlation(np.ones(8)) == 0.0
    assert lag_one_correlation(np.array([1.0, -1.0, 1.0, -1.0])) == pytest.approx(-0.75)


@pytest.mark.parametrize(
    ("count", "batches", "message"),
    [
        (100, 4, "4 batches: at least 5"),
        (39, 20, "39 values for 20 batches: give at least 40 values, or fewer batches"),
    ],
)
def test_too_few_batches_are_refused(count: int, batches: int, message: str) -> None:
    """Four means tell little of their own variance, and batches of one are the values."""
    with pytest.raises(InvalidSample, match=message):
        batch_means(np.arange(float(count)), batches)


def test_a_confidence_that_is_no_probability_is_refused_here_too() -> None:
    """95 instead of .95 is an easy slip."""
    with pytest.raises(InvalidSample, match=r"confidence 95\.0"):
        batch_means(np.arange(100.0), confidence=95.0)
