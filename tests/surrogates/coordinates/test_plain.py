"""Coordinates of a simulator that tells nothing but names."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from sim.customers import Route
from sim.description import Description
from sim.simulator import ServiceSystem
from sim.system import System
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.coordinates import Coordinates, FlowBalance
from surrogates.coordinates.plain import PlainCoordinates, learn_coordinates, restore_coordinates
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.errors import InvalidDataset
from surrogates.families import FAMILIES, LOADERS, families_for, fit_family
from surrogates.interface import SupportsLikelihood, SupportsUpdate, Surrogate
from surrogates.scores import score
from tests.fakes import TinyQueue
from tests.surrogates.conftest import SMALL_SETTINGS
from tests.systems import small_centre

plain_families = pytest.mark.parametrize(
    "family", ["ensemble", "gp", "quantile", "trees", "bootstrap", "mean"]
)


@pytest.fixture(scope="module")
def tiny() -> Description:
    return WithClock(build=TinyQueue)().describe()


@pytest.fixture(scope="module")
def rounds(tiny: Description) -> Transitions:
    return run_episodes(WithClock(build=TinyQueue), plan_episodes(tiny, 48, 5))


@pytest.fixture(scope="module")
def plain(rounds: Transitions, tiny: Description) -> dict[str, Surrogate]:
    """Every family that needs no structure, fitted on the same rounds."""
    return {
        name: FAMILIES[name](rounds, tiny, SMALL_SETTINGS[name], np.random.default_rng(3))
        for name in families_for(tiny)
    }


def with_feedback() -> System:
    """A centre some of whose escalations come back as calls, decided with every event."""
    system = small_centre()
    call, escalation, case = system.classes
    again = replace(escalation, routes=(Route(to="call", probability=0.3),))
    return replace(system, classes=(call, again, case))


def put_back(coordinates: Coordinates, transitions: Transitions) -> tuple[np.ndarray, ...]:
    """Epochs made again from their own free numbers."""
    values, low, high = coordinates.encode(transitions)
    assert (values >= low).all()
    assert (values <= high).all()
    again = coordinates.complete(
        transitions.state,
        transitions.decision,
        transitions.parameters,
        lambda position, least, most: values[:, position],
    )
    return again.state, again.outputs, again.duration


@pytest.mark.parametrize(
    "build",
    [
        WithClock(build=TinyQueue),
        partial(TinyQueue, boundaries=()),
        partial(ServiceSystem, with_feedback()),
        partial(ServiceSystem, replace(small_centre(), boundaries=(), events=40)),
    ],
    ids=["clocked", "by events", "feedback", "system by events"],
)
def test_encoding_and_completing_real_epochs_changes_nothing(build: WithClock) -> None:
    """The coordinates must determine an epoch: a number lost here no surrogate could learn."""
    description = build().describe()
    transitions = run_episodes(build, plan_episodes(description, 8, 1))
    coordinates = learn_coordinates(description, transitions)
    assert isinstance(coordinates, PlainCoordinates)
    state, outputs, duration = put_back(coordinates, transitions)
    assert np.array_equal(state, transitions.next_state)
    assert np.array_equal(outputs, transitions.outputs)
    assert np.allclose(duration, transitions.duration)


def test_what_follows_by_itself_is_not_modelled() -> None:
    """A clock that is guessed may stand still, and a tally that is guessed may count wrongly."""
    build = partial(ServiceSystem, with_feedback())
    description = build().describe()
    transitions = run_episodes(build, plan_episodes(description, 4, 1))
    names = {c.name for c in learn_coordinates(description, transitions).coordinates}
    known = {"arrived_so_far", "arrived_last", "tier1_cases_assigned", "day", "epoch", "moves"}
    assert not known & names
    assert {"call_waiting", "call_arrivals", "call_wait"} <= names


def test_the_balance_is_taken_where_it_can_be() -> None:
    """What is known of a system is worth more than any amount of data."""
    build = partial(ServiceSystem, small_centre())
    transitions = run_episodes(build, plan_episodes(build().describe(), 2, 1))
    assert isinstance(learn_coordinates(build().describe(), transitions), FlowBalance)


def test_signs_are_learnt_from_the_data(rounds: Transitions, tiny: Description) -> None:
    """Waiting is never negative, profit and mood may be: only the data can tell which is which."""
    kinds = {c.name: c.kind for c in learn_coordinates(tiny, rounds).coordinates}
    assert kinds == {
        "arrivals": "count",
        "served": "count",
        "waited": "measure",
        "profit": "real",
        "staffed": "count",
        "waiting": "count",
        "mood": "real",
    }


@pytest.mark.parametrize("family", ["ensemble", "gp", "quantile"])
def test_learning_on_takes_in_what_was_never_negative_before(
    family: str, rounds: Transitions, tiny: Description
) -> None:
    """A number that was thought to stop at 0 would never be drawn where it is now."""
    profit = tiny.output_names.index("profit")
    gains = rounds.outputs.copy()
    gains[:, profit] = np.abs(gains[:, profit])
    settings = SMALL_SETTINGS[family]
    before = FAMILIES[family](
        replace(rounds, outputs=gains), tiny, settings, np.random.default_rng(3)
    )
    assert isinstance(before, SupportsUpdate)
    after = before.update(rounds, np.random.default_rng(4))
    asked = rounds.state, rounds.decision, rounds.parameters
    least = [
        surrogate.sample(*asked, np.random.default_rng(5)).outputs[:, profit].min()
        for surrogate in (before, after)
    ]
    assert least[0] >= 0.0 > least[1]


@pytest.mark.parametrize("family", ["ensemble", "gp", "quantile"])
def test_learning_on_opens_as_all_episodes_did(
    family: str, rounds: Transitions, tiny: Description
) -> None:
    """A system that opens otherwise since a change is to be trained on from where it opens now."""
    early = rounds.take(rounds.episode < np.median(rounds.episode))
    before = FAMILIES[family](early, tiny, SMALL_SETTINGS[family], np.random.default_rng(3))
    assert isinstance(before, SupportsUpdate)
    after = before.update(rounds, np.random.default_rng(4))
    assert np.array_equal(after.openings, rounds.openings)


def test_what_was_learnt_survives_as_arrays(rounds: Transitions, tiny: Description) -> None:
    """A saved surrogate has no data to learn signs and openings from again."""
    first = learn_coordinates(tiny, rounds)
    again = restore_coordinates(tiny, first.to_tensors())
    assert again.coordinates == first.coordinates
    assert np.array_equal(again.openings, first.openings)


def test_episodes_open_as_those_that_were_seen(
    rounds: Transitions, plain: dict[str, Surrogate]
) -> None:
    """How many wait at the first moment is the simulator's to say."""
    seen = np.unique(rounds.state[rounds.state[:, -1] == 0], axis=0)
    assert len(seen) > 1
    for surrogate in plain.values():
        assert np.array_equal(np.unique(surrogate.openings, axis=0), seen)


