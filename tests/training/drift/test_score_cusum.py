from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from surrogates.errors import InvalidDataset
from training.drift import DetectorSettings, DetectorState, ScoreCusum, calibrate_detector
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


def test_hidden_parameters_leave_out_what_the_roster_shows(small_centre: SmallCentre) -> None:
    """Staff scales a pool's calendar column, which telemetry holds, so it needs no estimate."""
    assert hidden_parameters(small_centre.surrogate.description) == NAMES


def test_threshold_holds_the_wanted_run_length(detector: ScoreCusum) -> None:
    """The assurance asks for the wanted run length in nine of ten resampled sets."""
    assert detector.run_length.mean > SETTINGS.run_length
    assert detector.run_length.low < detector.run_length.mean < detector.run_length.high


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
