"""What every detector in the table owes, whatever is inside."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from sim.errors import InvalidSettings
from surrogates.errors import InvalidDataset, NotFitted
from tests.training.drift.levels import TwoLevels, days, first_alarm, setting
from training.drift import DETECTORS, Detector, ScoreCusum, calibrate
from training.drift.detectors import Setting
from training.likelihood import DayLikelihood, split_days

EVERY = tuple(DETECTORS)
CALIBRATED = tuple(name for name in EVERY if name not in ("always alarm", "never alarm"))


@cache
def detector(name: str) -> Detector[Any]:
    return calibrate(name, setting(), np.random.default_rng(3))


@pytest.mark.parametrize("name", EVERY)
def test_a_detector_is_called_by_its_key(name: str) -> None:
    """Tables and settings must mean the same detector by the same name."""
    assert isinstance(detector(name), Detector)
    assert detector(name).name == name


@pytest.mark.parametrize("name", EVERY)
def test_a_state_survives_json(name: str) -> None:
    """A watch that was stopped for the night must judge the next day as if it had not stopped."""
    watching, state = detector(name), detector(name).begin()
    for day in split_days(days(16, 2_000)):
        state, _ = watching.observe(state, day)
    resumed = watching.restore(json.loads(json.dumps(state.to_record())))
    for day in split_days(days(3, 3_000, shift=3.0)):
        state, expected = watching.observe(state, day)
        resumed, verdict = watching.observe(resumed, day)
        assert json.dumps(verdict.to_record()) == json.dumps(expected.to_record())


@pytest.mark.parametrize("name", EVERY)
def test_the_same_state_may_be_asked_twice(name: str) -> None:
    """A detector holds no state of its own: what a day would say can be looked at beforehand."""
    watching, state = detector(name), detector(name).begin()
    for day in split_days(days(14, 2_100)):
        state, _ = watching.observe(state, day)
    high = days(1, 3_100, shift=4.0)
    _, expected = watching.observe(state, high)
    after, _ = watching.observe(state, days(1, 3_200))
    _, verdict = watching.observe(state, high)
    assert json.dumps(verdict.to_record()) == json.dumps(expected.to_record())
    assert json.dumps(after.to_record()) != "{}"


@pytest.mark.parametrize("name", CALIBRATED)
def test_false_alarms_keep_to_the_stated_rate(name: str) -> None:
    """One in 40 days is 7.5 in 300, and 22 is the 99.9% quantile at one in 28.

    So far from the wanted run length may 150 days in control mislead a calibration.
    """
    watching, state, alarms = detector(name), detector(name).begin(), 0
    for seen in watching.measure(days(300, 4_000)):
        state, verdict = watching.step(state, seen)
        if verdict.alarm:
            state, alarms = watching.begin(), alarms + 1
    assert alarms <= 22


@pytest.mark.parametrize("name", CALIBRATED)
def test_a_big_step_is_seen_and_named(name: str) -> None:
    """Two deviations in every epoch are beyond doubt in five days, and only one number moved."""
    watching, state = detector(name), detector(name).begin()
    for seen in watching.measure(days(20, 5_000)):
        state, _ = watching.step(state, seen)
    verdict = first_alarm(watching, state, days(5, 6_000, shift=2.0))
    place = verdict.names.index(verdict.drifted[0])
    assert verdict.drifted[0].endswith("first")
    assert verdict.up[place] > verdict.down[place]
    assert 1 <= verdict.since_days <= 8


def test_null_detectors_bound_every_other() -> None:
    """What never and what always answers are the baselines of a study."""
    for name, alarms in (("never alarm", False), ("always alarm", True)):
        _, verdict = detector(name).observe(detector(name).begin(), days(1, 7_000))
        assert verdict.alarm is alarms
        assert verdict.drifted == (verdict.names if alarms else ())


@pytest.mark.parametrize("name", CALIBRATED)
def test_two_days_at_once_are_refused(name: str) -> None:
    """A run length is counted in days, so that two days in one step would promise too much."""
    with pytest.raises(InvalidDataset, match="2 days"):
        detector(name).observe(detector(name).begin(), days(2, 7_100))


def test_detectors_are_rebuilt_from_their_records() -> None:
    """A calibration takes minutes of simulation and must outlive the process that made it."""
    surrogate, seen = TwoLevels(), days(1, 7_200, shift=1.0)
    likelihood = DayLikelihood.at(surrogate, np.ones(2))
    for name in CALIBRATED:
        made: Any = detector(name)
        record = json.loads(json.dumps(made.to_record()))
        around = likelihood if isinstance(made, ScoreCusum) else surrogate
        rebuilt = type(made).from_record(record, around)
        _, expected = made.observe(made.begin(), seen)
        _, verdict = rebuilt.observe(rebuilt.begin(), seen)
        assert verdict.to_record() == expected.to_record()


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """Names come from settings that people write."""
    with pytest.raises(InvalidSettings, match="did you mean 'adwin'"):
        calibrate("adwn", setting(20), np.random.default_rng(1))


def test_scores_need_a_likelihood() -> None:
    """Whoever has a surrogate without one is told which detector asks for less."""

    class Mute:
        name, description, openings = "mute", TwoLevels().description, np.zeros((1, 1))
        sample = TwoLevels.sample

    asked = Setting(
        surrogate=Mute(),
        in_control=days(20, 1_000),
        reference=np.ones(2),
        settings=setting(20).settings,
        seed=1,
    )
    with pytest.raises(NotFitted, match="residual cusum"):
        calibrate("score cusum", asked, np.random.default_rng(1))
