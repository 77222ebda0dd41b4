"""The comparison of lean and stock: how policies are looked at, and the table of its rows."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.lean_off_policy.__main__ import STORED
from experiments.lean_off_policy.study import Row, Study, greedy_return, table
from experiments.rows import read_rows
from training.policies import NetworkPolicy


def pusher(weights: tuple[float, ...]) -> NetworkPolicy:
    """Pushes right where the weighted observation is positive."""
    to_right = np.array([np.zeros(4), weights], dtype=np.float32)
    return NetworkPolicy(name="pusher", weights=(to_right,), biases=(np.zeros(2, np.float32),))


def test_a_look_counts_the_steps_of_one_episode_each() -> None:
    """Pushing one way always loses the pole in 8 to 11 steps; following it keeps it for long."""
    assert 8 <= greedy_return(pusher((0.0, 0.0, 0.0, 0.0)), 16) <= 11
    assert greedy_return(pusher((0.0, 0.0, 1.0, 1.0)), 16) > 100


def test_the_stored_table_is_made_of_the_stored_rows() -> None:
    """A table that was typed by hand would drift from what was measured."""
    rows = read_rows(STORED, Row)
    assert {row.seed for row in rows} == set(Study().seeds)
    assert table(rows) in STORED.with_name("README.md").read_text()


@pytest.mark.parametrize("algorithm", ["dqn", "sac"])
def test_both_arms_were_looked_at_at_equal_steps(algorithm: str) -> None:
    """RLlib counts its steps a little differently: by 1 % of the training at the most."""
    found = {
        arm: [
            row.steps
            for row in read_rows(STORED, Row)
            if (row.algorithm, row.arm) == (algorithm, arm)
        ]
        for arm in ("lean", "stock")
    }
    assert len(found["lean"]) == len(found["stock"])
    assert np.abs(np.subtract(found["lean"], found["stock"])).max() <= 0.01 * Study().steps
