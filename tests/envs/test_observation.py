from functools import partial

import numpy as np
import pytest

from envs.observation import Observation, PlainObservation
from sim.arrivals import DoublyStochasticArrivals, TraceArrivals
from sim.description import SystemDescription
from tests.systems import MakeSimulator, run_day, small_centre

PROFILE = np.full((5, 37), 20.0)


def _observation(description: SystemDescription, **parameters: float) -> Observation:
    values = description.nominal.copy()
    for name, value in parameters.items():
        values[[p.name for p in description.parameters].index(name)] = value
    return Observation(description=description, parameters=values)


def _busy_day(*, afternoon: int) -> TraceArrivals:
    counts = np.where(np.arange(37) < 18, 20, afternoon)
    return TraceArrivals(day=1, counts=counts, slot_minutes=5.0, profile=PROFILE)


def test_names_are_as_many_as_numbers(description: SystemDescription) -> None:
    """A network's inputs are explained by these names."""
    observation = _observation(description)
    seen = observation(description.initial_state(0)[None, :])
    assert seen.shape == (1, len(observation.names))
    assert seen.dtype == np.float32
    assert len(set(observation.names)) == len(observation.names)


def test_days_alike_so_far_look_alike_whatever_is_hidden() -> None:
    """What will come is not known at noon: only counts may show how busy a day is.

    Both days have 20 calls a slot until 90 minutes after opening, then 5 and 60.
    """
    seen = []
    for afternoon in (5, 60):
        simulator = MakeSimulator(small_centre(_busy_day(afternoon=afternoon)))()
        epochs = run_day(simulator, 3, [np.array([0.1, 0.4])] * 6)
        observe = _observation(simulator.describe())
        seen.append(observe(np.array([epoch.state for epoch in epochs])))
    np.testing.assert_array_equal(seen[0][:3], seen[1][:3])
    assert not np.array_equal(seen[0][3], seen[1][3])


def test_hidden_factors_have_no_place_among_the_names() -> None:
    """With random days the state and the observation are those of plain ones."""
    arrivals = DoublyStochasticArrivals(
        profile=PROFILE, day_sd=0.3, slot_sd=np.full(37, 0.2), persistence=0.9, slot_minutes=5.0
    )
    random_days, plain = small_centre(arrivals).describe(), small_centre().describe()
    assert random_days.state_names == plain.state_names
    assert _observation(random_days).names == _observation(plain).names


def test_a_busier_day_shows_in_what_has_arrived(description: SystemDescription) -> None:
    """The ratio of counted to expected is the only trace of the hidden factor."""
    observation = _observation(description)
    ratio = observation.names.index("arrived_so_far_ratio")
    state = description.initial_state(0)
    state[-1] = 2
    arrived = description.state_names.index("arrived_so_far")
    state[arrived] = 240.0
    as_expected = observation(state[None, :])[0, ratio]
    state[arrived] = 300.0
    assert as_expected == 0.0
    assert observation(state[None, :])[0, ratio] == pytest.approx(8 * np.log(500 / 440))


def test_rosters_are_seen_as_the_decision_maker_believes_them(
    description: SystemDescription,
) -> None:
    """An agent told of 20% more staff sees more agents ahead, and the rest unchanged."""
    state = description.initial_state(0)[None, :]
    believed, nominal = _observation(description, staff_scale=1.2), _observation(description)
    changed = {
        name
        for name, one, other in zip(
            nominal.names, nominal(state)[0], believed(state)[0], strict=True
        )
        if one != other
    }
    assert changed == {f"{pool}_in_{k}" for pool in ("tier1", "tier2") for k in range(3)}


def test_nothing_is_seen_beyond_close(description: SystemDescription) -> None:
    """In the last epoch the two after it have no arrivals and no agents."""
    observation = _observation(description)
    state = description.initial_state(0)
    state[-1] = 5
    seen = dict(zip(observation.names, observation(state[None, :])[0], strict=True))
    assert seen["tier1_in_0"] > 0
    assert [seen[f"{name}_in_{k}"] for name in ("tier1", "tier2") for k in (1, 2)] == [0.0] * 4
    assert seen["expected_arrivals_in_1"] == 0.0


