import numpy as np
import pytest

from sim.errors import InvalidSample
from sim.output import batch_means, mser_warm_up
from tests.sim.series import autoregression


def biased_run(seed: int) -> np.ndarray:
    """Mean 10 and unit innovations, begun 40 too high; the bias falls by a tenth at each step."""
    random = np.random.default_rng(seed)
    return autoregression(random, 2000, persistence=0.9, mean=10.0, start=50.0)


def test_the_least_error_is_found_where_it_can_be_computed_by_hand() -> None:
    """Three batches of 100 and then alternately 1 and -1: dropping just the three is best."""
    values = np.repeat([100.0] * 3 + [1.0, -1.0] * 10, 5)
    warm_up = mser_warm_up(values)
    assert warm_up.observations == 15
    assert warm_up.mser == pytest.approx(20 / 20**2)
    assert warm_up.is_settled


def test_the_warm_up_lasts_until_the_bias_is_lost_in_noise() -> None:
    """The bias falls below the steady state's standard deviation, 2.3, after 27 steps.

    One run's noise may hide part of it: four fifths, 15 steps, are dropped in any.
    """
    warm_ups = [mser_warm_up(biased_run(seed)) for seed in range(100)]
    cut = np.array([warm_up.observations for warm_up in warm_ups])
    assert (cut >= 15).all()
    assert 20 <= np.median(cut) <= 40
    assert np.mean(cut <= 500) > 0.9
    assert np.mean([warm_up.is_settled for warm_up in warm_ups]) > 0.9


def test_the_mean_after_the_warm_up_holds_the_truth() -> None:
    """95% intervals hold it as often as batches of a hundred allow at this persistence, 92%.

    Over 200 runs, within 3.29 binomial errors. The bias of the whole run's mean, 40 x .9 / .1
    over 2,000, is gone up to 3.29 errors of the mean of the runs, .05, and what MSER leaves, .02.
    """
    covered, bias, bias_of_all = [], [], []
    for seed in range(200):
        values = biased_run(seed)
        rest = batch_means(values[mser_warm_up(values).observations :], batches=15).estimate
        covered.append(rest.low <= 10.0 <= rest.high)
        bias.append(rest.value - 10.0)
        bias_of_all.append(values.mean() - 10.0)
    assert np.mean(covered) > 0.92 - 3.29 * np.sqrt(0.92 * 0.08 / 200)
    assert np.mean(bias_of_all) == pytest.approx(0.18, abs=0.05)
    assert abs(np.mean(bias)) < 0.07


def test_a_run_that_drifts_to_its_end_has_not_settled() -> None:
    """Whatever is dropped, dropping more is better: the least is at the end of the range."""
    warm_up = mser_warm_up(np.arange(200.0))
    assert not warm_up.is_settled
    assert warm_up.observations == 100


def test_a_run_without_bias_keeps_most_of_itself() -> None:
    """White noise has nothing to drop; by chance the method drops a little."""
    random = np.random.default_rng(4)
    cut = [mser_warm_up(random.normal(0.0, 1.0, 1000)).observations for _ in range(50)]
    assert np.median(cut) < 150


def test_the_rest_is_everything_after_the_cut() -> None:
    """Values that fill no batch are at the end, and do not shift the cut."""
    values = np.concatenate([np.full(15, 100.0), np.tile([1.0, -1.0, 2.0, -2.0, 0.5], 20)])
    longer = np.concatenate([values, [1.0, -1.0]])
    assert mser_warm_up(longer) == mser_warm_up(values)
    assert mser_warm_up(values, batch_length=1).observations == 15


@pytest.mark.parametrize(
    ("count", "batch_length", "message"),
    [
        (49, 5, "49 values are 9 batches of 5: give at least 50 values"),
        (100, 0, "batch length 0: at least 1"),
        (1, 5, "1 values"),
    ],
)
def test_too_short_a_run_is_refused(count: int, batch_length: int, message: str) -> None:
    """Of nine batches the least error means nothing."""
    with pytest.raises(InvalidSample, match=message):
        mser_warm_up(np.arange(float(count)), batch_length)
