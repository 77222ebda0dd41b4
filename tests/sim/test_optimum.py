"""The best control of small networks, against published optima, closed forms and bounds."""

import numpy as np
import pytest
from scipy import sparse

from sim.analytic import (
    CRISS_CROSS_LOADS,
    CRISS_CROSS_OPTIMA,
    IDLE,
    Activity,
    JacksonStation,
    MarkovNetwork,
    Optimum,
    PriorityClass,
    c_mu_policy,
    criss_cross,
    evaluate,
    find_optimum,
    five_class,
    jackson_network,
    max_pressure_policy,
    max_weight_policy,
    mean_numbers,
    n_model,
    n_model_threshold_policy,
    preemptive_sojourns,
    reentrant,
    tandem,
)
from sim.analytic.policies import greedy_policy
from sim.analytic.policy_chain import generator
from sim.analytic.truncation import TruncatedNetwork
from sim.errors import InvalidSystem, UnstableSystem

RAMIFIED = MarkovNetwork(
    arrival_rates=(0.4, 0.3, 0.0),
    holding_costs=(1.0, 2.0, 1.5),
    activities=(
        Activity(server=0, customer_class=0, rate=2.0, routes=((0, 0.2), (2, 0.5))),
        Activity(server=0, customer_class=1, rate=1.0, routes=((2, 1.0),)),
        Activity(server=1, customer_class=1, rate=0.7, routes=((0, 0.4),)),
        Activity(server=2, customer_class=2, rate=1.1),
    ),
)
"""Feedback, splitting, a shared class and a server of its own, at levels that are soon reached."""


@pytest.mark.parametrize(
    ("load", "levels", "cost"),
    [
        ("IL", (18, 12, 18), 0.6706),
        ("BL", (18, 18, 18), 0.8432),
        ("IM", (32, 18, 32), 2.0836),
        ("BM", (36, 24, 36), 2.8289),
    ],
)
def test_criss_cross_optima_meet_known_values(
    load: str, levels: tuple[int, ...], cost: float
) -> None:
    """Dai and Gluzman (2022) give three digits; the list has one more, the table six."""
    optimum = find_optimum(criss_cross(load), levels)
    known = CRISS_CROSS_OPTIMA[load]
    assert optimum.error <= 1e-5
    assert optimum.average_cost == pytest.approx(cost, abs=1e-4)
    assert optimum.average_cost == pytest.approx(known.average_cost, abs=2e-5)


@pytest.mark.parametrize("load", ["IH", "BH"])
def test_heavy_criss_cross_optima_are_approached_from_below(load: str) -> None:
    """A full solution takes minutes. A small grid turns customers away, and so costs less."""
    known = CRISS_CROSS_OPTIMA[load].average_cost
    small, large = (
        find_optimum(criss_cross(load), levels, tolerance=0.01).average_cost
        for levels in ((10, 10, 10), (20, 16, 20))
    )
    assert small + 0.02 < large < known
    assert large > 0.8 * known


def test_a_criss_cross_optimum_is_listed_for_every_load() -> None:
    """A study looks the optimum up by the name of the load."""
    assert CRISS_CROSS_OPTIMA.keys() == CRISS_CROSS_LOADS.keys()
    with pytest.raises(InvalidSystem, match="no criss-cross load 'BN'; known: BH, BL"):
        criss_cross("BN")


@pytest.fixture(scope="module")
def n_optimum() -> Optimum:
    return find_optimum(n_model(0.95), (500, 180))


def test_the_n_model_s_optimum_meets_its_known_value(n_optimum: Optimum) -> None:
    """Truncation at these levels still takes .0004 off; the bounds say that the rest is exact."""
    assert n_optimum.error <= 1e-5
    assert n_optimum.average_cost == pytest.approx(46.165, abs=5e-4)


def test_known_policies_of_the_n_model_meet_their_values() -> None:
    """MaxWeight is max-pressure here, since nobody goes on; a threshold of 11 does better.

    The list has 47.240 for it; grids of up to (900, 250) give 47.2405.
    """
    network = n_model(0.95)
    levels = (600, 160)
    max_weight = max_weight_policy(network, levels)
    assert np.array_equal(max_weight, max_pressure_policy(network, levels))
    assert evaluate(network, max_weight) == pytest.approx(48.576, abs=5e-4)
    threshold = n_model_threshold_policy(levels, 11)
    assert evaluate(network, threshold) == pytest.approx(47.2405, abs=1e-4)


