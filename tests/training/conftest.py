from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from sim.arrivals import PoissonArrivals
from sim.customers import CustomerClass, Route
from sim.description import Lever
from sim.distributions import Exponential
from sim.epoch import Parameter
from sim.servers import Pool, ServerTeam
from sim.simulator import ServiceSystem
from sim.system import System
from surrogates.collect import run_episode, run_episodes
from surrogates.dataset import Transitions, concatenate
from surrogates.design import PlannedEpisode, plan_episodes
from surrogates.flow import FlowSettings, FlowSurrogate, fit_flow
from training.likelihood import DayLikelihood
from training.rllib.session import ray_session


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """One local Ray for all tests, because starting it takes seconds."""
    with ray_session(num_cpus=2):
        yield


@dataclass(frozen=True, kw_only=True)
class SmallCentre:
    """A centre of twenty agents with a fitted flow surrogate and days in control."""

    system: System
    surrogate: FlowSurrogate
    in_control: Transitions

    def days(self, count: int, seed: int, **changed: float) -> Transitions:
        """Telemetry of days whose hidden parameters are changed but recorded as believed."""
        believed = self.surrogate.description.nominal
        parts = [run_day(self.system, seed + number, changed) for number in range(count)]
        days = concatenate(parts)
        return replace(days, parameters=np.tile(believed, (len(days), 1)))

    def likelihood(self) -> DayLikelihood:
        """About the nominal parameters."""
        return DayLikelihood.at(self.surrogate, self.surrogate.description.nominal)


def run_day(system: System, seed: int, changed: dict[str, float]) -> Transitions:
    """One day with two agents in twenty on cases."""
    plan = PlannedEpisode(seed=seed, parameters=changed, behaviour="constant")
    one_choice = replace(system, levers=(Lever(name="on_cases", levels=(0.1,)),))
    return run_episode(ServiceSystem(one_choice), plan)


def build_small_centre() -> System:
    cases = Route(to="case", probability=0.1)
    return System(
        name="small",
        arrivals={"call": PoissonArrivals(rate=4.0)},
        classes=(
            CustomerClass(
                name="call",
                service=Exponential(mean=4.0),
                patience=Exponential(mean=4.0),
                routes=(cases,),
            ),
            CustomerClass(name="case", service=Exponential(mean=4.0)),
        ),
        teams=(
            ServerTeam(name="calls", pool="agents", serves="call"),
            ServerTeam(name="cases", pool="agents", serves="case", lever="on_cases"),
        ),
        pools=(Pool(name="agents", shifts=((0.0, 20.0),)),),
        boundaries=tuple(30.0 * k for k in range(9)),
        levers=(Lever(name="on_cases", levels=(0.0, 0.1, 0.3)),),
        parameters=(
            Parameter(name="arrival_scale", unit="factor", low=0.8, high=1.25, nominal=1.0),
            Parameter(name="handle_time_scale", unit="factor", low=0.85, high=1.35, nominal=1.0),
            Parameter(name="patience_scale", unit="factor", low=0.5, high=1.4, nominal=1.0),
            Parameter(name="staff_scale", unit="factor", low=0.85, high=1.15, nominal=1.0),
        ),
    )


@pytest.fixture(scope="session")
def small_centre() -> SmallCentre:
    """Fitted once, because that takes seconds."""
    system = build_small_centre()
    description = system.describe()
    plans = plan_episodes(description, 128, 1)
    transitions = run_episodes(partial(ServiceSystem, system), plans)
    settings = FlowSettings(passes=25, hidden=48, least_steps=0)
    surrogate = fit_flow(transitions, description, settings, np.random.default_rng(0))
    in_control = concatenate([run_day(system, 10_000 + number, {}) for number in range(100)])
    return SmallCentre(system=system, surrogate=surrogate, in_control=in_control)
