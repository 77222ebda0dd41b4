from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sim.customers import Route
from sim.description import SystemDescription
from sim.distributions import Exponential
from sim.errors import InvalidSystem
from sim.servers import Breakdown, Pool
from sim.system import System
from surrogates.balance import FlowBalance
from surrogates.dataset import Transitions
from surrogates.flow import FlowSettings, fit_flow
from tests.fakes import TinyQueue
from tests.systems import small_centre


def test_encoding_and_completing_real_epochs_changes_nothing(
    transitions: Transitions, description: SystemDescription
) -> None:
    """The coordinates must determine an epoch: a number lost here no surrogate could learn."""
    balance = FlowBalance(description)
    values, low, high = balance.encode(transitions)
    again = balance.complete(
        transitions.state,
        transitions.decision,
        transitions.parameters,
        lambda position, least, most: values[:, position],
    )
    assert np.array_equal(again.state, transitions.next_state)
    assert np.array_equal(again.outputs, transitions.outputs)
    assert (values >= low).all()
    assert (values <= high).all()


def test_the_scale_of_a_coordinate_can_be_undone(description: SystemDescription) -> None:
    """What is modelled on a scale is drawn on it, so the way back must be exact for counts."""
    for coordinate in FlowBalance(description).coordinates:
        first = -300.0 if coordinate.kind == "idle" else 0.0
        counts = np.arange(first, 1000.0)
        assert np.array_equal(np.rint(coordinate.unscale(coordinate.scale(counts))), counts)


def with_feedback(system: System) -> System:
    call, escalation, case = system.classes
    again = replace(escalation, routes=(Route(to="call", probability=0.3),))
    return replace(system, classes=(call, again, case))


def with_pool(system: System, **changes: object) -> System:
    first, *others = system.pools
    return replace(system, pools=(replace(first, **changes), *others))  # type: ignore[arg-type]


def with_unlimited_escalations(system: System) -> System:
    teams = [t for t in system.teams if t.lever != "on_phones"]
    tier1, _ = system.pools
    endless = Pool(name="tier2", shifts=((0.0, float("inf")),))
    return replace(system, teams=tuple(teams), levers=system.levers[:1], pools=(tier1, endless))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_feedback, "'tier2_escalations_to_call' goes back"),
        (lambda s: with_pool(s, preemption="resume"), "'tier1_calls_interrupted' goes back"),
        (lambda s: replace(s, boundaries=(), events=50), "its epochs end with events"),
        (
            lambda s: with_pool(
                s, breakdown=Breakdown(uptime=Exponential(mean=60.0), repair=Exponential(mean=5.0))
            ),
            "'tier1_up' counts servers who come and go",
        ),
        (with_unlimited_escalations, "'tier2_escalations' is of an unlimited pool"),
    ],
    ids=["feedback", "preemption", "events", "breakdowns", "unlimited"],
)
def test_what_the_balance_cannot_represent_is_refused_with_what_can(
    change: Callable[[System], System], says: str
) -> None:
    """A draw that breaks the simulator's own rules would be worse than a family that knows none."""
    with pytest.raises(InvalidSystem, match="mean, bootstrap and gp do without it") as caught:
        FlowBalance(change(small_centre()).describe())
    assert says in str(caught.value)


def test_the_flow_surrogate_refuses_a_simulator_without_flows(transitions: Transitions) -> None:
    """The message must come before any library speaks of shapes."""
    with pytest.raises(InvalidSystem, match="it tells of no stocks and flows"):
        fit_flow(transitions, TinyQueue().describe(), FlowSettings(), np.random.default_rng(0))
