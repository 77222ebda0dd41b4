from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from jaxtyping import Float

from sim.errors import InvalidParameters
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import InvalidDataset
from surrogates.flow import FlowSurrogate
from tests.training.drift import levels
from tests.training.drift.levels import TwoLevels
from training.calibrate import (
    Calibration,
    calibrate_parameters,
    calibrate_since_change,
    refine_calibration,
)
from training.likelihood import (
    DayLikelihood,
    InControl,
    LikelihoodSurrogate,
    first_rows,
    split_days,
)
from training.simultaneous import simultaneous_quantile

if TYPE_CHECKING:
    from tests.training.conftest import SmallCentre


@pytest.fixture(scope="module")
def control(small_centre: SmallCentre) -> InControl:
    return InControl.measure(small_centre.likelihood(), small_centre.in_control)


@pytest.fixture(scope="module")
def changed_days(small_centre: SmallCentre) -> Transitions:
    return small_centre.days(3, 800_000, handle_time_scale=1.2, patience_scale=0.7)


def test_the_flow_surrogate_has_a_likelihood(small_centre: SmallCentre) -> None:
    """The protocol is checked at run time by those who pick a surrogate family."""
    assert isinstance(small_centre.surrogate, LikelihoodSurrogate)


def test_day_values_add_up_the_rows_of_each_day(small_centre: SmallCentre) -> None:
    """Days are told apart by episode, wherever their rows stand."""
    days = small_centre.days(2, 810_000)
    shuffled = days.take(np.random.default_rng(0).permutation(len(days)))
    likelihood = small_centre.likelihood()
    values = likelihood.values(shuffled, likelihood.centre[None, :])[0]
    rows = small_centre.surrogate.log_prob(days)
    order = shuffled.episode[first_rows(shuffled)]
    expected = [rows[days.episode == episode].sum() for episode in order]
    # Single precision in the network: 1e-6 of about 1,000 nats.
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_the_information_is_symmetric_and_positive(control: InControl) -> None:
    """It is inverted every evening."""
    np.testing.assert_allclose(control.information, control.information.T, rtol=1e-12)
    assert np.linalg.eigvalsh(control.information)[0] > 0


def test_a_one_step_estimate_of_days_in_control_is_zero_on_average(
    small_centre: SmallCentre, control: InControl
) -> None:
    """The surrogate's lean on unchanged days is taken off exactly."""
    scores = small_centre.likelihood().scores(small_centre.in_control)
    np.testing.assert_allclose(control.one_step(scores).mean(axis=0), 0.0, atol=1e-9)


def test_the_days_before_a_change_are_left_out(
    small_centre: SmallCentre, control: InControl, changed_days: Transitions
) -> None:
    """An alarm may look back too far; a mean over both regimes would be true of neither."""
    days = concatenate([small_centre.days(4, 820_000), changed_days])
    found = calibrate_since_change(small_centre.likelihood(), days, control)
    alone = calibrate_parameters(small_centre.likelihood(), changed_days, control)
    assert found.days == 3
    assert [e.value for e in found.estimates] == pytest.approx([e.value for e in alone.estimates])


def test_a_changed_centre_is_named_and_recovered(
    small_centre: SmallCentre, control: InControl, changed_days: Transitions
) -> None:
    """Three days hold thousands of calls, so what moved is clear and what did not is left alone.

    The surrogate is small and fitted on few days, hence a tolerance beside the interval: 0.03 for
    handling times and 0.06 for patience, a sixth and a fifth of the change.
    """
    found = calibrate_parameters(small_centre.likelihood(), changed_days, control)
    arrivals, handling, patience = found.estimates
    assert set(found.moved) == {"handle_time_scale", "patience_scale"}
    assert handling.low - 0.03 < 1.2 < handling.high + 0.03
    assert patience.low - 0.06 < 0.7 < patience.high + 0.06
    assert arrivals.low < 1.0 < arrivals.high
    assert found.is_inside_box
    assert found.days == 3


