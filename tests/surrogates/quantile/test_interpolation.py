"""The law between quantiles, against itself."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from surrogates.quantile import QuantileSettings, interpolation

LEVELS = QuantileSettings(levels=7, outermost=0.05).grid
QUANTILES = np.array([-1.0, -0.4, 0.0, 0.1, 0.5, 1.5, 4.0])


def alike(count: int) -> np.ndarray:
    return np.tile(QUANTILES, (count, 1))


def test_the_probability_below_a_draw_is_the_number_it_was_drawn_with() -> None:
    """Draws and likelihood must be of one law, or a score judges another model than is used."""
    uniform = np.concatenate([[1e-9, 1e-4], np.linspace(0.01, 0.99, 99), [1 - 1e-4, 1 - 1e-9]])
    drawn = interpolation.draw(LEVELS, alike(len(uniform)), uniform)
    below, above = interpolation.log_tails(LEVELS, alike(len(uniform)), drawn)
    assert (np.diff(drawn) > 0).all()
    assert np.exp(below) == pytest.approx(uniform, rel=1e-6)
    assert np.exp(above) == pytest.approx(1 - uniform, rel=1e-6)


def test_the_density_integrates_to_one() -> None:
    """A density with more mass than one would win every comparison of likelihoods."""

    def density(value: float) -> float:
        log = interpolation.log_density(LEVELS, alike(1), np.array([value]))
        return float(np.exp(log[0]))

    edges = [-60.0, *QUANTILES, 60.0]
    whole = sum(quad(density, a, b)[0] for a, b in pairwise(edges))
    assert whole == pytest.approx(1.0, abs=1e-6)


def test_draws_at_the_levels_are_the_quantiles() -> None:
    """Between two levels there is a line, so at a level nothing is left to interpolate."""
    assert interpolation.draw(LEVELS, alike(7), LEVELS) == pytest.approx(QUANTILES)
