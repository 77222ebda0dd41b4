"""Comparisons of costs must say who is cheaper, whatever the sign of a cost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from envs.objective import Objective
from sim.errors import InvalidParameters
from sim.simulator import ServiceSystem
from tests.training.conftest import SmallCentre
from training.evaluation import compare, relative_difference
from training.heuristics import ConstantRule

NOISE = np.random.default_rng(3).normal(0.0, 1.0, 40)


def difference(costs: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    e = relative_difference(costs, others, np.random.default_rng(0))
    return e.low, e.value, e.high


@pytest.mark.parametrize("level", [100.0, -100.0])
def test_below_zero_is_cheaper_whether_costs_are_spent_or_earned(level: float) -> None:
    """Earning 110 in place of 100 is 10% better, though the ratio of the two is above 1."""
    others = level + NOISE
    low, value, high = difference(others - 10.0, others)
    assert value == pytest.approx(-0.1, abs=0.01)
    assert low < value < high < 0


def test_costs_about_nothing_are_measured_by_their_size() -> None:
    """A mean that may as well be 0 divides nothing, yet a difference of one spread is clear."""
    low, value, high = difference(NOISE - 1.0, NOISE)
    assert low <= value <= high < 0
    assert value == pytest.approx(-1.0 / np.abs(NOISE).mean())


def test_costs_of_nothing_at_all_do_not_differ() -> None:
    """An objective that prices nothing that happened leaves nobody ahead."""
    assert difference(np.zeros(5), np.zeros(5)) == (0.0, 0.0, 0.0)


def test_controllers_of_one_name_are_not_taken_for_one(small_centre: SmallCentre) -> None:
    """Costs are kept by name, so one of two would be reported as the other's."""
    build = partial(ServiceSystem, small_centre.system)
    objective = Objective.from_costs(build().describe(), {"call_wait": 1.0}, {})
    rules = [ConstantRule(choice=0), ConstantRule(choice=1)]
    with (
        ThreadPoolExecutor(max_workers=1) as executor,
        pytest.raises(InvalidParameters, match="'constant' given more than once among 2"),
    ):
        compare(build, rules, objective, (1, 2), executor)
