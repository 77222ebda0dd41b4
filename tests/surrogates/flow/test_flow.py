"""The flow surrogate on every bundled system, and what it must learn of one that is known."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from sim.arrivals import fit_doubly_stochastic
from sim.description import SystemDescription
from sim.scenario import SimulatorRecipe, bundled_scenarios, load_scenario
from sim.simulator import ServiceSystem
from surrogates.ahead import Ahead, rows_of
from surrogates.collect import run_episodes
from surrogates.coordinates import FlowBalance
from surrogates.coordinates.learnt import TOLD
from surrogates.coordinates.plain import learn_coordinates
from surrogates.dataset import Transitions, concatenate
from surrogates.design import PlannedEpisode, plan_episodes
from surrogates.flow import FlowSettings, FlowSurrogate, fit_flow, obstacle_to_flow
from surrogates.flow.jumps import JumpLaw
from surrogates.flow.patterns import Patterns
from surrogates.interface import SupportsUpdate
from tests.systems import small_centre, unchecked

Question = tuple[np.ndarray, np.ndarray, np.ndarray]
"""States, decisions and parameters."""

VARIANTS = ("emergency:preemptive", "hospital_overflow:rebuilding", "tandem:unlimited_buffer")
"""Those whose structure is another one than their scenario's."""


@cache
def recipe(name: str) -> SimulatorRecipe:
    scenario = load_scenario(name)
    volumes = scenario.volumes
    if volumes is None:
        return SimulatorRecipe(scenario=scenario)
    days = volumes.read().between(volumes.fit_from, volumes.fit_to)
    return SimulatorRecipe(scenario=scenario, arrivals=fit_doubly_stochastic(days))


@cache
def described(name: str) -> SystemDescription:
    description = recipe(name)().describe()
    assert isinstance(description, SystemDescription)
    return description


def episodes(name: str, count: int, seed: int, **nominal: float) -> Transitions:
    plans = plan_episodes(described(name), count, seed=seed, **nominal)
    return run_episodes(recipe(name), plans)


def anything(description: SystemDescription, largest: int, rows: int) -> Question:
    """Reachable or not: any numbers up to `largest`, any day and epoch, decision and parameters."""
    random = np.random.default_rng(largest)
    states = random.integers(0, largest + 1, (rows, len(description.state_names))).astype(float)
    states[:, -2] = random.integers(len(description.calendar.values), size=rows)
    states[:, -1] = random.integers(description.epochs, size=rows)
    low, high = (np.array([getattr(p, e) for p in description.parameters]) for e in ("low", "high"))
    parameters = random.uniform(0.5 * low, 2.0 * high, (rows, len(low)))
    return states, random.choice(description.decisions, rows), parameters


def assert_conserved(
    description: SystemDescription, before: np.ndarray, after: np.ndarray, flows: np.ndarray
) -> None:
    for at, stock in enumerate(description.stocks):
        expected = before[:, at].copy()
        for flow, values in zip(description.flows, flows.T, strict=False):
            expected += values * (int(flow.target == stock.name) - int(flow.source == stock.name))
        assert np.array_equal(after[:, at], expected), stock.name


@pytest.mark.parametrize("name", [*(n for n in bundled_scenarios() if n != "bank"), *VARIANTS])
def test_every_bundled_system_is_sampled_without_losing_anybody(name: str) -> None:
    """A policy would learn to use any leak, so no structure and no state may have one."""
    description = described(name)
    assert obstacle_to_flow(description) is None
    settings = FlowSettings(hidden=8, passes=1, least_steps=0)
    flow = fit_flow(episodes(name, 2, seed=1), description, settings, np.random.default_rng(0))
    again = FlowSurrogate.from_tensors(flow.to_tensors(), description)
    stocks, count = len(description.stocks), len(description.flows)
    for largest in (0, 2, 40, 100_000):
        asked = anything(description, largest, rows=40)
        epochs = flow.sample(*asked, np.random.default_rng(largest))
        assert_conserved(description, asked[0], epochs.state, epochs.outputs)
        whole = np.concatenate([epochs.state[:, :stocks], epochs.outputs[:, :count]], axis=1)
        assert np.array_equal(whole, np.rint(whole))
        for numbers in (epochs.state, epochs.outputs, epochs.duration):
            assert np.isfinite(numbers).all()
            assert (numbers >= 0).all()
        same = again.sample(*asked, np.random.default_rng(largest))
        assert np.array_equal(same.outputs, epochs.outputs)


