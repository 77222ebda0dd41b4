"""Compiled loops against the numpy that they stand in for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from surrogates.coordinates.idling import UNBENT, evened, unevened
from surrogates.kernels import (
    note_idle,
    note_root,
    push,
    settle_idle,
    settle_root,
    spread_out,
    sum_squares,
    with_squares,
)


def singles(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def no_bounds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full(len(values), -np.inf), np.full(len(values), np.inf)


def test_counts_are_rounded_as_numpy_rounds_them() -> None:
    """Halves go to the even neighbour, up to the largest squares that are whole numbers."""
    latent = np.sqrt(np.array([0.5, 1.5, 2.5, 6.4, 1e6, 1.6e7])).astype(np.float32)
    latent = np.concatenate([latent, [np.float32(-3.0), np.float32(0.0)]])
    values = np.empty(len(latent))
    settle_root(latent, *no_bounds(latent), True, values)
    assert values.tolist() == np.rint(np.square(np.maximum(latent, 0.0))).tolist()
    assert (values == values.astype(np.int64)).all()


def test_a_measure_keeps_its_fraction() -> None:
    """Minutes are not whole."""
    latent = singles(100)
    values = np.empty(100)
    settle_root(latent, *no_bounds(latent), False, values)
    assert values == pytest.approx(np.square(np.maximum(latent, 0.0)), rel=1e-6)


@pytest.mark.parametrize("settle", [settle_root, settle_idle])
def test_nothing_leaves_its_bounds(settle: Callable[..., None]) -> None:
    """A bound is met to the last digit, or a customer would be made."""
    latent, low, high = singles(1000), np.full(1000, -1.0), np.full(1000, 2.0)
    latent *= 3.0
    high[::7] = low[::7]
    values = np.empty(1000)
    told = (latent, low, high, *((2.0, 12.0) if settle is settle_idle else (True,)))
    settle(*told, values)
    assert (values >= low).all()
    assert (values <= high).all()
    assert (values[::7] == -1.0).all()
    assert (values == 2.0).any()


def test_idle_agents_are_hyperbolic_sines_of_their_draws() -> None:
    """The series is good to 1e-5 of a value, 0.3 at the 30,000 here; and then it is rounded."""
    latent = np.linspace(-11.0, 11.0, 4001, dtype=np.float32)
    values = np.empty(len(latent))
    settle_idle(latent, *no_bounds(latent), UNBENT, 12.0, values)
    assert np.abs(values - np.sinh(latent.astype(float))).max() <= 0.5 + 0.3
    assert (values == np.rint(values)).all()


@pytest.mark.parametrize("bend", [1.0, 3.0, 30.0, 100.0])
def test_idle_agents_beyond_the_bend_go_in_even_steps(bend: float) -> None:
    """As the scale says, to a fiftieth of an agent, and then rounded."""
    latent = np.linspace(-30.0, 30.0, 4001, dtype=np.float32)
    values = np.empty(len(latent))
    settle_idle(latent, *no_bounds(latent), bend, 12.0, values)
    assert np.abs(values - unevened(latent.astype(float), bend)).max() <= 0.5 + 0.02
    assert (values == np.rint(values)).all()


def test_draws_beyond_belief_are_cut_off() -> None:
    """However far a draw goes, it stands for no more agents than the edge does."""
    latent = np.array([1e9, np.inf, -1e9], dtype=np.float32)
    values = np.empty(3)
    settle_idle(latent, *no_bounds(latent), UNBENT, 3.0, values)
    assert values.tolist() == [10.0, 10.0, -10.0]


@pytest.mark.parametrize(
    ("note", "scale", "bend"),
    [
        (note_root, np.sqrt, ()),
        (note_idle, np.arcsinh, (UNBENT,)),
        (note_idle, partial(evened, bend=30.0), (30.0,)),
        (note_idle, np.asarray, (1.0,)),
    ],
)
def test_surprises_are_taken_on_the_modelling_scale(
    note: Callable[..., None], scale: Callable[[np.ndarray], np.ndarray], bend: tuple[float, ...]
) -> None:
    """In spreads, and none counts for more than the most that is believed."""
    values = np.concatenate([np.arange(300.0), np.geomspace(300.0, 1e5, 50).round()])
    location, spread = singles(350) + 3.0, np.abs(singles(350, seed=2)) + 0.1
    off = np.empty(350, np.float32)
    note(values, location, spread, *bend, 4.0, off)
    exact = np.clip((scale(values) - location) / spread, -4.0, 4.0)
    assert off == pytest.approx(exact, abs=2e-4)


def test_idle_agents_may_be_missing() -> None:
    """The scale of idle agents is odd: five too few lie as far below nought as five above it."""
    off = np.empty(2, np.float32)
    ones = np.ones(2, np.float32)
    note_idle(np.array([-5.0, 5.0]), 0 * ones, ones, UNBENT, 4.0, off)
    assert off == pytest.approx([-np.arcsinh(5.0), np.arcsinh(5.0)], rel=1e-6)


def test_ways_weigh_what_they_move() -> None:
    """The first counts in full, the others by the state; all in spreads of the number moved."""
    alone, moved, weights, spread = singles(50), singles(3, 50), singles(2, 50, seed=2), singles(50)
    wanted = alone + (moved[0] + (moved[1:] * weights).sum(axis=0)) * spread
    push(alone, moved, weights, spread)
    assert alone == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_spreads_are_those_of_the_network() -> None:
    """A half of squareplus of the network's number, in widths, and the least beside it."""
    number, width = singles(3, 40), np.abs(singles(3, 1, seed=2))
    location, noise = singles(3, 40, seed=3), singles(3, 40, seed=4)
    halves = number * width / 2
    wanted = width * ((number + np.sqrt(np.square(number) + 4.0)) / 2 + 0.02)
    drawn = location + wanted * noise
    spread_out(halves, width, 0.02, location, noise)
    assert halves == pytest.approx(wanted, rel=1e-5)
    assert noise == pytest.approx(drawn, rel=1e-4, abs=1e-5)


def test_squared_lengths_are_weighed_sums() -> None:
    """Of both parts together; the row of ones lets a product add a constant."""
    before, after, weights = singles(3, 20), singles(2, 20, seed=2), np.abs(singles(5, seed=3))
    seen = np.empty((7, 20), np.float32)
    with_squares(before, after, weights, seen)
    both = np.concatenate([before, after])
    assert (seen[:5] == both).all()
    assert seen[5] == pytest.approx(weights @ np.square(both), rel=1e-5)
    assert (seen[6] == 1.0).all()
    total = np.empty(20, np.float32)
    sum_squares(both, total)
    assert total == pytest.approx(np.square(both).sum(axis=0), rel=1e-5)
