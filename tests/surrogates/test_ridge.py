"""Regressions that shrink by what they have not seen."""

from __future__ import annotations

import numpy as np

from surrogates.ridge import ridge


def drawn(rows: int, inputs: int, seed: int, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal inputs, and what the slopes make of them with noise of deviation 0.5."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, inputs))
    return x, x @ slopes + 0.5 * random.standard_normal((rows, slopes.shape[1]))


def some_slopes(inputs: int, targets: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((inputs, targets))


def test_many_rows_give_least_squares() -> None:
    """Shrinking costs when data abound, so that next to nothing is shrunk."""
    x, y = drawn(5_000, 4, 1, some_slopes(4, 3))
    slopes, _ = ridge(x, y)
    plain = np.linalg.lstsq(x, y)[0]
    assert np.allclose(slopes, plain, atol=2e-3)


def test_nothing_is_believed_of_pure_chance() -> None:
    """Thirty rows of noise on twenty inputs can be fitted well, and the next rows not at all."""
    random = np.random.default_rng(3)
    x, y = (random.standard_normal((30, count)) for count in (20, 1))
    slopes, left = ridge(x, y)
    plain = np.linalg.lstsq(x, y)[0]
    assert np.linalg.norm(slopes) < 0.5 * np.linalg.norm(plain)
    assert np.square(left).mean() > 2.0 * np.square(y - x @ plain).mean()


def test_what_is_left_is_what_new_rows_would_leave() -> None:
    """Rows that a fit has seen tell too little of its misses; those held out tell the truth."""
    true = some_slopes(20, 40)
    slopes, left = ridge(*drawn(60, 20, 1, true))
    new_x, new_y = drawn(20_000, 20, 2, true)
    fresh = np.square(new_y - new_x @ slopes).mean()
    # Folds learn from four fifths of the rows: they miss by a little more.
    assert 0.9 * fresh < np.square(left).mean() < 1.6 * fresh