@pytest.mark.parametrize(
    "name",
    [
        "autoscaling",
        "callbacks",
        "clinic",
        "emergency",
        "emergency:preemptive",
        "hospital_overflow",
        "hospital_overflow:rebuilding",
        "input_switch",
    ],
)
def test_free_numbers_determine_an_epoch_and_keep_their_bounds(name: str) -> None:
    """What follows from them must be what happened, and no real epoch may be out of reach."""
    description, seen = described(name), episodes(name, 2, seed=2)
    balance = learn_coordinates(description, seen)
    assert isinstance(balance, FlowBalance)
    values, low, high = balance.encode(seen)
    again = balance.complete(
        seen.state,
        seen.decision,
        seen.parameters,
        lambda position, least, most: values[:, position],
    )
    assert np.array_equal(again.state, seen.next_state)
    assert np.array_equal(again.outputs, seen.outputs)
    assert (values >= low).all()
    assert (values <= high).all()


@pytest.mark.parametrize("name", ["n_model", "criss_cross", "tandem"])
def test_a_pattern_and_a_duration_determine_an_event(name: str) -> None:
    """Times spent follow exactly, for what an epoch counts is constant until it ends."""
    description, seen = described(name), episodes(name, 2, seed=2)
    patterns = Patterns.learn(description, seen)
    which, asked = patterns.find(seen), patterns.ask_again(seen)
    assert patterns.feasible(asked.states)[which, np.arange(len(which))].all()
    again = patterns.complete(asked, which, seen.duration)
    assert np.array_equal(again.state, seen.next_state)
    # The simulator adds moments up to thousands of minutes, so its own rounding is of this size.
    assert np.abs(again.outputs - seen.outputs).max() < 1e-9


def test_what_is_looked_up_by_rows_is_what_the_description_says() -> None:
    """Two ways to the same numbers must not come apart."""
    description = described("bank")
    states, decisions, parameters = anything(description, 40, rows=50)
    outlook = Ahead(description).look(rows_of(states), rows_of(decisions), rows_of(parameters))
    known = description.known_ahead(
        states[:, -2].astype(int), states[:, -1].astype(int), parameters
    )
    assert np.array_equal(outlook.known.T, known)
    assert np.array_equal(outlook.sizes.T, description.team_sizes(known, decisions))


@pytest.fixture(scope="module")
def events() -> Transitions:
    with unchecked():
        return episodes("n_model", 6, seed=3, nominal_share=1.0)


@pytest.fixture(scope="module")
def race(events: Transitions) -> FlowSurrogate:
    settings = FlowSettings(hidden=16, passes=10, least_steps=0)
    with unchecked():
        return fit_flow(events, described("n_model"), settings, np.random.default_rng(0))


def busy_n_model() -> Question:
    """Five customers of each class, everybody at work, no help for class 2; one row."""
    description = described("n_model")
    numbers = {
        "class_1_waiting": 4.0,
        "server_1_serves_1_busy": 1.0,
        "class_2_waiting": 4.0,
        "server_2_serves_2_busy": 1.0,
    }
    state = np.array([[numbers.get(name, 0.0) for name in description.state_names]])
    return state, np.zeros((1, 1)), description.nominal[None]