def test_c_mu_is_unstable_in_the_n_model() -> None:
    """It helps whenever it can, which starves the helper's own class: that queue fills any grid."""
    network = n_model(0.95)
    costs = [evaluate(network, c_mu_policy(network, (level, 50))) for level in (100, 200, 400)]
    assert costs[0] > 100
    assert costs[1] > 1.9 * costs[0]
    assert costs[2] > 1.9 * costs[1]


def test_the_n_model_s_optimum_helps_above_a_switching_curve(n_optimum: Optimum) -> None:
    """More of the costly class never ends the help, away from where the grid turns it away."""
    helps = n_optimum.policy[0, 1:200, :80] == 1
    assert (helps[:, 1:] >= helps[:, :-1]).all()
    assert 0 < helps.mean() < 1
    thresholds = helps.argmax(axis=1)
    assert (np.diff(thresholds) >= 0).all()


def test_the_optimal_policy_costs_the_optimum() -> None:
    """Evaluated as any other policy, what was found must cost what was promised."""
    levels = (60, 40)
    network = n_model(0.8)
    optimum = find_optimum(network, levels)
    assert evaluate(network, optimum.policy) == pytest.approx(optimum.average_cost, abs=2e-5)
    others = (c_mu_policy(network, levels), max_weight_policy(network, levels))
    assert all(evaluate(network, other) > optimum.average_cost + 0.01 for other in others)


def test_policy_iteration_and_value_iteration_agree() -> None:
    """A third class that never comes makes the same network one for sweeps alone."""
    network = n_model(0.6)
    idle = Activity(server=0, customer_class=2, rate=0.1)
    widened = MarkovNetwork(
        arrival_rates=(*network.arrival_rates, 0.0),
        holding_costs=(*network.holding_costs, 0.0),
        activities=(*network.activities, idle),
    )
    flat = find_optimum(network, (30, 25))
    swept = find_optimum(widened, (30, 25, 1))
    assert flat.average_cost == pytest.approx(swept.average_cost, abs=2e-5)
    policy = max_weight_policy(widened, (30, 25, 1))
    expected = evaluate(network, max_weight_policy(network, (30, 25)))
    assert evaluate(widened, policy) == pytest.approx(expected, abs=2e-5)


def priorities(network: MarkovNetwork) -> tuple[PriorityClass, ...]:
    rates = zip(network.arrival_rates, network.activities, strict=True)
    return tuple(PriorityClass(arrival_rate=a, mean_service=1 / s.rate) for a, s in rates)


@pytest.mark.parametrize("level", [1, 4, 30])
def test_a_single_queue_costs_the_same_at_every_level(level: int) -> None:
    """The charge for who is lost is then exactly what keeping him costs: load 4/5, 4 customers."""
    network = tandem(0.8, (1.0,), holding_costs=(2.0,))
    assert find_optimum(network, (level,)).average_cost == pytest.approx(8.0, abs=2e-5)


def test_c_mu_is_optimal_for_two_classes_of_one_server() -> None:
    """At utilisation .7 the optimum is the closed form of preemptive priority by cost and rate."""
    network = MarkovNetwork(
        arrival_rates=(0.4, 0.6),
        holding_costs=(3.0, 1.0),
        activities=(
            Activity(server=0, customer_class=0, rate=1.0),
            Activity(server=0, customer_class=1, rate=2.0),
        ),
    )
    classes = priorities(network)
    expected = np.array([3.0, 1.0]) @ mean_numbers(classes, preemptive_sojourns(classes))
    optimum = find_optimum(network, (40, 120))
    assert optimum.average_cost == pytest.approx(float(expected), abs=2e-5)
    served = optimum.policy[0, :30, :100]
    assert (served[1:] == 0).all()
    assert (served[0, 1:] == 1).all()


def test_c_mu_is_optimal_for_five_classes_of_one_server() -> None:
    """The grid of the listed load would be too large; at a level, it pays to lose customers."""
    network = five_class(0.08)
    classes = priorities(network)
    costs = np.array(network.holding_costs)
    expected = float(costs @ mean_numbers(classes, preemptive_sojourns(classes)))
    levels = (5, 6, 7, 8, 10)
    optimum = find_optimum(network, levels)
    assert optimum.average_cost == pytest.approx(expected, abs=2e-5)
    assert np.array_equal(optimum.policy[:, :5], c_mu_policy(network, levels)[:, :5])