def test_a_search_ends_where_the_likelihood_is_noise(
    small_centre: SmallCentre,
    control: InControl,
    changed_days: Transitions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two climbs of seven steps take 33 evaluations; to the last of its digits they took 150."""
    evaluated, log_prob = [], FlowSurrogate.log_prob

    def counted(surrogate: FlowSurrogate, days: Transitions) -> Float[np.ndarray, "batch"]:
        evaluated.append(len(days))
        return log_prob(surrogate, days)

    monkeypatch.setattr(FlowSurrogate, "log_prob", counted)
    calibrate_parameters(small_centre.likelihood(), changed_days, control)
    assert len(evaluated) < 75


def test_refining_removes_the_bias_of_the_surrogate(
    small_centre: SmallCentre, control: InControl, changed_days: Transitions
) -> None:
    """Days simulated at the estimate show how far it is off there: the interval then holds."""
    first = calibrate_parameters(small_centre.likelihood(), changed_days, control)
    names = [p.name for p in small_centre.surrogate.description.parameters]

    def simulate(parameters: Float[np.ndarray, "parameter"]) -> Transitions:
        changed = dict(zip(names, map(float, parameters), strict=True))
        return small_centre.days(20, 820_000, **changed)

    refined = refine_calibration(first, small_centre.surrogate, changed_days, control, simulate)
    truth = {"arrival_scale": 1.0, "handle_time_scale": 1.2, "patience_scale": 0.7}
    for estimate in refined.estimates:
        # Four standard errors: all three miss it less often than one time in 5,000.
        assert abs(estimate.value - truth[estimate.name]) < 4 * estimate.standard_error
        assert estimate.start == 1.0
        assert estimate.half_width == pytest.approx(first.estimates[0].half_width)


def test_intervals_cover_the_truth_as_often_as_they_say(
    small_centre: SmallCentre, control: InControl
) -> None:
    """All intervals of a day together at 95%: of 8 days fewer than 5 has probability 0.04%.

    Over 60 days of this centre they held all three truths on 54, and 174 of 180 one by one.
    """
    likelihood = small_centre.likelihood()
    covered = [
        not calibrate_parameters(likelihood, day, control).moved
        for day in split_days(small_centre.days(8, 840_000))
    ]
    assert sum(covered) >= 5
    assert len(covered) == 8


def test_a_search_finds_no_change_where_there_is_none() -> None:
    """Days that are chosen because they look changed stray further than days that were given.

    Of 40 searches among ten unchanged days 5% may name a parameter, so 7 at 99.9%; with intervals
    of 1.96 standard errors three of ten would.
    """
    likelihood = DayLikelihood.at(TwoLevels(), np.ones(2))
    control = InControl.measure(likelihood, levels.days(150, 1_000))
    found = [
        calibrate_since_change(likelihood, levels.days(10, 50_000 + 10 * number), control)
        for number in range(40)
    ]
    assert sum(bool(each.moved) for each in found) <= 7
    for estimate in found[0].estimates:
        assert estimate.half_width == pytest.approx(simultaneous_quantile(2, 10))


def test_a_search_takes_off_what_a_surrogate_misses_everywhere() -> None:
    """A lean that is the same on all days moves no estimate, so it must not move the search."""

    class Leaning(TwoLevels):
        def log_prob(self, transitions: Transitions) -> np.ndarray:
            return super().log_prob(replace(transitions, outputs=transitions.outputs - 0.3))

    in_control = levels.days(150, 1_000)
    found = []
    for number in range(8):
        calm, shifted = (
            levels.days(6, 60_000 + 10 * number),
            levels.days(4, 70_000 + 10 * number, shift=0.7),
        )
        for surrogate in (TwoLevels(), Leaning()):
            likelihood = DayLikelihood.at(surrogate, np.ones(2))
            control = InControl.measure(likelihood, in_control)
            found.append(calibrate_since_change(likelihood, concatenate([calm, shifted]), control))
    for right, leaning in zip(found[::2], found[1::2], strict=True):
        assert leaning.days == right.days
        assert leaning.moved == right.moved
        assert leaning.parameters == pytest.approx(right.parameters, abs=1e-4)
    assert np.mean([each.moved == ("level_of_first",) for each in found]) >= 0.75


def test_a_change_beyond_the_box_is_reported_at_its_bound(
    small_centre: SmallCentre, control: InControl
) -> None:
    """A surrogate knows nothing beyond its box, so the estimate must say that it ran into it."""
    days = small_centre.days(2, 850_000, handle_time_scale=1.6)
    found = calibrate_parameters(small_centre.likelihood(), days, control)
    handling = found.estimates[1]
    assert handling.value == pytest.approx(1.35, abs=1e-3)
    assert handling.at_bound
    assert not found.is_inside_box


def test_a_calibration_survives_a_record(
    small_centre: SmallCentre, control: InControl, changed_days: Transitions
) -> None:
    """A live stage keeps it as JSON."""
    found = calibrate_parameters(small_centre.likelihood(), changed_days, control)
    assert Calibration.from_record(json.loads(json.dumps(found.to_record()))) == found


def test_too_few_days_in_control_are_refused(small_centre: SmallCentre) -> None:
    """Three scores in three dimensions have a singular covariance."""
    with pytest.raises(InvalidDataset, match="at least 5"):
        InControl.measure(small_centre.likelihood(), small_centre.days(3, 860_000))


def test_an_unknown_hidden_parameter_is_refused(small_centre: SmallCentre) -> None:
    """The message offers the near name."""
    with pytest.raises(InvalidParameters, match="patience_scale"):
        DayLikelihood(
            surrogate=small_centre.surrogate,
            reference=small_centre.surrogate.description.nominal,
            names=("patience",),
        )