def test_the_rates_of_the_n_model_are_found(race: FlowSurrogate) -> None:
    """With exponential times the race is the exact law, so its rates must approach the true ones.

    Arrivals .38 and 1.235 a minute, each server 1. Six episodes fitted for a few passes leave an
    error of some 5%, of which three times is allowed.
    """
    state, decision, parameters = busy_n_model()
    assert isinstance(race.law, JumpLaw)
    state_s, decision_s, parameter_s = (
        np.repeat(a, 20_000, axis=0) for a in (state, decision, parameters)
    )
    epochs = race.sample(state_s, decision_s, parameter_s, np.random.default_rng(1))
    names = described("n_model").output_names
    minutes = epochs.duration.sum()
    truths = {
        "class_1_arrivals": 0.38,
        "class_2_arrivals": 1.235,
        "server_1_serves_1_finished": 1.0,
        "server_2_serves_2_finished": 1.0,
    }
    for name, rate in truths.items():
        found = epochs.outputs[:, names.index(name)].sum() / minutes
        assert found == pytest.approx(rate, rel=0.15), name
    # Nobody is there to be served so.
    assert epochs.outputs[:, names.index("server_1_serves_2_finished")].mean() < 0.002
    assert race.law.rates(state, decision, parameters).sum() == pytest.approx(3.615, rel=0.15)


def test_the_likelihood_of_an_event_is_near_that_of_the_true_law(race: FlowSurrogate) -> None:
    """Busy in every place the next event has rates .38, 1.235, 1 and 1, whose likelihood is known.

    No other law can have a greater mean on fresh events, but for chance.
    """
    fresh = episodes("n_model", 2, seed=50, nominal_share=1.0)
    names = described("n_model").state_names
    columns = {name: fresh.state[:, i] for i, name in enumerate(names)}
    is_busy = (
        (columns["server_1_serves_1_busy"] > 0)
        & (columns["server_2_serves_2_busy"] > 0)
        & (fresh.decision[:, 0] == 0)
        & (columns["server_1_serves_2_assigned"] == 0)
    )
    rows = fresh.take(is_busy)
    outputs = described("n_model").output_names
    rates = (("class_1_arrivals", 0.38), ("class_2_arrivals", 1.235))
    chosen = np.ones(len(rows))
    for name, rate in rates:
        chosen[rows.outputs[:, outputs.index(name)] > 0] = rate
    truth = np.log(chosen) - 3.615 * rows.duration
    shortfall = truth.mean() - race.log_prob(rows).mean()
    assert -0.02 < shortfall < 0.06


def new_regime(build: partial[ServiceSystem], count: int, seed: int) -> Transitions:
    """Days on which calls take twice as long as anybody believed."""
    system = build().describe()
    slow = {"handle_time_scale": 2.0}
    plans = tuple(
        PlannedEpisode(seed=seed + i, parameters=slow, behaviour="restless") for i in range(count)
    )
    days = run_episodes(build, plans)
    return replace(days, parameters=np.tile(system.nominal, (len(days), 1)))


def test_learning_on_beats_standing_still_on_a_new_regime() -> None:
    """Whoever has seen the new days must know them better, after a quarter of the passes."""
    build = partial(ServiceSystem, small_centre())
    description = build().describe()
    old = run_episodes(build, plan_episodes(description, 40, seed=1))
    settings = FlowSettings(hidden=16, passes=8, least_steps=0)
    flow = fit_flow(old, description, settings, np.random.default_rng(0))
    assert isinstance(flow, SupportsUpdate)
    before = {name: values.copy() for name, values in flow.to_tensors().items()}
    fresh, unseen = new_regime(build, 30, seed=900), new_regime(build, 10, seed=990)
    heard: list[float] = []
    after = flow.update(concatenate([old, fresh]), np.random.default_rng(1), heard.append)
    assert isinstance(after, FlowSurrogate)
    assert after.log_prob(unseen).mean() > flow.log_prob(unseen).mean() + 0.1
    assert len(heard) == settings.update_passes_over(len(old)) == 2
    assert all(np.array_equal(before[name], v) for name, v in flow.to_tensors().items())