def test_a_tandem_of_equal_costs_never_idles() -> None:
    """Work done early is never wrong then, and the stations are Jackson's."""
    optimum = find_optimum(tandem(0.5, (1.0, 0.8)), (60, 60))
    stations = jackson_network(
        (
            JacksonStation(name="a", service_rate=1.0, arrival_rate=0.5, routes={"b": 1.0}),
            JacksonStation(name="b", service_rate=0.8),
        )
    )
    jackson = sum(station.mean_number for station in stations)
    assert optimum.average_cost == pytest.approx(jackson, abs=2e-5)


def test_a_tandem_of_rising_costs_holds_customers_back() -> None:
    """Waiting is cheaper before the first station, so that it serves only to feed the second."""
    network = tandem(0.5, (1.0, 0.8), holding_costs=(1.0, 4.0))
    levels = (60, 60)
    optimum = find_optimum(network, levels)
    busy = evaluate(network, c_mu_policy(network, levels))
    assert busy == pytest.approx(1.0 + 4.0 * (0.5 / 0.3), abs=2e-5)
    assert optimum.average_cost < 0.95 * busy
    first = optimum.policy[0, 1:40, :30]
    assert (first[:, 0] == 0).all()
    assert (first[0, 5:] == IDLE).all()


def test_feedback_meets_jackson() -> None:
    """A customer who returns with probability 1/4 raises the load to .4 / .75."""
    network = MarkovNetwork(
        arrival_rates=(0.4,),
        holding_costs=(1.0,),
        activities=(Activity(server=0, customer_class=0, rate=1.0, routes=((0, 0.25),)),),
    )
    load = 0.4 / 0.75
    assert network.effective_rates() == pytest.approx([load])
    cost = find_optimum(network, (80,)).average_cost
    assert cost == pytest.approx(load / (1 - load), abs=2e-5)


@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_for_any_function_of_the_state(seed: int) -> None:
    """That the optimum lies between the drift's extremes is what certifies every answer."""
    grid = TruncatedNetwork(RAMIFIED, (4, 3, 5))
    optimum = find_optimum(RAMIFIED, grid.levels)
    random = np.random.default_rng(seed)
    near = optimum.relative_values + random.normal(0.0, 0.5, grid.shape)
    drift = grid.drift(near)
    assert drift.min() < optimum.average_cost < drift.max()


@pytest.mark.parametrize("seed", range(4))
def test_sweeps_and_the_chain_of_a_policy_agree_on_every_move(seed: int) -> None:
    """Arrays shifted along axes and a matrix of rates describe the same transitions."""
    grid = TruncatedNetwork(RAMIFIED, (4, 3, 5))
    values = np.random.default_rng(seed).normal(0.0, 1.0, grid.shape)
    rates = generator(grid, greedy_policy(grid, values))
    expected = grid.costs.ravel() + rates @ values.ravel()
    assert grid.drift(values).ravel() == pytest.approx(expected, abs=1e-12)


def test_no_policy_drifts_lower_than_the_best_decisions() -> None:
    """The least over decisions is no more than what any policy does, in every state."""
    grid = TruncatedNetwork(RAMIFIED, (4, 3, 5))
    values = np.random.default_rng(9).normal(0.0, 1.0, grid.shape)
    least = grid.drift(values).ravel()
    for rule in (c_mu_policy, max_weight_policy, max_pressure_policy):
        rates = generator(grid, rule(RAMIFIED, grid.levels))
        assert (grid.costs.ravel() + rates @ values.ravel() >= least - 1e-12).all()


def test_the_chain_of_a_policy_only_moves() -> None:
    """Rates out of a state add up to what leaves it, and no rate between states is negative."""
    grid = TruncatedNetwork(RAMIFIED, (4, 3, 5))
    rates = generator(grid, max_weight_policy(RAMIFIED, grid.levels))
    assert np.abs(rates.sum(axis=1)).max() < 1e-12
    between = rates - sparse.diags_array(rates.diagonal())
    assert between.min() >= 0
    assert -rates.diagonal().min() <= grid.event_rate


def test_max_pressure_waits_for_room_downstream() -> None:
    """It does not add to a longer queue, which c-mu and MaxWeight do not see."""
    network = tandem(0.5, (1.0, 1.0))
    pressure = max_pressure_policy(network, (5, 5))
    weight = max_weight_policy(network, (5, 5))
    assert pressure[0, 2, 1] == weight[0, 2, 1] == weight[0, 2, 4] == 0
    assert pressure[0, 2, 4] == IDLE