@plain_families
@pytest.mark.parametrize("largest", [0.0, 3.0, 1e6])
def test_draws_are_possible_however_odd_the_question(
    family: str, largest: float, plain: dict[str, Surrogate], tiny: Description
) -> None:
    """Nobody can wait a negative time, and no part of a customer can wait at all."""
    random = np.random.default_rng(0)
    states = random.uniform(-largest, largest, (32, 3))
    states[:, 0] = np.rint(np.abs(states[:, 0]))
    states[:, -1] = random.integers(6, size=32)
    decisions = random.choice(tiny.decisions, 32)
    epochs = plain[family].sample(states, decisions, np.full((32, 1), 2.0), random)
    counts = np.column_stack([epochs.state[:, 0], epochs.outputs[:, [0, 1, 4]]])
    assert np.array_equal(counts, np.rint(counts))
    assert (np.column_stack([counts, epochs.outputs[:, 2]]) >= 0).all()
    assert np.array_equal(epochs.state[:, -1], states[:, -1] + 1)
    assert np.isfinite(epochs.outputs).all()
    assert epochs.duration.tolist() == [10.0] * 32


@plain_families
def test_what_is_written_as_arrays_draws_the_same(
    family: str, plain: dict[str, Surrogate], rounds: Transitions, tiny: Description
) -> None:
    """A saved surrogate has to be the one that was scored, to the last digit."""
    again = LOADERS[family](plain[family].to_tensors(), tiny)  # type: ignore[attr-defined]
    asked = rounds.state, rounds.decision, rounds.parameters
    first, second = (s.sample(*asked, np.random.default_rng(4)) for s in (plain[family], again))
    assert np.array_equal(first.state, second.state)
    assert np.array_equal(first.outputs, second.outputs)