def test_the_clock_stands_still_beyond_close(description: SystemDescription) -> None:
    """Worlds without an end count epochs on, and every view has to answer as at close."""
    beliefs = description.nominal
    states = np.stack([description.initial_state(0)] * 2)
    states[:, -1] = description.epochs, description.epochs + 3
    views = (
        PlainObservation.of(description, states),
        _observation(description),
        partial(_observation(description).believing, parameters=np.stack([beliefs, beliefs])),
    )
    for view in views:
        at_close, later = view(states)
        np.testing.assert_array_equal(at_close, later)


def test_the_clock_runs_from_opening_to_close(description: SystemDescription) -> None:
    """What remains of the day falls from all to nothing as the clock goes from -1 to 1."""
    observation = _observation(description)
    states = np.array([description.initial_state(0)] * 7)
    states[:, -1] = np.arange(7)
    seen = observation(states)
    columns = dict(zip(observation.names, seen.T, strict=True))
    np.testing.assert_allclose(columns["clock"], np.linspace(-1, 1, 7), atol=1e-6)
    remaining = columns["expected_arrivals_remaining"]
    assert (remaining[0], remaining[-1]) == (1.0, 0.0)
    assert np.all(np.diff(remaining) < 0)


def test_observing_a_batch_is_observing_its_rows() -> None:
    """Rows must not mix, and the states must stay as they were."""
    simulator = MakeSimulator()()
    states = np.array([e.state for e in run_day(simulator, 0, [np.array([0.3, 0.4])] * 6)])
    kept = states.copy()
    observe = _observation(simulator.describe())
    batch = observe(states)
    np.testing.assert_array_equal(batch, np.concatenate([observe(row[None, :]) for row in states]))
    np.testing.assert_array_equal(states, kept)
    assert np.isfinite(batch).all()


def test_the_table_of_the_calendar_shows_what_the_calendar_says(
    description: SystemDescription,
) -> None:
    """Every number, worked out row by row in double precision, up to the rounding of float32."""
    d, random = description, np.random.default_rng(4)
    observe = _observation(d, staff_scale=1.3)
    states = random.integers(0, 300, (40, len(d.state_names))).astype(float)
    states[:, -2], states[:, -1] = 0, random.integers(0, 7, 40)
    for state, seen in zip(states, observe(states), strict=True):
        shown = dict(zip(observe.names, seen, strict=True))
        epoch, known = int(state[-1]), _known(d, observe.parameters, int(state[-1]))
        named = dict(zip(d.state_names, state, strict=True))
        expected = {stock.name: np.sqrt(named[stock.name]) / 10 for stock in d.stocks}
        for tally in d.tallies:
            ratio = (named[tally.name] + 200) / (known[tally.expected] + 200)
            expected[f"{tally.name}_ratio"] = 8 * np.log(ratio)
        for team, assigned in zip(d.moved_teams, d.assigned(state[None])[0], strict=True):
            share = 2 * assigned / max(known[d.teams[team].pool], 1)
            expected[f"{d.teams[team].name}_share"] = share
        for k in range(3):
            ahead = _known(d, observe.parameters, epoch + k)
            for column in ("expected_arrivals", "tier1", "tier2"):
                value = ahead[column] / d.calendar.column(column).max() * (epoch + k < 6)
                expected[f"{column}_in_{k}"] = value
        for name, value in expected.items():
            assert shown[name] == pytest.approx(value, rel=1e-6, abs=2e-6), name


def _known(description: SystemDescription, beliefs: np.ndarray, epoch: int) -> dict[str, float]:
    row = description.known_ahead(np.array([0]), np.array([epoch]), beliefs[None])[0]
    return dict(zip(description.calendar.columns, row.tolist(), strict=True))
