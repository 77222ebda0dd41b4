from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from sim.customers import Route
from sim.description import SystemDescription
from sim.errors import InvalidSystem
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem
from sim.system import System
from surrogates.collect import run_episodes
from surrogates.coordinates import FlowBalance
from surrogates.coordinates.learnt import CONSERVING, PAID
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
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


def test_the_trapezoid_rule_tells_nearly_all_of_the_time_spent_in_a_backlog(
    transitions: Transitions, description: SystemDescription
) -> None:
    """What is left to be learnt is what the queue did in between, far less than the whole."""
    balance, names = FlowBalance(description), list(description.state_names)
    told = dict(
        zip([c.name for c in balance.coordinates], balance.trapezoids(transitions).T, strict=True)
    )
    waited = transitions.outputs[:, description.output_names.index("follow_up_wait")]
    queue = names.index("follow_up_waiting")
    ends = (transitions.state + transitions.next_state)[:, queue] / 2
    assert told["follow_up_wait"] == pytest.approx(ends * transitions.duration)
    assert np.std(waited - told["follow_up_wait"]) < 0.1 * np.std(waited)
    assert not told["call_arrivals"].any()


def test_nobody_idles_while_somebody_waits_for_teams_that_never_did(
    transitions: Transitions, description: SystemDescription
) -> None:
    """Drawn freely, a team with a backlog idled in a tenth of the draws, and never in the data."""
    balance = FlowBalance.learn(description, transitions)
    again = FlowBalance.from_tensors(balance.to_tensors(), description)
    names, random = list(description.state_names), np.random.default_rng(3)
    queue, name = names.index("follow_up_waiting"), "tier1_cases_busy"
    rows = transitions.state, transitions.decision, transitions.parameters
    bounds: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def draw(position: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        bounds[position] = low, high
        freely = random.integers(0, 60, len(low)).astype(float)
        return np.asarray(np.minimum(np.maximum(freely, low), high))

    for kept, is_conserving in ((again, True), (FlowBalance(description), False)):
        waits = kept.complete(*rows, draw).state[:, queue] > 0
        low, high = bounds[[c.name for c in kept.coordinates].index(name)]
        assert waits.sum() > 100
        # Where too few were served before, more idle than waiting customers explain.
        assert (high <= np.maximum(low, 0.0))[waits].all() == is_conserving
        assert (high > low)[~waits].any()
    few = transitions.take(np.arange(50))
    assert FlowBalance.learn(description, few).to_tensors()[CONSERVING].sum() == 0


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


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_feedback, "is reached from elsewhere too"),
        (lambda s: replace(s, boundaries=(), events=50), "its epochs end with events"),
    ],
    ids=["feedback", "events"],
)
def test_what_the_balance_cannot_represent_is_refused_with_what_can(
    change: Callable[[System], System], says: str
) -> None:
    """A draw that breaks the simulator's own rules would be worse than a family that knows none."""
    with pytest.raises(InvalidSystem, match="mean, bootstrap and gp do without it") as caught:
        FlowBalance(change(small_centre()).describe())
    assert says in str(caught.value)


def test_whoever_goes_back_was_let_through_before() -> None:
    """However many are drawn to go back, every stock on their way must have had them."""
    balance = FlowBalance(load_scenario("clinic").system().describe())
    description = balance.description
    at = [c.name for c in balance.coordinates].index("doctors_back_to_laboratory")
    random = np.random.default_rng(0)

    def draw(position: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        assert (low <= high).all()
        if position == at:
            return np.full(len(low), 50.0)
        room = (np.minimum(high, 60.0) - low).clip(0.0)
        return np.asarray(np.rint(low + random.random(len(low)) * room))

    states = random.integers(0, 4, (200, len(description.state_names))).astype(float)
    states[:, -2:] = 0.0
    chosen = random.choice(description.decisions, 200)
    epochs = balance.complete(states, chosen, np.tile(description.nominal, (200, 1)), draw)
    assert (epochs.outputs >= 0).all()
    assert (epochs.state >= 0).all()
    gone = description.output_names.index("doctors_back_to_laboratory")
    assert (epochs.outputs[:, gone] == 50).all()


def test_the_flow_surrogate_refuses_a_simulator_without_flows(transitions: Transitions) -> None:
    """The message must come before any library speaks of shapes."""
    with pytest.raises(InvalidSystem, match="it tells of no stocks and flows"):
        fit_flow(transitions, TinyQueue().describe(), FlowSettings(), np.random.default_rng(0))


def _simulated(name: str) -> tuple[SystemDescription, Transitions]:
    simulator = ServiceSystem(load_scenario(name).system())
    plans = plan_episodes(simulator.describe(), 3, seed=1)
    return simulator.describe(), run_episodes(lambda: simulator, plans)


@pytest.mark.parametrize(
    ("name", "kind"), [("autoscaling", "waiting"), ("autoscaling:dedicated", "idle")]
)
def test_servers_are_taken_for_shared_where_more_are_served_than_there_are(
    name: str, kind: str
) -> None:
    """A description does not say; customers past the size of a team are no idle agents."""
    description, transitions = _simulated(name)
    balance = FlowBalance.learn(description, transitions)
    kinds = {c.name: c.kind for c in balance.coordinates}
    assert kinds["workers_busy"] == kind
    again = FlowBalance.from_tensors(balance.to_tensors(), description)
    assert again.coordinates == balance.coordinates


def test_epochs_on_shared_servers_come_back_from_their_coordinates() -> None:
    """However many share the servers, no customer may be lost on the way."""
    description, transitions = _simulated("autoscaling")
    balance = FlowBalance.learn(description, transitions)
    values, low, high = balance.encode(transitions)
    again = balance.complete(
        transitions.state,
        transitions.decision,
        transitions.parameters,
        lambda position, least, most: values[:, position],
    )
    assert (transitions.next_state[:, 1] > transitions.decision[:, 0]).any()
    assert np.array_equal(again.state, transitions.next_state)
    assert np.array_equal(again.outputs, transitions.outputs)
    assert ((values >= low) & (values <= high)).all()


def test_servers_who_were_always_on_as_planned_are_on_for_no_more_and_no_less() -> None:
    """What they cost is sure beforehand; a law of it covers nearly everything with any interval."""
    build = partial(ServiceSystem, load_scenario("autoscaling").system())
    description, paid = build().describe(), "workers_on_minutes"
    seen = run_episodes(build, plan_episodes(description, 2, seed=1))
    at = description.output_names.index(paid)
    balance = FlowBalance.from_tensors(
        FlowBalance.learn(description, seen).to_tensors(), description
    )
    position = [c.name for c in balance.coordinates].index(paid)
    values, low, high = balance.encode(seen)
    assert np.array_equal(low[:, position], high[:, position])
    assert np.array_equal(values[:, position], low[:, position])

    def draw(position: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        del position
        return np.asarray(np.minimum(np.maximum(7.0, low), high))

    rows = seen.state, seen.decision, seen.parameters
    assert balance.complete(*rows, draw).outputs[:, at] == pytest.approx(seen.outputs[:, at])
    outputs = seen.outputs.copy()
    outputs[5, at] -= 0.01
    other = FlowBalance.learn(description, replace(seen, outputs=outputs))
    assert (other.complete(*rows, draw).outputs[:, at] == 7.0).all()
    old = balance.to_tensors()
    del old[PAID]
    kept = FlowBalance.from_tensors(old, description)
    assert (kept.complete(*rows, draw).outputs[:, at] == 7.0).all()
