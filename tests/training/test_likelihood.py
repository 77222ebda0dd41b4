"""What telemetry hides, and what a day is, for simulators that say little of themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.gaussian_process import GaussianProcessSettings, fit_gaussian_process
from tests.fakes import TinyQueue
from tests.network_fits import criss_cross_fit
from tests.systems import small_centre
from training.drift import DetectorSettings, ScoreCusum, calibrate_detector
from training.likelihood import (
    DayLikelihood,
    hidden_parameters,
    kinds_of_days,
    number_of_kinds,
)

BUILD = WithClock(build=TinyQueue)


def test_only_a_roster_shows_its_parameter() -> None:
    """Whoever sees the roster sees its scale; of a plug-in nothing is known to show anything."""
    assert "staff_scale" not in hidden_parameters(small_centre().describe())
    assert hidden_parameters(BUILD().describe()) == ("arrival_scale",)


def test_a_simulator_without_kinds_of_day_has_one() -> None:
    """Its last component but one is no weekday."""
    description = BUILD().describe()
    days = run_episodes(BUILD, plan_episodes(description, 5, 1))
    assert kinds_of_days(description, days).tolist() == [0] * 5
    assert number_of_kinds(description) == 1


def test_steps_from_a_small_rate_stay_positive() -> None:
    """A twentieth of a box from .02 to 4 is ten times its lower bound, and no rate is below 0."""
    fit, seen = criss_cross_fit(), []
    wide = tuple(replace(p, low=0.02, high=4.0) for p in fit.description.parameters)

    class Wide:
        name, openings = "wide", fit.surrogate.openings
        description = replace(fit.description, parameters=wide)
        sample = fit.surrogate.sample

        def log_prob(self, transitions: Transitions) -> np.ndarray:
            seen.append(transitions.parameters)
            return fit.surrogate.log_prob(transitions)

    likelihood = DayLikelihood.at(Wide(), fit.description.nominal)
    low = likelihood.box[:, 0]
    days = fit.transitions.take(np.arange(200))
    assert np.isfinite(likelihood.scores(days, low)).all()
    assert np.isfinite(likelihood.information(days, low)).all()
    assert np.concatenate(seen).min() > 0.0
    np.testing.assert_allclose(likelihood.steps(likelihood.centre), np.diag([0.199, 0.199]))


def test_a_detector_watches_any_simulator_with_a_likelihood() -> None:
    """Two fifths more customers for 30 episodes are an alarm; the 60 in control raise none."""
    description = BUILD().describe()
    surrogate = fit_gaussian_process(
        run_episodes(BUILD, plan_episodes(description, 96, 1)),
        description,
        GaussianProcessSettings(inducing=32, steps=20, batch=64),
        np.random.default_rng(0),
    )
    calm = run_episodes(BUILD, plan_episodes(description, 60, 2, nominal_share=1.0))
    detector = calibrate_detector(
        calm,
        DayLikelihood.at(surrogate, description.nominal),
        DetectorSettings(resamples=4, chains=20),
        np.random.default_rng(1),
    )
    assert not alarms(detector, calm)
    plans = plan_episodes(description, 30, 3, nominal_share=1.0)
    busy = {"arrival_scale": 1.4}
    busier = run_episodes(BUILD, tuple(replace(plan, parameters=busy) for plan in plans))
    assert alarms(detector, replace(busier, parameters=np.ones((len(busier), 1))))


def alarms(detector: ScoreCusum, days: Transitions) -> bool:
    """Whether any of these days, one after another, raises an alarm."""
    state = detector.begin()
    for episode in dict.fromkeys(days.episode.tolist()):
        state, verdict = detector.observe(state, days.take(days.episode == episode))
        if verdict.alarm:
            return True
    return False
