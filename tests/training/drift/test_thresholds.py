"""Thresholds of cumulative sums: the wanted run length, and what standardising adds to it."""

from __future__ import annotations

import numpy as np
import pytest

from training.drift import DetectorSettings, Standard, run_length, set_threshold, simulate_peaks
from training.drift.thresholds import StandardisedBy


def test_run_length_agrees_with_siegmund() -> None:
    """For normal days Siegmund (1985) gives the run length of a sum, half of it for two sides.

    His approximation is within 1% here (372 against the tabled 370); 1,000 alarms have a standard
    error of 3.2%, so a 99.9% half-width of 10.5%.
    """
    allowance, threshold = 0.5, 4.77
    raised = 2 * allowance * (threshold + 1.166)
    one_sided = (np.exp(raised) - raised - 1) / (2 * allowance**2)
    random = np.random.default_rng(3)
    days = random.standard_normal((1, 200_000, 1))
    peaks = simulate_peaks(days, allowance, 10.0, 2500, 1000, random)
    assert run_length(peaks, threshold) == pytest.approx(one_sided / 2, rel=0.115)


def test_the_assurance_holds_where_the_truth_is_known() -> None:
    """On normal days the true run length can be simulated for each calibration from 200 of them.

    Four of five calibrations are assured the wanted run length; of 8, fewer than 3 would have it
    with probability 0.1%.
    """
    random = np.random.default_rng(6)
    settings = DetectorSettings(run_length=100.0, assurance=0.8, resamples=20, chains=40)
    fresh, kinds = random.standard_normal((20_000, 3)), np.arange(200) % 5
    reached = 0
    for _ in range(8):
        days = random.standard_normal((200, 3))
        threshold, _ = set_threshold(_standardised_by(days, kinds), 200, settings, random)
        standard = Standard.of(days, kinds, 5)
        judged = standard.apply(fresh, np.arange(20_000) % 5)
        peaks = simulate_peaks(judged[None], settings.allowance, settings.clip, 400, 400, random)
        reached += run_length(peaks, threshold) >= 100.0
    assert reached >= 3


def _standardised_by(days: np.ndarray, kinds: np.ndarray) -> StandardisedBy:
    return lambda rows: Standard.of(days[rows], kinds[rows], 5).apply(days, kinds)


def test_long_runs_take_little_memory() -> None:
    """Peaks are kept where they rise, so that years between alarms cost no more than weeks.

    A peak over n days rises about log(n) times more, where all of its days would be n numbers.
    """
    days = np.random.default_rng(7).standard_normal((2, 150, 3))
    risen = []
    for steps in (500, 5000):
        peaks = simulate_peaks(days, 1.0, 4.0, steps, 20, np.random.default_rng(7))
        risen.append(len(peaks.height))
        crossed = peaks.crossings(peaks.highest)
        assert np.count_nonzero(crossed < steps) == 1
        assert np.all(peaks.crossings(0.5) < steps)
    assert risen[1] < 2 * risen[0]


def test_a_kind_of_day_is_measured_against_its_own() -> None:
    """Mondays are busier: their own mean is taken off, drawn to all days when few were seen."""
    random = np.random.default_rng(5)
    kinds = np.arange(1000) % 2
    estimates = random.standard_normal((1000, 1)) + 3.0 * kinds[:, None]
    standard = Standard.of(estimates, kinds, 3)
    residuals = standard.apply(estimates, kinds)
    # 500 days a kind: a 99.9% half-width of 0.15, and the draw of 5 days in 505 adds 0.015.
    assert np.abs([residuals[kinds == k].mean() for k in (0, 1)]).max() < 0.165
    np.testing.assert_allclose(standard.centre[2], estimates.mean(axis=0))


@pytest.mark.parametrize(
    "bad",
    [{"run_length": 1.0}, {"allowance": 0.0}, {"clip": 0.5}, {"assurance": 1.0}, {"resamples": 1}],
)
def test_nonsense_settings_are_refused(bad: dict[str, float]) -> None:
    """A clip below the allowance, say, could never alarm."""
    with pytest.raises(ValueError, match="allowance"):
        DetectorSettings(**bad)  # type: ignore[arg-type]
