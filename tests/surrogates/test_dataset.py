"""Which episodes are learnt from and which are kept to judge by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from tests.systems import unchecked


def played(episodes: list[int], policies: list[str], rows: int = 3) -> Transitions:
    """So many rows of each episode, of a system with one number."""
    count = rows * len(episodes)
    return Transitions(
        state=np.zeros((count, 1)),
        decision=np.zeros((count, 1)),
        parameters=np.zeros((count, 1)),
        next_state=np.zeros((count, 1)),
        outputs=np.zeros((count, 1)),
        duration=np.ones(count),
        episode=np.repeat(episodes, rows),
        policy=np.repeat(policies, rows),
    )


def test_parts_of_unequal_length_are_refused() -> None:
    """Whoever joins them by hand would have epochs with the decisions of others."""
    data = played([1], ["a"])
    with unchecked(), pytest.raises(InvalidDataset, match="2 rows of decision and 3 of state"):
        replace(data, decision=data.decision[:2])


def test_a_share_of_the_episodes_of_each_policy_is_held_out() -> None:
    """A policy that is in one part only is scored by nobody, or learnt by nobody."""
    data = played(list(range(40)), ["a"] * 30 + ["b"] * 10)
    kept, held = data.split(0.2, np.random.default_rng(0))
    assert [len(np.unique(held.episode[held.policy == p])) for p in "ab"] == [6, 2]
    assert not set(kept.episode) & set(held.episode)
    assert len(kept) + len(held) == len(data)


def test_policies_of_one_episode_are_not_all_held_out() -> None:
    """One of each policy at least would leave nothing to learn from."""
    data = played(list(range(11)), ["many"] * 3 + [f"one {i}" for i in range(8)])
    kept, held = data.split(0.2, np.random.default_rng(0))
    assert len(np.unique(held.episode)) == 1 + 2
    assert len(np.unique(kept.episode)) == 2 + 6


def test_both_episodes_of_a_policy_are_not_held_out() -> None:
    """However large the share, something must be learnt."""
    kept, held = played([4, 9], ["a", "a"]).split(0.9, np.random.default_rng(0))
    assert len(kept) == len(held) == 3


def test_policies_that_met_the_same_episodes_are_held_out_together() -> None:
    """A share of each policy's by itself would add up to most of the episodes."""
    data = played(list(range(20)) * 8, [f"policy {i}" for i in range(8) for _ in range(20)])
    _, held = data.split(0.1, np.random.default_rng(0))
    assert len(np.unique(held.episode)) == 2


@pytest.mark.parametrize("share", [0.1, 0.2])
@pytest.mark.parametrize("stride", [1, 3, 8])
def test_what_was_learnt_from_is_never_set_aside_later(share: float, stride: int) -> None:
    """A model has seen its rows: they cannot tell which pass of an update is the best.

    Episodes of several policies often take turns, hence the strides.
    """
    learnt: set[int] = set()
    for count in (1, 2, 5, 12, 30, 100):
        numbers = [7000 + stride * i for i in range(count)]
        kept, held = played(numbers, ["a"] * count).set_aside(share)
        if count > 1:
            assert not set(kept.episode) & set(held.episode)
            assert len(kept)
            assert len(held)
            assert not learnt & set(held.episode.tolist())
            learnt |= set(kept.episode.tolist())
    assert 100 - len(learnt) == pytest.approx(share * 100, abs=3)


def test_a_single_episode_is_learnt_from_and_chosen_by() -> None:
    """The first day of a new system is when a surrogate is wanted most."""
    kept, held = played([5], ["a"]).set_aside(0.1)
    assert len(kept) == len(held) == 3
