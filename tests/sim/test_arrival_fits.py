from datetime import date, timedelta

import numpy as np
import pytest

from sim.arrivals import DoublyStochasticArrivals, fit_doubly_stochastic
from sim.errors import InvalidSystem, InvalidVolumes
from sim.streams import stream
from sim.volumes import Volumes, dispersion
from tests.systems import assert_holds

SLOTS = 37


def _truth(day_sd: float = 0.15, slot_sd: float = 0.12) -> DoublyStochasticArrivals:
    shape = 60 + 40 * np.sin(np.linspace(0, np.pi, SLOTS))
    weekday = np.array([1.15, 1.0, 0.95, 0.95, 1.05])
    return DoublyStochasticArrivals(
        profile=weekday[:, None] * shape,
        day_sd=day_sd,
        slot_sd=np.full(SLOTS, slot_sd),
        persistence=0.8,
        slot_minutes=5.0,
    )


def _series(truth: DoublyStochasticArrivals, weeks: int, seed: int) -> Volumes:
    monday = date(2003, 3, 3)
    days = [monday + timedelta(days=7 * w + d) for w in range(weeks) for d in range(5)]
    random = stream(seed, "series")
    counts = np.array([truth.draw_counts(random, day.weekday(), 1.0) for day in days])
    return Volumes(days=tuple(days), counts=counts, slot_minutes=5.0)


def test_expected_arrivals_are_the_means_of_what_comes() -> None:
    """The calendar shows them to the manager, so they must be true (99.9% half-widths)."""
    truth, random = _truth(), np.random.default_rng(5)
    counts = np.array([truth.draw_counts(random, 2, 1.3) for _ in range(3000)])
    assert_holds(1.3 * truth.profile[2].sum(), counts.sum(axis=1).astype(float), precision=0.02)
    assert_holds(1.3 * truth.profile[2, 9], counts[:, 9].astype(float), precision=0.03)
    per_epoch = truth.expected((0.0, 30.0, 185.0))
    np.testing.assert_allclose(per_epoch.sum(axis=1), truth.profile.sum(axis=1))
    np.testing.assert_allclose(per_epoch[:, 0], truth.profile[:, :6].sum(axis=1))


@pytest.mark.parametrize("boundaries", [(0.0, 7.0, 185.0), (0.0, 30.0, 180.0)])
def test_epochs_that_cut_slots_or_miss_the_close_are_refused(
    boundaries: tuple[float, ...],
) -> None:
    """Rounding them would put customers into an epoch in which they do not come."""
    with pytest.raises(InvalidSystem, match="do not fit 37 slots of 5 minutes"):
        _truth().expected(boundaries)


def test_fitting_recovers_the_parameters_that_made_the_days() -> None:
    """The method of moments is consistent; 400 days say enough to be held to it.

    Tolerances are 3.29 standard errors, taken from 40 repetitions of this experiment.
    """
    truth = _truth()
    fitted = fit_doubly_stochastic(_series(truth, weeks=80, seed=6))
    np.testing.assert_allclose(fitted.profile, truth.profile, rtol=0.12)
    assert fitted.profile.mean() == pytest.approx(truth.profile.mean(), rel=0.03)
    assert fitted.day_sd == pytest.approx(0.15, abs=0.020)
    assert fitted.slot_sd.mean() == pytest.approx(0.12, abs=0.010)
    assert fitted.persistence == pytest.approx(0.8, abs=0.08)
    assert fitted.slot_minutes == 5.0


def test_days_drawn_from_a_fit_are_as_dispersed_as_the_days_it_was_fitted_on() -> None:
    """The fit exists because real counts vary more than Poisson ones.

    The tolerance is 3.29 deviations over 40 repetitions of this experiment.
    """
    series = _series(_truth(), weeks=80, seed=7)
    again = _series(fit_doubly_stochastic(series), weeks=80, seed=8)
    real = dispersion(series.counts, series.weekdays).mean()
    drawn = dispersion(again.counts, again.weekdays).mean()
    assert real > 3
    assert drawn == pytest.approx(real, rel=0.15)


def test_plain_poisson_days_are_fitted_as_such() -> None:
    """With no hidden factor the fit must not invent one, so dispersion stays 1.

    The tolerance is 3.29 deviations and the small bias over 40 repetitions of this experiment.
    """
    series = _series(_truth(day_sd=0.0, slot_sd=0.0), weeks=60, seed=9)
    fitted = fit_doubly_stochastic(series)
    assert fitted.day_sd < 0.01
    again = _series(fitted, weeks=60, seed=10)
    assert dispersion(again.counts, again.weekdays).mean() == pytest.approx(1.0, abs=0.08)


def test_surges_last_as_long_as_their_persistence_says() -> None:
    """Neighbouring slots share .8 of a surge, slots ten apart .8**10: correlations within .05."""
    truth = _truth(day_sd=0.0, slot_sd=0.3)
    truth = DoublyStochasticArrivals(
        profile=1e6 * np.ones((5, SLOTS)),
        day_sd=0.0,
        slot_sd=truth.slot_sd,
        persistence=0.8,
        slot_minutes=5.0,
    )
    random = np.random.default_rng(11)
    logs = np.log([truth.draw_counts(random, 0, 1.0) for _ in range(4000)])
    assert np.corrcoef(logs[:, 5], logs[:, 6])[0, 1] == pytest.approx(0.8, abs=0.05)
    assert np.corrcoef(logs[:, 5], logs[:, 15])[0, 1] == pytest.approx(0.8**10, abs=0.06)
    assert logs.std(axis=0) == pytest.approx(0.3, rel=0.06)


def test_too_few_days_for_a_fit_are_refused() -> None:
    """A weekday seen once has no variance."""
    with pytest.raises(InvalidVolumes, match="at least 2 of each"):
        fit_doubly_stochastic(_series(_truth(), weeks=1, seed=0))


def test_slots_without_customers_are_refused() -> None:
    """A ratio to nothing cannot be fitted."""
    series = _series(_truth(), weeks=3, seed=0)
    series.counts[series.weekdays == 2, 4] = 0
    with pytest.raises(InvalidVolumes, match="widen the slots"):
        fit_doubly_stochastic(series)


def test_weekends_are_no_days_of_a_fit() -> None:
    """Its kinds of day are Monday to Friday, and a Saturday would be taken for none of them."""
    series = _series(_truth(), weeks=3, seed=0)
    shifted = Volumes(
        days=tuple(day + timedelta(days=1) for day in series.days),
        counts=series.counts,
        slot_minutes=5.0,
    )
    with pytest.raises(InvalidVolumes, match="2003-03-08 is a weekend"):
        fit_doubly_stochastic(shifted)
