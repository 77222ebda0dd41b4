from dataclasses import replace

import numpy as np
import pytest

from sim.customers import Balking, Route
from sim.description import Lever, SystemDescription
from sim.errors import InvalidSystem
from sim.scenario import bundled_scenarios, load_scenario
from sim.servers import ServerTeam
from sim.simulator import ServiceSystem
from tests.systems import BOUNDARIES, small_centre


@pytest.fixture
def centre() -> SystemDescription:
    return small_centre().describe()


def _sizes(description: SystemDescription, decision: list[float], epoch: int = 0) -> list[float]:
    known = description.known_ahead(np.array([0]), np.array([epoch]), description.nominal[None, :])
    return list(description.team_sizes(known, np.array([decision]))[0])


def test_names_are_as_many_as_numbers(centre: SystemDescription) -> None:
    """A name over the wrong number would mislead every table and every network."""
    assert len(centre.state_names) == len(centre.initial_state(0))
    assert centre.state_names[-2:] == ("day", "epoch")
    assert len(set(centre.state_names)) == len(centre.state_names)
    assert len(set(centre.output_names)) == len(centre.output_names)
    assert centre.output_names[-1] == "moves"


def test_stocks_stand_in_the_order_in_which_customers_pass_them(centre: SystemDescription) -> None:
    """Surrogates model a stock given those before it, as flows go."""
    order = [stock.name for stock in centre.stocks]
    for flow in centre.flows:
        if flow.source and flow.target:
            assert order.index(flow.source) < order.index(flow.target)


def test_decisions_are_every_joint_choice_with_the_last_lever_fastest(
    centre: SystemDescription,
) -> None:
    """A policy's action is a number in this list, so its order is part of every saved policy."""
    assert centre.decisions.tolist() == [
        [0.0, 0.0], [0.0, 0.4], [0.1, 0.0], [0.1, 0.4], [0.3, 0.0], [0.3, 0.4],
    ]  # fmt: skip


def test_a_number_stands_for_its_row_of_decisions(centre: SystemDescription) -> None:
    """Looked up or worked out: where there are too many to be listed only the latter can be."""
    chosen = np.array([5, 0, 3, 3])
    np.testing.assert_array_equal(centre.levels_of(chosen), centre.decisions[chosen])


def test_teams_share_out_exactly_the_agents_on_duty(centre: SystemDescription) -> None:
    """.3 of 14 agents is 4, .4 of 5 is 2, and the teams without a lever have the rest."""
    assert _sizes(centre, [0.3, 0.4]) == [10.0, 4.0, 3.0, 2.0]


def test_the_rest_team_may_stand_anywhere_in_the_list() -> None:
    """A scenario's order of teams says who is preferred, not who is left over."""
    system = small_centre()
    backwards = replace(system, teams=system.teams[::-1])
    assert _sizes(backwards.describe(), [0.3, 0.4]) == [2.0, 3.0, 4.0, 10.0]


def test_levers_that_together_ask_for_too_many_leave_nobody_over() -> None:
    """A team of less than no agents would lend agents that do not exist."""
    system = small_centre()
    levers = (*system.levers, Lever(name="more", levels=(0.0, 1.0)))
    teams = (
        *system.teams,
        ServerTeam(name="more_cases", pool="tier1", serves="follow_up", lever="more"),
    )
    crowded = replace(system, teams=teams, levers=levers)
    assert _sizes(crowded.describe(), [0.3, 0.4, 1.0]) == [0.0, 4.0, 3.0, 2.0, 10.0]


def test_moves_count_agents_whose_team_changes(centre: SystemDescription) -> None:
    """From 4 and 2 moved agents to 1 and 5 there are 3 + 3 who change."""
    state = centre.initial_state(0)
    state[-4:-2] = [4.0, 2.0]
    assert centre.moves(state[None, :], np.array([[13.0, 1.0, 0.0, 5.0]])).tolist() == [6.0]


def test_parameters_scale_what_is_known_ahead(centre: SystemDescription) -> None:
    """Expected arrivals scale with the rate and rosters with staff, in whole agents."""
    names = [p.name for p in centre.parameters]
    scaled = centre.nominal.copy()
    scaled[names.index("arrival_scale")] = 1.5
    scaled[names.index("staff_scale")] = 0.9
    row = centre.known_ahead(np.array([0]), np.array([1]), scaled[None, :])[0]
    known = dict(zip(centre.calendar.columns, row, strict=True))
    assert known["expected_arrivals"] == pytest.approx(1.5 * 4.0 * 30.0)
    assert known["expected_so_far"] == pytest.approx(1.5 * 4.0 * 30.0)
    assert (known["tier1"], known["tier2"]) == (15.0, 4.0)


