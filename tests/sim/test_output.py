import numpy as np
import pytest

from sim.errors import InvalidSample
from sim.output import Estimate, mean_interval, paired_interval, paired_ratio


def test_the_interval_of_a_mean_is_student_s() -> None:
    """For 1..5 the mean is 3, the standard error sqrt(.5) and the 97.5% point of t(4) 2.776445."""
    half_width = 2.7764451 * 0.5**0.5
    interval = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (interval.value, interval.count) == (3.0, 5)
    assert interval.low == pytest.approx(3 - half_width, abs=1e-6)
    assert interval.high == pytest.approx(3 + half_width, abs=1e-6)


def test_more_confidence_takes_a_wider_interval() -> None:
    """The confidence must reach the quantile, and a certain answer is never narrower."""
    values = np.arange(10.0)
    narrow, wide = mean_interval(values, confidence=0.8), mean_interval(values, confidence=0.999)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_mean_s_interval_covers_as_often_as_it_says() -> None:
    """Over 2,000 normal samples 90% of intervals hold the truth, within 3.29 errors of .0067."""
    random = np.random.default_rng(1)
    samples = random.normal(5.0, 2.0, (2000, 8))
    intervals = [mean_interval(row, confidence=0.9) for row in samples]
    covered = np.mean([interval.low <= 5.0 <= interval.high for interval in intervals])
    assert abs(covered - 0.9) < 3.29 * np.sqrt(0.9 * 0.1 / 2000)


def test_pairs_cancel_what_they_share() -> None:
    """Common days make two policies comparable: the shared part must leave the interval."""
    random = np.random.default_rng(2)
    days = random.normal(100.0, 50.0, 30)
    noise = random.normal(1.0, 0.1, 30)
    interval = paired_interval(days + noise, days)
    assert interval == mean_interval(days + noise - days)
    assert interval.high - interval.low < 0.1


def test_the_ratio_of_proportional_costs_is_exact() -> None:
    """When one cost is always 10% above the other, no resample can say anything else."""
    costs = np.array([3.0, 8.0, 5.0, 13.0])
    ratio = paired_ratio(1.1 * costs, costs, np.random.default_rng(0))
    assert isinstance(ratio, Estimate)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((0.1, 0.1, 0.1))
    assert ratio.count == 4


def test_the_ratio_s_interval_covers_about_as_often_as_it_says() -> None:
    """A percentile bootstrap of 40 pairs covers a little under 95%: .945 +- .025.

    The half-width is 3.29 binomial errors of 800 samples; a wrong pairing falls far outside.
    """
    random = np.random.default_rng(3)
    covered = []
    for _ in range(800):
        days = random.lognormal(0.0, 0.5, 40)
        first = 0.9 * days * random.lognormal(0.0, 0.1, 40)
        ratio = paired_ratio(first, days, random, resamples=400)
        truth = 0.9 * np.exp(0.1**2 / 2) - 1
        covered.append(ratio.low <= truth <= ratio.high)
    assert abs(np.mean(covered) - 0.94) < 0.028


def test_the_same_generator_gives_the_same_ratio() -> None:
    """A bootstrap draws at random, so a report can only be repeated from its seed."""
    first, second = np.arange(1.0, 9.0), np.arange(2.0, 10.0)
    one, other = (paired_ratio(first, second, np.random.default_rng(7)) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "0 values"),
        ([1.0], "1 values"),
        ([1.0, float("nan")], "value 2 is nan"),
        ([float("inf"), 1.0], "value 1 is inf"),
    ],
)
def test_too_little_or_broken_data_is_refused(values: list[float], message: str) -> None:
    """An interval of nothing would be printed as a figure."""
    with pytest.raises(InvalidSample, match=message):
        mean_interval(values)
    with pytest.raises(InvalidSample, match=message):
        paired_interval(values, values)
    with pytest.raises(InvalidSample, match=message):
        paired_ratio(values, values, np.random.default_rng(0))


def test_lists_that_cannot_be_pairs_are_refused() -> None:
    """Cutting the longer list would pair different days."""
    with pytest.raises(InvalidSample, match="3 and 2 values"):
        paired_interval([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(InvalidSample, match="2 and 3 values"):
        paired_ratio([1.0, 2.0], [1.0, 2.0, 3.0], np.random.default_rng(0))


def test_a_ratio_to_a_mean_about_zero_is_refused() -> None:
    """Relative to nothing there is no difference; its interval would be meaningless."""
    with pytest.raises(InvalidSample, match="may as well be 0"):
        paired_ratio([1.0, 2.0, 3.0], [-1.0, 2.0, -1.0], np.random.default_rng(0))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_that_is_no_probability_is_refused(confidence: float) -> None:
    """95 instead of .95 is an easy slip, and must not give NaN."""
    with pytest.raises(InvalidSample, match=f"confidence {confidence}"):
        mean_interval([1.0, 2.0], confidence=confidence)


def test_the_half_width_is_half_of_the_interval() -> None:
    """Precision is asked for and reported in half-widths."""
    interval = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert interval.half_width == pytest.approx(2.7764451 * 0.5**0.5, abs=1e-6)
