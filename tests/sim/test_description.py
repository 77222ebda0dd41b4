import numpy as np
import pytest

from sim.description import Description, Lever
from sim.errors import InvalidSystem
from sim.system import ServerTeam, System
from tests.systems import BOUNDARIES, small_centre


@pytest.fixture
def centre() -> Description:
    return small_centre().describe()


def _sizes(description: Description, decision: list[float], epoch: int = 0) -> list[float]:
    known = description.known_ahead(np.array([0]), np.array([epoch]), description.nominal[None, :])
    return list(description.team_sizes(known, np.array([decision]))[0])


def test_names_are_as_many_as_numbers(centre: Description) -> None:
    """A name over the wrong number would mislead every table and every network."""
    assert len(centre.state_names) == len(centre.initial_state(0))
    assert centre.state_names[-2:] == ("day", "epoch")
    assert len(set(centre.state_names)) == len(centre.state_names)
    assert len(set(centre.output_names)) == len(centre.output_names)
    assert centre.output_names[-1] == "moves"


def test_stocks_stand_in_the_order_in_which_customers_pass_them(centre: Description) -> None:
    """Surrogates model a stock given those before it, as flows go."""
    order = [stock.name for stock in centre.stocks]
    for flow in centre.flows:
        if flow.source and flow.target:
            assert order.index(flow.source) < order.index(flow.target)


def test_decisions_are_every_joint_choice_with_the_last_lever_fastest(centre: Description) -> None:
    """A policy's action is a number in this list, so its order is part of every saved policy."""
    assert centre.decisions.tolist() == [
        [0.0, 0.0], [0.0, 0.4], [0.1, 0.0], [0.1, 0.4], [0.3, 0.0], [0.3, 0.4],
    ]  # fmt: skip


def test_teams_share_out_exactly_the_agents_on_duty(centre: Description) -> None:
    """.3 of 14 agents is 4, .4 of 5 is 2, and the teams without a lever have the rest."""
    assert _sizes(centre, [0.3, 0.4]) == [10.0, 4.0, 3.0, 2.0]


def test_the_rest_team_may_stand_anywhere_in_the_list() -> None:
    """A scenario's order of teams says who is preferred, not who is left over."""
    system = small_centre()
    backwards = System(
        name=system.name,
        arrivals=system.arrivals,
        classes=system.classes,
        teams=system.teams[::-1],
        rosters=system.rosters,
        boundaries=system.boundaries,
        levers=system.levers,
        parameters=system.parameters,
    )
    assert _sizes(backwards.describe(), [0.3, 0.4]) == [2.0, 3.0, 4.0, 10.0]


def test_levers_that_together_ask_for_too_many_leave_nobody_over() -> None:
    """A team of less than no agents would lend agents that do not exist."""
    system = small_centre()
    levers = (*system.levers, Lever(name="more", levels=(0.0, 1.0)))
    teams = (
        *system.teams,
        ServerTeam(name="more_cases", pool="tier1", serves="follow_up", lever="more"),
    )
    crowded = System(
        name=system.name,
        arrivals=system.arrivals,
        classes=system.classes,
        teams=teams,
        rosters=system.rosters,
        boundaries=system.boundaries,
        levers=levers,
        parameters=system.parameters,
    )
    assert _sizes(crowded.describe(), [0.3, 0.4, 1.0]) == [0.0, 4.0, 3.0, 2.0, 10.0]


def test_moves_count_agents_whose_team_changes(centre: Description) -> None:
    """From 4 and 2 moved agents to 1 and 5 there are 3 + 3 who change."""
    state = centre.initial_state(0)
    state[-4:-2] = [4.0, 2.0]
    assert centre.moves(state[None, :], np.array([[13.0, 1.0, 0.0, 5.0]])).tolist() == [6.0]


def test_parameters_scale_what_is_known_ahead(centre: Description) -> None:
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


def test_durations_are_the_gaps_between_boundaries(centre: Description) -> None:
    """The last epoch is longer, and rates per minute must know it."""
    assert centre.epochs == 6
    assert centre.durations.tolist() == [30.0, 30.0, 30.0, 30.0, 30.0, 35.0]


@pytest.mark.parametrize("edges", [(0.0,), (0.0, 30.0, 30.0), (10.0, 30.0), (0.0, float("nan"))])
def test_epochs_that_do_not_rise_from_opening_are_refused(edges: tuple[float, ...]) -> None:
    """Time before the first epoch would be simulated without a decision."""
    system = small_centre()
    with pytest.raises(InvalidSystem, match="rising from 0"):
        System(
            name=system.name,
            arrivals=system.arrivals,
            classes=system.classes,
            teams=system.teams,
            rosters={pool: np.full(len(edges) - 1, 3.0) for pool in system.rosters},
            boundaries=edges,
            levers=system.levers,
        ).describe()


@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan")])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    """Nobody can move more agents than there are."""
    with pytest.raises(InvalidSystem, match=f"offers {level}"):
        Lever(name="moved", levels=(0.0, level))


def test_the_small_centre_is_as_long_as_its_epochs_say() -> None:
    """Tests that share it rely on arrivals until close."""
    times = small_centre().arrivals.draw(np.random.default_rng(0), 1.0).times
    assert BOUNDARIES[-2] < times[-1] < BOUNDARIES[-1]
