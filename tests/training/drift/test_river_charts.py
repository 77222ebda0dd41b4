"""River's detectors: our short ways give river's own answers, and its defaults cry wolf."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from tests.training.drift.levels import SETTINGS
from training.drift import RIVER_CHARTS
from training.drift.river_charts import certainty
from training.drift.streams import set_sensitivity

SENSITIVITIES = {"page-hinkley": (8.0, 15.0, 30.0), "kswin": (1e-5, 1e-3, 0.05)}


@pytest.mark.parametrize("name", SENSITIVITIES)
def test_the_short_way_alarms_when_river_does(name: str) -> None:
    """The sensitivity is calibrated the short way and used in river's own detector."""
    random, chart = np.random.default_rng(2), RIVER_CHARTS[name]
    paths = [
        [random.standard_normal((28, 2)) + shift * (day > 5) for day in range(10)]
        for shift in (0.0, 0.5, -1.0)
    ]
    short, long = chart.first_alarms(paths), chart.value_by_value().first_alarms(paths)
    met = set()
    for sensitivity in SENSITIVITIES[name]:
        for ours, river in zip(short(sensitivity), long(sensitivity), strict=True):
            assert (ours is None) == (river is None)
            if ours is not None and river is not None:
                assert ours[0] == river[0]
                np.testing.assert_array_equal(ours[1], river[1])
                met.add(ours[0])
    # Days of alarms that never differ would show nothing.
    assert len(met) > 1


def test_the_certainty_of_a_distance_is_the_exact_one() -> None:
    """River asks SciPy for it, and an alarm hangs on which side of the limit it lies."""
    recent = np.arange(30.0)
    for jump in (5, 12, 20):
        assert certainty(jump) == pytest.approx(ks_2samp(recent, recent + jump - 0.5).pvalue)


def test_defaults_cry_wolf_on_values_without_drift() -> None:
    """In 1,000 independent values river 0.26 finds drift with Page-Hinkley and KSWIN, not ADWIN.

    In 31% and 81% of all streams, and in none; over 100 the 99.9% half-widths are 0.15 and 0.13.
    """
    day = np.random.default_rng(4).standard_normal((1000, 100))
    shares = {}
    for name, chart in RIVER_CHARTS.items():
        (alarm,) = chart.first_alarms([[day]])(chart.usual)
        shares[name] = 0.0 if alarm is None else float(alarm[1].mean())
    assert shares["adwin"] <= 0.02
    assert shares["page-hinkley"] == pytest.approx(0.31, abs=0.15)
    assert shares["kswin"] == pytest.approx(0.81, abs=0.13)


@pytest.mark.parametrize("name", RIVER_CHARTS)
def test_calibrated_they_keep_the_wanted_run_length(name: str) -> None:
    """The number that river leaves at a default is set by simulation.

    KSWIN's distances come in steps of a thirtieth, so it may run several times as long as wanted.
    """
    random = np.random.default_rng(5)
    days = [random.standard_normal((20, 3)) for _ in range(200)]
    _, achieved = set_sensitivity(RIVER_CHARTS[name], days, SETTINGS, random)
    most = 4.0 if name == "kswin" else 1.1
    assert SETTINGS.run_length <= achieved.mean <= most * SETTINGS.run_length
