from dataclasses import replace

import numpy as np
import pytest
import torch

from sim.arrivals import DoublyStochasticArrivals
from sim.description import SystemDescription
from sim.scenario import load_scenario
from sim.servers import Pool
from sim.simulator import ServiceSystem
from sim.system import System
from surrogates.baselines import NearestNeighbourSettings
from surrogates.dataset import Transitions
from surrogates.ensemble.members import EnsembleSettings
from surrogates.families import FAMILIES
from surrogates.flow import FlowSettings
from surrogates.gaussian_process import GaussianProcessSettings
from surrogates.interface import Surrogate
from surrogates.quantile import QuantileSettings
from surrogates.trees import TreesSettings
from tests.systems import unchecked

SMALL_SETTINGS = {
    "flow": FlowSettings(hidden=16, passes=2, least_steps=0),
    "ensemble": EnsembleSettings(members=3, elites=2, hidden=16, layers=2, passes=4),
    "gp": GaussianProcessSettings(inducing=24, steps=12, batch=64, exact_rows=0),
    "quantile": QuantileSettings(levels=8, outermost=0.02, hidden=8, passes=4),
    "trees": TreesSettings(trees=3),
    "bootstrap": NearestNeighbourSettings(neighbours=5),
    "fluid": None,
    "mean": None,
}
"""Just enough to learn something: the tests are of claims that hold for any fit."""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def system() -> System:
    """The bank at a tenth of its size: calls 1.5 a minute, agents to match, two kinds of day."""
    scenario = load_scenario("bank")
    slot = np.linspace(-1.0, 1.0, 169)
    profile = np.stack([6.0 + 12.0 * (1 - slot**2), 8.0 + 14.0 * (1 - slot**2)])
    arrivals = DoublyStochasticArrivals(
        profile=profile, day_sd=0.1, slot_sd=np.full(169, 0.1), persistence=0.9, slot_minutes=5.0
    )
    whole = scenario.system(arrivals)
    pools = tuple(
        Pool.by_epoch(name, np.ceil(roster / 10), whole.boundaries)
        for name, roster in whole.rosters.items()
    )
    return replace(whole, pools=pools)


@pytest.fixture(scope="session")
def description(system: System) -> SystemDescription:
    return system.describe()


@pytest.fixture(scope="session")
def transitions(system: System) -> Transitions:
    with unchecked():
        return run_at_random(system, episodes=60)


@pytest.fixture(scope="session")
def fitted(transitions: Transitions, description: SystemDescription) -> dict[str, Surrogate]:
    """One small fit of every family on the first 45 days; `test_families` checks shorter ones."""
    kept = transitions.take(transitions.episode < 45)
    with unchecked():
        return {
            name: fit(kept, description, SMALL_SETTINGS[name], np.random.default_rng(3))
            for name, fit in FAMILIES.items()
        }


@pytest.fixture(scope="session")
def held_out(transitions: Transitions) -> Transitions:
    return transitions.take(transitions.episode >= 45)


def run_at_random(system: System, episodes: int) -> Transitions:
    """Days under decisions and parameters drawn at random."""
    simulator = ServiceSystem(system)
    description = simulator.describe()
    random = np.random.default_rng(0)
    rows = []
    for episode in range(episodes):
        values = {p.name: float(random.uniform(p.low, p.high)) for p in description.parameters}
        state = simulator.reset(episode, values)
        for _ in range(description.epochs):
            decision = random.choice(description.decisions)
            epoch = simulator.advance(decision)
            rows.append(
                (
                    state, decision, list(values.values()), epoch.state, epoch.outputs,
                    epoch.duration, episode,
                )
            )  # fmt: skip
            state = epoch.state
    *arrays, episode_of = (np.array(column) for column in zip(*rows, strict=True))
    return Transitions(
        **dict(
            zip(
                ("state", "decision", "parameters", "next_state", "outputs", "duration"),
                arrays,
                strict=True,
            )
        ),
        episode=episode_of,
        policy=np.full(len(rows), "random"),
    )
