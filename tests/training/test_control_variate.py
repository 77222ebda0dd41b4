"""Costs to come, and rewards that are measured by them."""

import numpy as np
import pytest

from envs.objective import Objective
from envs.presence import PresenceView
from envs.problem import Rollouts
from tests.network_fits import NetworkFit, criss_cross_fit
from training.control_variate import (
    Horizon,
    QueueBasis,
    endless_problem,
    fit_cost_to_come,
    solve_differences,
)
from training.foresight import Foresight
from training.heuristics import ConstantRule


def test_differences_of_a_known_chain_are_solved_exactly() -> None:
    """Two states that take turns and cost 0 and 1 have costs to come in closed form."""
    discount = 0.9
    seen = np.eye(2)
    changes = seen - discount * seen[::-1]
    found = solve_differences(seen, changes, np.array([0.0, 1.0]))
    whole = 1.0 / (1.0 - discount**2)
    assert found == pytest.approx([discount * whole, whole])


def test_the_basis_begins_with_a_constant_and_fades() -> None:
    """Average costs need a constant, and what a dry server means must vanish in long queues."""
    basis = QueueBasis(usual=np.ones(2))
    short, long = basis(np.array([[0.0, 0.0], [900.0, 0.0]]))
    assert short[0] == long[0] == 1.0
    only_first = basis(np.array([[900.0, 900.0]]))[0]
    assert only_first[6:] == pytest.approx(np.zeros(len(only_first) - 6), abs=1e-12)


def test_shaped_rewards_vary_far_less_than_costs() -> None:
    """The point of the control variate: advantages of decisions, not of luck.

    Rewards are compared with the discounted sums that they stand for, spread over copies.
    """
    fit, horizon = criss_cross_fit(), Horizon(minutes=20.0)
    rule = ConstantRule(choice=0)
    view = PresenceView.of(fit.description, fit.transitions.state)
    problem = endless_problem(
        fit.surrogate,
        rule,
        fit.objective,
        view,
        horizon,
        fit.transitions.state,
        np.random.default_rng(1),
        cost_unit=1.0,
        warm_up=50,
    )
    rollouts, random = Rollouts(problem, 128), np.random.default_rng(2)
    rollouts.begin(np.arange(128), random)
    plain, shaped, weight = np.zeros((3, 128))
    weight += 1.0
    for _ in range(200):
        step = rollouts.step(np.zeros(128, dtype=int), random)
        plain += weight * step.costs
        shaped += weight * step.rewards
        weight = weight * horizon.over(step.durations)
    assert shaped.std() < 0.5 * plain.std()


def test_costs_to_come_of_a_rule_average_to_its_cost() -> None:
    """Discounted cost to come times the discount rate is the average cost, in the long run.

    Where class 1 goes first the network is two M/M/1 queues side by side, and customers present are
    3 in the mean; a fit to eight episodes takes the load for somewhat more or less.
    """
    fit = criss_cross_fit()
    assert _average_cost(fit, fit.objective) == pytest.approx(3.0, rel=0.2)


def test_costs_of_events_are_paid_once_however_long_the_epoch() -> None:
    """Each customer who comes costs 1, and 0.6 come per minute; a fit takes it for a little else.

    Divided by how long an epoch happened to last, such a cost has no mean.
    """
    fit = criss_cross_fit()
    each = Objective.from_costs(fit.description, {"class_1_arrivals": 1.0}, {})
    assert _average_cost(fit, each) == pytest.approx(0.6, rel=0.2)


def _average_cost(fit: NetworkFit, objective: Objective) -> float:
    """Per minute, as a fit of costs to come has it, beginning with nobody there."""
    horizon = Horizon(minutes=20.0)
    found = fit_cost_to_come(
        Foresight.of(fit.surrogate),
        ConstantRule(choice=0),
        objective,
        horizon,
        fit.transitions.state,
        np.random.default_rng(3),
        copies=128,
        steps=200,
    )
    return float(found(np.zeros((1, 3)))[0] * -np.log(horizon.discount) / horizon.minutes)
