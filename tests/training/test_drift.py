from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from surrogates.errors import InvalidDataset
from training.drift import (
    AlwaysAlarm,
    Detector,
    DetectorSettings,
    DetectorState,
    NeverAlarm,
    ScoreCusum,
    Standard,
    calibrate_detector,
    run_length,
    set_threshold,
    simulate_peaks,
)
from training.likelihood import hidden_parameters

if TYPE_CHECKING:
    from tests.training.conftest import SmallCentre

NAMES = ("arrival_scale", "handle_time_scale", "patience_scale")
SETTINGS = DetectorSettings(resamples=20, chains=50)


@pytest.fixture(scope="module")
def detector(small_centre: SmallCentre) -> ScoreCusum:
    return calibrate_detector(
        small_centre.in_control, small_centre.likelihood(), SETTINGS, np.random.default_rng(1)
    )


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


def test_hidden_parameters_leave_out_what_the_roster_shows(small_centre: SmallCentre) -> None:
    """Staff scales a pool's calendar column, which telemetry holds, so it needs no estimate."""
    assert hidden_parameters(small_centre.surrogate.description) == NAMES


def test_threshold_holds_the_wanted_run_length(detector: ScoreCusum) -> None:
    """The assurance asks for the wanted run length in nine of ten resampled sets."""
    assert detector.run_length.mean > SETTINGS.run_length
    assert detector.run_length.low < detector.run_length.mean < detector.run_length.high


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
        threshold, _ = set_threshold(days, kinds, 5, settings, random)
        standard = Standard.of(days, kinds, 5)
        judged = standard.apply(fresh, np.arange(20_000) % 5)
        peaks = simulate_peaks(judged[None], settings.allowance, settings.clip, 400, 400, random)
        reached += run_length(peaks, threshold) >= 100.0
    assert reached >= 3


def test_fresh_days_raise_few_alarms(small_centre: SmallCentre, detector: ScoreCusum) -> None:
    """At one alarm in 100 days, more than promised, 60 days exceed 3 three times in 1,000."""
    state, alarms = detector.begin(), 0
    for residuals in detector.residuals(small_centre.days(60, 500_000)):
        state, verdict = detector.step(state, residuals)
        if verdict.alarm:
            state, alarms = detector.begin(), alarms + 1
    assert alarms <= 3


@pytest.mark.parametrize("seed", [600_000, 610_000])
def test_longer_handling_and_less_patience_alarm_within_three_days(
    small_centre: SmallCentre, detector: ScoreCusum, seed: int
) -> None:
    """+20% handling moves a day by several deviations; clipped days still cross in three."""
    days = small_centre.days(3, seed, handle_time_scale=1.2, patience_scale=0.7)
    state, named = detector.begin(), set[str]()
    for number in range(2):
        state, verdict = detector.observe(state, days.take(days.episode == seed + number))
        named |= set(verdict.drifted)
    _, verdict = detector.observe(state, days.take(days.episode == seed + 2))
    named |= set(verdict.drifted)
    assert verdict.alarm
    assert verdict.since_days == 3
    assert "handle_time_scale" in named
    assert "arrival_scale" not in verdict.drifted


def test_one_freak_day_alone_is_no_alarm(detector: ScoreCusum) -> None:
    """A public holiday must not retrain the policy: one clipped day stays under the threshold."""
    _, verdict = detector.step(detector.begin(), np.array([30.0, -30.0, 0.0]))
    assert not verdict.alarm
    assert verdict.residuals[0] == 30.0


def test_a_leak_is_not_named(detector: ScoreCusum) -> None:
    """Four days at 15 deviations leak 2.5 into a neighbour, whose own sum then crosses too."""
    state, day = detector.begin(), np.array([2.5, 15.0, -12.0])
    for _ in range(3):
        state, _ = detector.step(state, day)
    _, verdict = detector.step(state, day)
    assert verdict.up[0] >= detector.threshold
    assert verdict.drifted == ("handle_time_scale", "patience_scale")


def test_since_days_counts_from_the_last_zero(detector: ScoreCusum) -> None:
    """Quiet days return the sums to zero, so only days after the change are counted."""
    state = detector.begin()
    for value in (0.0, -0.5, 0.3, 2.0):
        state, _ = detector.step(state, np.array([0.0, value, 0.0]))
    _, verdict = detector.step(state, np.array([0.0, 3.0, 0.0]))
    assert verdict.since_days == 2


def test_a_restart_forgets(detector: ScoreCusum) -> None:
    """After a retraining the evidence against the old reference must not count again."""
    moved = np.array([0.0, 4.0, 0.0])
    state, first = detector.step(detector.begin(), moved)
    state, second = detector.step(state, moved)
    _, restarted = detector.step(detector.begin(), moved)
    assert second.alarm
    assert restarted.to_record() == first.to_record()


def test_records_round_trip(small_centre: SmallCentre, detector: ScoreCusum) -> None:
    """A live stage that is resumed must judge the next day as if it had not stopped."""
    day = small_centre.days(1, 700_000)
    state, _ = detector.observe(detector.begin(), day)
    rebuilt = ScoreCusum.from_record(
        json.loads(json.dumps(detector.to_record())), small_centre.likelihood()
    )
    resumed = DetectorState.from_record(json.loads(json.dumps(state.to_record())))
    _, expected = detector.observe(state, day)
    _, verdict = rebuilt.observe(resumed, day)
    assert json.dumps(verdict.to_record()) == json.dumps(expected.to_record())


def test_a_record_of_another_reference_is_refused(
    small_centre: SmallCentre, detector: ScoreCusum
) -> None:
    """Standardised about one reference, the sums mean nothing about another."""
    record = {**detector.to_record(), "reference": [1.0, 1.1, 1.0, 1.0]}
    with pytest.raises(InvalidDataset, match="calibrate a new one"):
        ScoreCusum.from_record(record, small_centre.likelihood())


def test_two_days_at_once_are_refused(small_centre: SmallCentre, detector: ScoreCusum) -> None:
    """One step of the sums is one day; two in one would halve the evidence."""
    with pytest.raises(InvalidDataset, match="2 days"):
        detector.observe(detector.begin(), small_centre.days(2, 710_000))


def test_few_days_in_control_are_refused(small_centre: SmallCentre) -> None:
    """A width from a handful of days would promise a run length that nobody gets."""
    with pytest.raises(InvalidDataset, match="5 days"):
        calibrate_detector(
            small_centre.days(5, 720_000),
            small_centre.likelihood(),
            SETTINGS,
            np.random.default_rng(1),
        )


@pytest.mark.parametrize(
    ("null", "alarms"), [(NeverAlarm(names=NAMES), False), (AlwaysAlarm(names=NAMES), True)]
)
def test_null_detectors_bound_every_other(
    small_centre: SmallCentre, null: NeverAlarm | AlwaysAlarm, alarms: bool
) -> None:
    """What never and what always retrains are the baselines of a study."""
    state, verdict = null.observe(null.begin(), small_centre.days(1, 730_000))
    assert verdict.alarm is alarms
    assert verdict.drifted == (NAMES if alarms else ())
    assert state.sums.shape == (2, 3)


def test_every_detector_is_one(detector: ScoreCusum) -> None:
    """A study loops over them without asking which is which."""
    for each in (detector, NeverAlarm(), AlwaysAlarm()):
        assert isinstance(each, Detector)


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
