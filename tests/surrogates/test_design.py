"""Plans of simulator runs must not tie what they are meant to tell apart."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sim.distributions import Exponential
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.dataset import read_transitions, write_transitions
from surrogates.design import (
    BEHAVIOURS,
    BehaviourPolicy,
    PlannedEpisode,
    RoughView,
    latin_hypercube,
    plan_episodes,
    plan_latin_hypercube,
)
from surrogates.errors import InvalidDataset
from tests.fakes import TinyQueue
from tests.systems import small_centre, station


@pytest.mark.parametrize("seed", [1, 2003])
def test_every_behaviour_meets_every_corner_of_the_box(seed: int) -> None:
    """Behaviour tied to parameters would leave situations that no one has ever acted in."""
    description = small_centre().describe()
    plans = plan_episodes(description, 400, seed)
    names = [p.name for p in description.parameters][:2]
    centre = {p.name: (p.low + p.high) / 2 for p in description.parameters}
    met = {
        (plan.behaviour, *(plan.parameters[name] > centre[name] for name in names))
        for plan in plans
    }
    assert len(met) == 4 * len(BEHAVIOURS)


def test_plans_are_reproducible_and_their_seeds_distinct() -> None:
    """A data set can be extended or repeated only if its plan can."""
    description = small_centre().describe()
    plans = plan_episodes(description, 64, 7)
    assert plans == plan_episodes(description, 64, 7)
    assert len({plan.seed for plan in plans}) == 64


def test_a_share_of_the_plan_is_where_the_system_is_today() -> None:
    """Most decisions will be taken at nominal parameters."""
    description = small_centre().describe()
    plans = plan_episodes(description, 100, 3, nominal_share=0.3)
    at_nominal = [all(v == 1.0 for v in plan.parameters.values()) for plan in plans]
    assert np.sum(at_nominal) == 30


@pytest.mark.parametrize("count", [1, 2, 7, 12, 64])
def test_a_latin_hypercube_meets_every_slice_of_every_axis_once(count: int) -> None:
    """That is what the name promises, however it was grown."""
    points = latin_hypercube(3, count, np.random.default_rng(count))
    slices = np.sort((points * count).astype(int), axis=0)
    assert np.array_equal(slices, np.tile(np.arange(count)[:, None], (1, 3)))
    assert latin_hypercube(0, count, np.random.default_rng(0)).shape == (count, 0)


def test_a_latin_hypercube_can_be_extended() -> None:
    """A budget that doubles must not throw away what has been simulated."""
    description = small_centre().describe()
    plans = plan_latin_hypercube(description, 32, 5)
    assert plans[:16] == plan_latin_hypercube(description, 16, 5)
    assert {plan.behaviour for plan in plans} == {"restless"}
    assert len({plan.seed for plan in plans}) == 32


def test_a_system_with_nothing_to_decide_or_to_vary_is_collected_too(tmp_path: Path) -> None:
    """A first model often has neither levers nor parameters, so its tables lack such columns."""
    queue = station(
        arrival_rate=1.0,
        service=Exponential(mean=1.0),
        agents=2,
        warm_up=5.0,
        epochs=2,
        minutes=5.0,
    )
    build = partial(ServiceSystem, queue)
    description = build().describe()
    transitions = run_episodes(build, plan_episodes(description, 3, 1))
    assert transitions.decision.shape == transitions.parameters.shape == (9, 0)
    write_transitions(tmp_path / "t.parquet", transitions, description, {})
    again, _ = read_transitions(tmp_path / "t.parquet", description)
    assert again.parameters.shape == (9, 0)
    assert np.array_equal(again.next_state, transitions.next_state)
    assert again.duration.tolist() == [5.0, 5.0, 5.0] * 3


def test_data_from_before_durations_were_kept_is_refused(tmp_path: Path) -> None:
    """Lengths that are made up afterwards would be learnt as if they had been seen."""
    description = TinyQueue().describe()
    transitions = run_episodes(TinyQueue, plan_episodes(description, 2, 1))
    path = tmp_path / "t.parquet"
    write_transitions(path, transitions, description, {})
    pq.write_table(pq.read_table(path).drop_columns(["duration"]), path)
    with pytest.raises(InvalidDataset, match="lacks duration: collect again"):
        read_transitions(path, description)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_decides_for_any_simulator(behaviour: str) -> None:
    """Data must hold many situations whatever the state's numbers mean."""
    description = WithClock(build=TinyQueue)().describe()
    policy = BehaviourPolicy(behaviour, description, 4)
    random = np.random.default_rng(0)
    decided = [policy.decide(np.array([random.integers(50), -3.0, k % 6])) for k in range(60)]
    assert {float(level) for (level,) in decided} <= {1.0, 2.0, 4.0}
    if behaviour in ("persistent", "restless"):
        assert len({float(level) for (level,) in decided}) == 3


def test_a_rough_view_has_a_number_for_each_name() -> None:
    """A linear rule's weights are found by these names."""
    for description in (
        small_centre().describe(),
        TinyQueue().describe(),
        WithClock(build=TinyQueue)().describe(),
    ):
        view = RoughView(description)
        seen = view(np.zeros((2, len(description.state_names))))
        assert seen.shape == (2, len(view.names))
        assert np.isfinite(view(np.full((1, len(description.state_names)), 2.5))).all()


def test_rules_of_what_is_seen_decide_by_it_in_small_systems_too() -> None:
    """With the queues of a large system as their middle, all rules of a small one are constants."""
    system = replace(load_scenario("n_model").system(), events=200)
    plans = tuple(PlannedEpisode(seed=n, parameters={}, behaviour="linear") for n in range(12))
    seen = run_episodes(lambda: ServiceSystem(system), plans)
    varied = [np.ptp(seen.decision[seen.episode == e]) > 0 for e in np.unique(seen.episode)]
    assert np.mean(varied) > 0.6
