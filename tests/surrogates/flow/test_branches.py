"""Trees of rates: sharp edges are found, and noise is not taken for an edge."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.flow.branches import Branches
from surrogates.flow.growth import grow_rates


def questions(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three whole numbers from 0 to 3 a row, and the episodes of the rows, a hundred each."""
    random = np.random.default_rng(seed)
    return random.integers(4, size=(rows, 3)).astype(np.float32), np.arange(rows) // 100


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_event_that_is_impossible_somewhere_is_found_to_be(seed: int) -> None:
    """Rates of 0 are what scikit-learn's Poisson trees never part off by themselves."""
    inputs, episodes = questions(2000, seed)
    random = np.random.default_rng(seed + 10)
    minutes = random.exponential(size=2000)
    happened = (inputs[:, 1] >= 2) & (random.random(2000) < 1 - np.exp(-minutes))
    tree, logarithms = grow_rates(inputs, happened.astype(float), minutes, episodes)
    leaves = Branches.of([tree]).find(inputs.T)[0]
    rates = np.exp(logarithms)[leaves]
    assert len(logarithms) == 2
    assert rates[inputs[:, 1] < 2].max() < 1e-3
    assert rates[inputs[:, 1] >= 2] == pytest.approx(
        happened.sum() / minutes[inputs[:, 1] >= 2].sum(), rel=1e-3
    )


def test_a_rate_that_depends_on_nothing_has_one_leaf() -> None:
    """Arrivals must be counted over all states, or each state has an error of its own.

    Two standard errors let one in 20 pass, so of ten two must not fail by chance.
    """
    sizes = []
    for seed in range(10):
        inputs, episodes = questions(2000, seed)
        counted = np.random.default_rng(seed).poisson(0.5, size=2000).astype(float)
        _, logarithms = grow_rates(inputs, counted, np.ones(2000), episodes)
        sizes.append(len(logarithms))
    assert np.sum(np.array(sizes) > 1) <= 2


def test_one_event_after_a_moment_is_no_leaf() -> None:
    """A leaf of few rows would give its rate to every state that falls into it later."""
    inputs, episodes = questions(2000, 3)
    random = np.random.default_rng(4)
    rare = np.arange(2000) % 400 == 0
    inputs[:, 2] = np.where(rare, 9.0, 1.0)
    minutes = np.where(rare, 1e-3, random.exponential(size=2000))
    happened = rare | (random.random(2000) < 1 - np.exp(-minutes))
    tree, logarithms = grow_rates(inputs, happened.astype(float), minutes, episodes)
    leaves = tree.apply(inputs)
    assert np.unique(leaves, return_counts=True)[1].min() >= 20
    assert np.exp(logarithms).max() < 2.0


def test_rows_without_any_time_tell_nothing() -> None:
    """Where an event cannot happen it is no evidence that it is rare where it can."""
    inputs, episodes = questions(1000, 0)
    can = inputs[:, 0] > 0
    counted = np.where(can, np.random.default_rng(1).poisson(0.5, size=1000), 0).astype(float)
    _, logarithms = grow_rates(inputs, counted, can.astype(float), episodes)
    assert np.exp(logarithms) == pytest.approx(counted.sum() / can.sum(), rel=2e-3)


def test_branches_find_the_leaves_that_scikit_learn_finds() -> None:
    """Several trees in one list, looked through side by side, and the same from a file."""
    inputs, episodes = questions(3000, 5)
    random = np.random.default_rng(6)
    trees = []
    for column in range(3):
        rate = np.where(inputs[:, column] >= 1 + column % 2, 2.0, 0.2) * (1.0 + inputs[:, 0])
        counted = random.poisson(rate).astype(float)
        trees.append(grow_rates(inputs, counted, np.ones(3000), episodes)[0])
    branches = Branches.of(trees)
    again = Branches.from_tensors(branches.to_tensors("any"), "any")
    before = 0
    for tree, mine, reread in zip(
        trees, branches.find(inputs.T), again.find(inputs.T), strict=True
    ):
        nodes = tree.apply(inputs)
        place = np.cumsum(tree.tree_.children_left < 0) - 1
        assert np.array_equal(mine, before + place[nodes])
        assert np.array_equal(mine, reread)
        before += tree.get_n_leaves()