def test_learning_on_begins_anew_where_another_way_out_is_the_largest() -> None:
    """What follows from the others should be the largest; weights of other numbers are no use."""
    build = partial(ServiceSystem, small_centre())
    description = build().describe()
    old = run_episodes(build, plan_episodes(description, 4, seed=1))
    settings = FlowSettings(hidden=8, passes=2, least_steps=0)
    flow = fit_flow(old, description, settings, np.random.default_rng(0))
    names = ("tier1_calls_to_escalation", "tier1_calls_finished")
    ways = [description.output_names.index(name) for name in names]
    swapped = old.outputs.copy()
    swapped[:, ways] = swapped[:, ways[::-1]]
    new = replace(old, outputs=swapped)
    after = flow.update(new, np.random.default_rng(1))
    learnt, known = (learn_coordinates(description, data).coordinates for data in (new, old))
    assert learnt != known
    afresh = fit_flow(new, description, settings, np.random.default_rng(1))
    assert np.array_equal(after.log_prob(new), afresh.log_prob(new))


def test_learning_on_takes_events_in_that_were_never_seen(
    race: FlowSurrogate, events: Transitions
) -> None:
    """Under a new rule other things happen, and a table that is closed could never say so."""
    helped = events.outputs[:, events_of("server_1_serves_2_started")] > 0
    settings = FlowSettings(hidden=16, passes=4, least_steps=0)
    description = described("n_model")
    narrow = fit_flow(events.take(~helped), description, settings, np.random.default_rng(0))
    wide = narrow.update(events, np.random.default_rng(1))
    assert isinstance(narrow.law, JumpLaw)
    assert isinstance(wide.law, JumpLaw)
    assert len(wide.law.patterns) > len(narrow.law.patterns)
    rows = events.take(helped)
    assert wide.log_prob(rows).mean() > narrow.log_prob(rows).mean() + 1.0


def events_of(name: str) -> int:
    return described("n_model").output_names.index(name)


def test_few_transitions_get_small_batches_and_a_strong_decay() -> None:
    """A pass over little data must still be many steps, and a prior weighs more there."""
    settings = FlowSettings()
    assert (settings.batch(1), settings.batch(2400), settings.batch(10**6)) == (1, 100, 512)
    assert settings.weight_decay(2000) == 2 * settings.weight_decay(4000) == 1.0


def test_time_spent_in_a_backlog_is_drawn_as_narrowly_as_its_ends_tell_it(
    transitions: Transitions, description: SystemDescription
) -> None:
    """Waiting is the integral of a queue, so little of it is left to chance.

    Drawn as a number of its own its spread was that of whole days' queues.
    """
    train, fresh = transitions.set_aside(0.25)
    fitted = fit_flow(train, description, FlowSettings(), np.random.default_rng(5))
    at, random = description.output_names.index("follow_up_wait"), np.random.default_rng(6)
    rows = fresh.state, fresh.decision, fresh.parameters
    draws = np.stack([fitted.sample(*rows, random).outputs[:, at] for _ in range(40)])
    low, high = np.quantile(draws, [0.25, 0.75], axis=0)
    waited = fresh.outputs[:, at]
    busy = waited > np.median(waited)
    within = (low <= waited) & (waited <= high)
    assert draws.std(axis=0)[busy].mean() < 0.065 * waited[busy].mean()
    assert 0.35 < within[busy].mean() < 0.65


def test_a_law_saved_before_times_were_told_is_drawn_as_it_was(
    transitions: Transitions, description: SystemDescription
) -> None:
    """Its roots are those of whole times; measured from elsewhere they would be twice as far."""
    now = FlowBalance.learn(description, transitions)
    saved = now.to_tensors()
    assert FlowBalance.from_tensors(saved, description).trapezoids(transitions).any()
    del saved[TOLD]
    before = FlowBalance.from_tensors(saved, description)
    assert not before.trapezoids(transitions).any()
    assert before.coordinates == now.coordinates
    assert TOLD not in before.to_tensors()
