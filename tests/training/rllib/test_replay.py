"""The ring of arrays: which rows it holds, and that it draws them evenly."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from training.rllib.experience import Experience
from training.rllib.replay import Replay


def numbered(first: int, rows: int) -> Experience:
    """Rows that carry their number in every column."""
    numbers = np.arange(first, first + rows)
    floats = numbers.astype(np.float32)
    return Experience(
        observations=np.stack([floats, -floats], axis=1),
        actions=numbers,
        rewards=floats,
        following=np.stack([floats + 1, floats], axis=1),
        weights=floats / 2,
        allowed=numbers[:, None] % 2 == np.arange(2),
        allowed_following=numbers[:, None] % 2 != np.arange(2),
    )


@pytest.mark.parametrize("batches", [[3], [10], [4, 4, 4], [7, 7, 1, 9], [25], [3, 23, 2]])
def test_the_newest_rows_are_held_in_their_order(batches: list[int]) -> None:
    """A ring of 10 is a queue of 10, however the rows came."""
    replay, queue = Replay(10), deque[int](maxlen=10)
    first = 0
    for rows in batches:
        replay.add(numbered(first, rows))
        queue.extend(range(first, first + rows))
        first += rows
    arrays = replay.to_arrays()
    expected = numbered(queue[0], len(queue)).to_columns()
    assert len(replay) == len(queue)
    for name, column in expected.items():
        np.testing.assert_array_equal(arrays[name], column)


def test_rows_are_drawn_whole_and_evenly() -> None:
    """Columns of different rows would teach a wrong world, uneven draws a biased one.

    20,000 draws of 10 rows, of which the ring has forgotten all older ones: a share is within
    3.3 standard errors of 1/10 at 99.9 %, for ten rows at 99 %.
    """
    replay = Replay(10)
    replay.add(numbered(0, 14))
    drawn = []
    for batch in replay.draw(200, 100, np.random.default_rng(1)):
        columns = {name: column.numpy() for name, column in batch.items()}
        rows = columns["actions"]
        whole = numbered(0, 14).to_columns()
        for name, column in columns.items():
            np.testing.assert_array_equal(column, whole[name][rows])
        drawn.append(rows)
    shares = np.bincount(np.concatenate(drawn), minlength=14) / 20_000
    np.testing.assert_array_equal(shares[:4], 0.0)
    assert np.abs(shares[4:] - 0.1).max() < 3.3 * np.sqrt(0.1 * 0.9 / 20_000)


def test_the_same_generator_draws_the_same_rows() -> None:
    """Randomness comes from the caller alone."""
    replay = Replay(10)
    replay.add(numbered(0, 10))
    first, second = (list(replay.draw(3, 4, np.random.default_rng(2))) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one["actions"], other["actions"])


@pytest.mark.parametrize("capacity", [10, 6, 20])
def test_what_is_stored_comes_back_and_can_be_added_to(capacity: int) -> None:
    """A checkpoint may be opened with another capacity: then the newest rows count."""
    replay, other = Replay(10), Replay(capacity)
    replay.add(numbered(0, 13))
    other.add(numbered(100, 3))
    other.load_arrays(replay.to_arrays())
    other.add(numbered(13, 2))
    kept = min(capacity, 12)
    np.testing.assert_array_equal(other.to_arrays()["actions"], np.arange(15 - kept, 15))
