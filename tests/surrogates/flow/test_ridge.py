"""Regressions that shrink by what they have not seen."""

from __future__ import annotations

import numpy as np
import torch

from surrogates.flow.ridge import ridge


def drawn(
    rows: int, inputs: int, seed: int, slopes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Standard normal inputs, and what the slopes make of them with noise of deviation 0.5."""
    random = np.random.default_rng(seed)
    x = torch.from_numpy(random.standard_normal((rows, inputs)))
    noise = torch.from_numpy(random.standard_normal((rows, slopes.shape[1])))
    return x, x @ slopes + 0.5 * noise


def some_slopes(inputs: int, targets: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((inputs, targets)))


def test_many_rows_give_least_squares() -> None:
    """Shrinking costs when data abound, so that next to nothing is shrunk."""
    x, y = drawn(5_000, 4, 1, some_slopes(4, 3))
    slopes, _ = ridge(x, y)
    plain = torch.linalg.lstsq(x, y).solution
    assert torch.allclose(slopes, plain, atol=2e-3)


def test_nothing_is_believed_of_pure_chance() -> None:
    """Thirty rows of noise on twenty inputs can be fitted well, and the next rows not at all."""
    random = np.random.default_rng(3)
    x, y = (torch.from_numpy(random.standard_normal((30, count))) for count in (20, 1))
    slopes, left = ridge(x, y)
    plain = torch.linalg.lstsq(x, y).solution
    assert slopes.norm() < 0.5 * plain.norm()
    assert left.square().mean() > 2.0 * (y - x @ plain).square().mean()


def test_what_is_left_is_what_new_rows_would_leave() -> None:
    """Rows that a fit has seen tell too little of its misses; those held out tell the truth."""
    true = some_slopes(20, 40)
    slopes, left = ridge(*drawn(60, 20, 1, true))
    new_x, new_y = drawn(20_000, 20, 2, true)
    fresh = (new_y - new_x @ slopes).square().mean()
    # Folds learn from four fifths of the rows: they miss by a little more.
    assert 0.9 * fresh < left.square().mean() < 1.6 * fresh