def test_durations_are_the_gaps_between_boundaries(centre: SystemDescription) -> None:
    """The last epoch is longer, and rates per minute must know it."""
    assert centre.epochs == 6
    assert centre.durations.tolist() == [30.0, 30.0, 30.0, 30.0, 30.0, 35.0]


@pytest.mark.parametrize(
    "edges", [(0.0,), (0.0, 30.0, 30.0), (10.0, 30.0), (0.0, float("nan")), (0.0, float("inf"))]
)
def test_epochs_that_do_not_rise_from_opening_are_refused(edges: tuple[float, ...]) -> None:
    """Time before the first epoch would be simulated without a decision."""
    with pytest.raises(InvalidSystem, match="rising from 0"):
        replace(small_centre(), boundaries=edges)


@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan")])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    """Nobody can move more agents than there are."""
    with pytest.raises(InvalidSystem, match=f"offers {level}"):
        Lever(name="moved", levels=(0.0, level))


def test_the_small_centre_is_as_long_as_its_epochs_say() -> None:
    """Tests that share it rely on arrivals until close."""
    arrivals = small_centre().arrivals["call"].begin(np.random.default_rng(0), 1.0)
    times = arrivals.until(BOUNDARIES[-1])
    assert BOUNDARIES[-2] < times[-1] < BOUNDARIES[-1]


@pytest.mark.parametrize("name", [name for name in bundled_scenarios() if name != "bank"])
def test_an_episode_opens_in_the_state_that_the_description_says(name: str) -> None:
    """A surrogate's world opens from the description and must begin where the simulator does."""
    simulator = ServiceSystem(load_scenario(name).system())
    opened = simulator.reset(1)
    said = simulator.describe().initial_state(int(opened[-2]))
    np.testing.assert_array_equal(said, opened)


def _idle_by_hand(
    description: SystemDescription, state: np.ndarray, decision: np.ndarray
) -> list[float]:
    """Idle servers of each pool that a lever shares out, for one state and one decision."""
    now = dict(zip(description.state_names, state.tolist(), strict=True))
    known = description.known_ahead(
        np.array([int(now["day"])]), np.array([int(now["epoch"])]), description.nominal[None]
    )
    sizes = description.team_sizes(known, decision[None])[0]
    idle: dict[str, float] = {}
    for team, size in zip(description.teams, sizes.tolist(), strict=True):
        at_hand = now[team.queue] + now[f"{team.name}_busy"]
        idle[team.pool] = idle.get(team.pool, 0.0) + max(size - at_hand, 0.0)
    levered = {team.pool for team in description.teams if team.lever is not None}
    return [idle[pool] for pool in idle if pool in levered]


@pytest.mark.parametrize("name", ["callbacks", "clinic", "hospital_overflow"])
def test_choices_that_idle_servers_are_the_same_one_by_one(name: str) -> None:
    """The mask looks at all states and choices at once: each pair must count for itself alone."""
    description = ServiceSystem(load_scenario(name).system()).describe()
    random = np.random.default_rng(8)
    states = random.integers(0, 12, size=(40, len(description.state_names))).astype(float)
    states[:, -2] = random.integers(len(description.calendar.values), size=len(states))
    states[:, -1] = random.integers(description.epochs, size=len(states))
    feasible = description.feasible(states)
    by_hand = np.zeros_like(feasible)
    for allowed, state, row in zip(feasible, states, by_hand, strict=True):
        idle = np.array([_idle_by_hand(description, state, d) for d in description.decisions])
        row[:] = allowed & (idle <= idle[allowed].min(axis=0)).all(axis=1)
        row[:] = row if row.any() else allowed
    assert not by_hand.all()
    np.testing.assert_array_equal(description.non_idling(states), by_hand)


def test_customers_turned_away_cannot_knock_again_at_once() -> None:
    """The queue would still be as long and the room as full: they would knock without end."""
    system = small_centre()
    call = replace(
        system.classes[0],
        balking=(Balking(waiting=0, share=1.0),),
        rejection_routes=(Route(to="call"),),
    )
    with pytest.raises(InvalidSystem, match="turned away go from class 'call' to 'call' at once"):
        replace(system, classes=(call, *system.classes[1:]))


def test_customers_turned_away_cannot_go_round_in_a_circle() -> None:
    """Two full rooms that send to each other would pass a customer on without end."""
    system = small_centre()
    names = [c.name for c in system.classes[:2]]
    circle = tuple(
        replace(c, rejection_routes=(Route(to=to),))
        for c, to in zip(system.classes[:2], reversed(names), strict=True)
    )
    with pytest.raises(InvalidSystem, match=r"turned away go from class '\w+' to '\w+' to '\w+'"):
        replace(system, classes=(*circle, *system.classes[2:]))