def test_knowing_the_state_is_worth_something(
    plain: dict[str, Surrogate], tiny: Description
) -> None:
    """Else a policy trained on the surrogate would learn nothing of the queue."""
    fresh = run_episodes(WithClock(build=TinyQueue), plan_episodes(tiny, 24, 99))
    crps = {
        name: score(surrogate, fresh, np.random.default_rng(0), draws=16).standardised_crps
        for name, surrogate in plain.items()
    }
    assert crps["gp"] < 0.8 * crps["mean"]
    assert max(crps[name] for name in crps if name != "mean") < 0.9 * crps["mean"]


@pytest.mark.parametrize("family", ["ensemble", "gp", "quantile", "mean"])
def test_a_likelihood_is_finite_on_real_epochs(
    family: str, plain: dict[str, Surrogate], rounds: Transitions
) -> None:
    """One impossible epoch would make the mean of a held-out set useless."""
    surrogate = plain[family]
    assert isinstance(surrogate, SupportsLikelihood)
    assert np.isfinite(surrogate.log_prob(rounds)).all()


def test_epochs_that_end_with_events_have_modelled_lengths() -> None:
    """The question has a duration in its answer, and here nobody knows it beforehand."""
    build = partial(TinyQueue, boundaries=())
    description = build().describe()
    transitions = run_episodes(build, plan_episodes(description, 32, 2))
    few = transitions.take(np.arange(64))
    for family in families_for(description):
        fit = FAMILIES[family]
        surrogate = fit(transitions, description, SMALL_SETTINGS[family], np.random.default_rng(1))
        drawn = surrogate.sample(few.state, few.decision, few.parameters, np.random.default_rng(2))
        # Lengths are uniform from 5 to 15: 64 draws have a mean within 1.2 (99.9%) of 10.
        assert drawn.duration.mean() == pytest.approx(10.0, abs=1.2)
        assert "duration" in score(surrogate, few, np.random.default_rng(0), 8).crps_by_output


def test_a_component_and_an_output_may_be_called_alike(
    rounds: Transitions, tiny: Description
) -> None:
    """Names are the user's; a score of the one must not hide that of the other."""
    named = [replace(q, name="waiting") if q.name == "served" else q for q in tiny.outputs]
    alike = replace(tiny, outputs=tuple(named))
    surrogate = FAMILIES["mean"](rounds, alike, None, np.random.default_rng(0))
    scores = score(surrogate, rounds, np.random.default_rng(0), draws=8)
    assert set(scores.crps_by_state) == {"waiting (state)", "mood"}
    assert "waiting" in scores.crps_by_output
    assert len(scores.bias) == 7


def test_a_number_that_never_varied_does_not_spoil_the_score(
    rounds: Transitions, tiny: Description
) -> None:
    """Divided by no spread at all its tiny error would outweigh everything else."""
    outputs = rounds.outputs.copy()
    outputs[:, 3] = -1.0
    still = replace(rounds, outputs=outputs)
    surrogate = FAMILIES["mean"](still, tiny, None, np.random.default_rng(0))
    assert score(surrogate, still, np.random.default_rng(0), draws=8).standardised_crps < 1.0


def test_durations_that_are_no_numbers_are_refused(rounds: Transitions, tiny: Description) -> None:
    """A user's simulator may divide by zero."""
    durations = rounds.duration.copy()
    durations[4] = np.inf
    with pytest.raises(InvalidDataset, match="row 4 of duration"):
        FAMILIES["mean"](replace(rounds, duration=durations), tiny, None, np.random.default_rng(0))


def test_only_balanced_families_need_structure(tiny: Description) -> None:
    """A user who asks for it is told what to take instead."""
    plain = ("ensemble", "gp", "quantile", "trees", "bootstrap", "mean")
    assert families_for(tiny) == plain
    structured = ("flow", *plain[:-1], "fluid", "mean")
    assert families_for(small_centre().describe()) == structured


@pytest.mark.parametrize("family", ["flow", "fluid"])
def test_a_family_that_cannot_stand_in_says_why_and_what_can(
    family: str, rounds: Transitions, tiny: Description
) -> None:
    """The name of the obstacle is the way to remove it; the list is the way round it."""
    with pytest.raises(InvalidDataset, match="no stocks and flows; these can: ensemble, gp"):
        fit_family(family, rounds, tiny, np.random.default_rng(0))
