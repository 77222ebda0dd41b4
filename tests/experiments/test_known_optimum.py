"""The study of networks whose best control is known: its rules, its walk, and what is stored."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.known_optimum.__main__ import STORED
from experiments.known_optimum.errors import UnknownNetwork
from experiments.known_optimum.fitted import fitted_network
from experiments.known_optimum.networks import NETWORKS, find_network
from experiments.known_optimum.rows import Row
from experiments.known_optimum.rules import (
    c_mu,
    last_buffer_first,
    max_weight,
    policy_table,
    threshold,
    tuned_max_weight,
    tuning_box,
)
from experiments.known_optimum.settings import find_setting
from experiments.known_optimum.table import render, summary
from experiments.known_optimum.walk import Walk
from experiments.rows import read_rows
from sim.analytic import evaluate, max_weight_policy, n_model_threshold_policy
from sim.description import SystemDescription
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem
from surrogates.flow.jumps import JumpLaw
from tests.network_fits import criss_cross_fit


def described(name: str) -> SystemDescription:
    return ServiceSystem(load_scenario(find_network(name).scenario).system()).describe()


def test_decisions_of_the_n_model_serve_as_its_scenario_says() -> None:
    """Helping takes two customers, for the faster server has the first of them."""
    network = find_network("n_model")
    present = np.array([[3, 1], [3, 2], [0, 0]])
    assert network.served(present, np.array([1, 1, 1])).tolist() == [[-1, 1], [1, 1], [-1, -1]]
    assert network.served(present, np.array([0, 0, 0])).tolist() == [[0, 1], [0, 1], [-1, -1]]


def test_a_first_class_that_has_nobody_is_not_waited_for() -> None:
    """The levers of the re-entrant line name who is served first, not who alone."""
    network = find_network("reentrant")
    # The first station's last level and the second one's first.
    served = network.served(np.array([[0, 4, 4, 1, 0, 0]]), np.array([6]))
    assert served.tolist() == [[2, 3]]


def test_max_weight_as_a_controller_is_the_exact_rule() -> None:
    """The way from states over decisions to a table must not change a policy.

    Compared where there are two of the costly class: the faster server takes care of a single one.
    """
    wide = find_network("n_model")
    table = policy_table(wide, described("n_model"), max_weight(wide, described("n_model")))
    exact = max_weight_policy(wide.chain, wide.levels or ())
    assert np.array_equal(table[0][1:, 2:], exact[0][1:, 2:])


def test_the_threshold_rule_is_that_of_the_closed_forms() -> None:
    """Held against MaxWeight alone, a policy that any threshold beats would look good."""
    network, description = find_network("n_model"), described("n_model")
    table = policy_table(network, description, threshold(network, description))
    exact = n_model_threshold_policy((480, 240), 11)
    # Of a single customer of the second class the owner takes care in both.
    assert np.array_equal(table, exact)


def test_tuning_begins_at_max_weight_and_reaches_near_the_threshold_rule() -> None:
    """A search that cannot express the best known rules of a network would not find them."""
    network, description = find_network("n_model"), described("n_model")
    plain = tuned_max_weight(network, description, {"shift_0": 0.0, "shift_1": 0.0})
    queues = [i for i, stock in enumerate(description.stocks) if stock.team is None]
    states = np.zeros((400, len(description.state_names)))
    states[:, queues] = np.stack(np.divmod(np.arange(400), 20), axis=1)
    assert np.array_equal(plain.decide(states), max_weight(network, description).decide(states))
    values = {"shift_0": 0.0, "shift_1": -11.0, "log_weight_1": 2.0}
    assert all(low <= values[name] <= high for name, (low, high) in tuning_box(network).items())
    near = tuned_max_weight(network, description, values)
    many = states[:, queues[0]] == 10
    assert np.array_equal(
        near.decide(states)[many][:11], threshold(network, description).decide(states)[many][:11]
    )
    assert near.decide(states)[many][14:].all()


def test_the_walk_agrees_with_the_exact_cost() -> None:
    """An estimate with a control variate is worth nothing if it is biased; four standard errors."""
    network, description = find_network("criss_cross_IL"), described("criss_cross_IL")
    rule = c_mu(network, description)
    exact = evaluate(network.chain, policy_table(network, description, rule), tolerance=1e-4)
    walked = Walk(copies=256, warm_up=100, events=1_000).average_cost(network, description, rule, 1)
    assert abs(walked.value - exact) < 4 * walked.half_width / 1.96
    assert walked.half_width < 0.02


def test_the_fitted_network_has_the_rates_of_the_truth() -> None:
    """8,000 events count each rate within a tenth or two, and the order of classes must be kept."""
    fit, network = criss_cross_fit(), find_network("criss_cross_BM")
    law = fit.surrogate.law
    assert isinstance(law, JumpLaw)
    believed = fitted_network(network, law, np.random.default_rng(0))
    assert believed.arrival_rates == pytest.approx(network.chain.arrival_rates, rel=0.15)
    for mine, true in zip(believed.activities, network.chain.activities, strict=True):
        assert (mine.server, mine.customer_class) == (true.server, true.customer_class)
        assert mine.rate == pytest.approx(true.rate, rel=0.25)


def test_last_buffer_first_serves_who_is_nearest_to_leave() -> None:
    """Of the re-entrant line's rules it is the one to beat, so it must be the rule of that name."""
    network, description = find_network("reentrant"), described("reentrant")
    rule = last_buffer_first(network, description)
    queues = [i for i, stock in enumerate(description.stocks) if stock.team is None]
    state = np.zeros((1, len(description.state_names)))
    state[0, queues] = [2, 1, 0, 3, 0, 1]
    present = np.array([[2, 1, 0, 3, 0, 1]])
    assert network.served(present, rule.decide(state)).tolist() == [[1, 5]]


def test_an_unknown_network_is_refused_with_a_suggestion() -> None:
    """A typing error on the command line should not end in a KeyError."""
    with pytest.raises(UnknownNetwork, match="criss_cross_BM"):
        find_network("criss_cross_BN")


def test_stored_results_are_what_the_rows_say() -> None:
    """A table that was written by hand would not follow its rows."""
    digests = {find_setting(name, quick=False).digest for name in NETWORKS}
    rows = [row for row in read_rows(STORED / "rows.jsonl", Row) if row.digest in digests]
    assert (STORED / "RESULTS.md").read_text(encoding="utf-8") == render(rows)
    assert all(figure["value"] > -1e-3 for figure in summary(rows)["figures"])