def test_servers_that_share_no_class_decide_apart() -> None:
    """Only within a crew may two servers want the same customer."""
    assert RAMIFIED.crews() == ((0, 1), (2,))
    assert criss_cross("IL").crews() == ((0,), (1,))
    assert n_model().crews() == ((0, 1),)


@pytest.mark.parametrize("stations", [2, 3, 7])
def test_every_station_of_the_reentrant_line_has_load_nine_tenths(stations: int) -> None:
    """Its rates are chosen so, whatever the length; a wrong route would show here."""
    network = reentrant(stations)
    rates = network.effective_rates()
    loads = np.zeros(stations)
    for activity in network.activities:
        loads[activity.server] += rates[activity.customer_class] / activity.rate
    assert loads == pytest.approx(np.full(stations, 0.9))
    leaving = [a.customer_class for a in network.activities if not a.routes]
    assert leaving == [3 * stations - 2, 3 * stations - 1]


def test_a_reentrant_line_of_one_station_is_refused() -> None:
    """It would have nothing to re-enter."""
    with pytest.raises(InvalidSystem, match="1 stations: at least 2"):
        reentrant(1)


def test_an_iteration_that_has_not_settled_is_refused_with_its_bounds() -> None:
    """A cost that is still rising would be taken for the optimum."""
    with pytest.raises(InvalidSystem, match="after 20 sweeps the average cost is only known betw"):
        find_optimum(criss_cross("BM"), (10, 10, 10), most_sweeps=20)


def test_a_policy_under_which_the_chain_falls_into_parts_is_refused() -> None:
    """Servers that never serve keep a class that nobody enters as it began: no single average."""
    network = tandem(0.5, (1.0, 0.8))
    idle = np.full((2, 6, 6), IDLE, dtype=np.int8)
    with pytest.raises(InvalidSystem, match="depends on where it begins, from 11 to 16: let it"):
        evaluate(network, idle)


def test_policies_that_the_network_cannot_follow_are_refused() -> None:
    """Each would otherwise be evaluated as some other policy."""
    network = n_model()
    policy = c_mu_policy(network, (4, 4))
    with pytest.raises(InvalidSystem, match="a policy of shape"):
        evaluate(network, policy[:1])
    unable = policy.copy()
    unable[1, 2, 2] = 0
    with pytest.raises(InvalidSystem, match="sends server 1 to class 0: no activity"):
        evaluate(network, unable)
    crowded = policy.copy()
    crowded[:, 3, 1] = 1
    message = r"in state \(3, 1\) the policy sends more servers to class 1 than customers"
    with pytest.raises(InvalidSystem, match=message):
        evaluate(network, crowded)


def test_networks_that_make_no_sense_are_refused() -> None:
    """A network is checked where it is written down, and the message says what to mend."""
    serve = Activity(server=0, customer_class=0, rate=1.0)
    lost = Activity(server=0, customer_class=1, rate=1.0, routes=((2, 1.0),))
    two = {"arrival_rates": (0.1, 0.1), "holding_costs": (1.0, 1.0)}
    with pytest.raises(InvalidSystem, match="no server serves class 1"):
        MarkovNetwork(**two, activities=(serve,))
    with pytest.raises(InvalidSystem, match="names class 2 of 2: number them from 0"):
        MarkovNetwork(**two, activities=(serve, lost))
    with pytest.raises(InvalidSystem, match="server 0 has 2 activities for class 0"):
        MarkovNetwork(arrival_rates=(0.1,), holding_costs=(1.0,), activities=(serve, serve))
    with pytest.raises(InvalidSystem, match="1 arrival rates and 2 holding costs"):
        MarkovNetwork(arrival_rates=(0.1,), holding_costs=(1.0, 2.0), activities=(serve,))
    with pytest.raises(InvalidSystem, match="which add up to at most 1"):
        Activity(server=0, customer_class=0, rate=1.0, routes=((0, 0.7), (1, 0.4)))
    with pytest.raises(UnstableSystem, match="class 0 comes at rate 2 and is served at most at ra"):
        find_optimum(tandem(2.0, (1.0, 3.0)), (5, 5))
    with pytest.raises(InvalidSystem, match=r"levels \(5,\) for 2 classes"):
        find_optimum(n_model(), (5,))
