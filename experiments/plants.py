"""The systems of the studies as plants: scenarios, some of them in several sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np

from envs.objective import Objective
from envs.observation import viewpoint_of
from sim.arrivals import DoublyStochasticArrivals
from sim.errors import InvalidSystem
from sim.recipes import whole_recipe
from sim.scenario import Scenario, SimulatorRecipe, load_scenario
from sim.servers import Pool
from sim.simulator import ServiceSystem, Simulator
from sim.system import System
from surrogates.clock import WithClock
from surrogates.collect import BuildSimulator, run_episodes
from surrogates.design import PlannedEpisode
from surrogates.interface import Surrogate
from training.plant import Plant

_EPISODES_SEEN = 4
"""From which a view of a system without a calendar has its scales."""


class Place(Protocol):
    """A system that studies race on."""

    @property
    def name(self) -> str:
        """What rows call it."""
        ...

    @property
    def system(self) -> System | None:
        """The system that is simulated; None for a simulator of the user's own."""
        ...

    @property
    def plant(self) -> Plant:
        """The task."""
        ...


@runtime_checkable
class HasCompiled(Protocol):
    """A system that has a second exact simulator, in machine code."""

    @property
    def compiled(self) -> Surrogate:
        """It, asked as surrogates are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRecipe:
    """Builds the simulator of one system in whatever process calls it."""

    system: System

    def __call__(self) -> Simulator:
        """A fresh simulator."""
        return ServiceSystem(self.system)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A scenario in one size."""

    scenario: str
    agents: float | None = None
    """On duty on average, arrivals in proportion; None: as the scenario says."""

    @property
    def name(self) -> str:
        """What rows call it."""
        return self.scenario if self.agents is None else f"{self.scenario}_{self.agents:g}"

    @cached_property
    def loaded(self) -> Scenario:
        """The scenario."""
        return load_scenario(self.scenario)

    @cached_property
    def recipe(self) -> SimulatorRecipe | SystemRecipe:
        """Builds its simulator."""
        recipe = whole_recipe(self.loaded)
        if self.agents is None:
            return recipe
        return SystemRecipe(system=resized(recipe.system, self.agents))

    @property
    def system(self) -> System | None:
        """The system that is simulated; None for a simulator of the user's own."""
        return None if self.loaded.template is None else self.recipe.system

    @cached_property
    def plant(self) -> Plant:
        """The task: the scenario's costs, all that is seen."""
        costs = self.loaded.costs
        return plant_of(self.recipe, costs.outputs, costs.at_close)


def plant_of(
    recipe: BuildSimulator, costs: Mapping[str, float], at_close: Mapping[str, float]
) -> Plant:
    """The task on a system: its costs, all that is seen, on scales of a few restless episodes."""
    build = WithClock(build=recipe)
    description = build().describe()
    glimpse = tuple(
        PlannedEpisode(seed=seed, parameters={}, behaviour="restless")
        for seed in range(1, _EPISODES_SEEN + 1)
    )
    return Plant(
        build=build,
        objective=Objective.from_costs(description, costs, at_close),
        observation=viewpoint_of(
            description, description.nominal, run_episodes(build, glimpse).state
        ),
    )


def resized(system: System, agents: float) -> System:
    """The same system with so many servers on duty on average and arrivals in proportion."""
    scale = agents / mean_on_duty(system)
    arrivals = {name: _scaled(process, scale) for name, process in system.arrivals.items()}
    pools = tuple(_with_servers(pool, scale) for pool in system.pools)
    return replace(system, arrivals=arrivals, pools=pools)


def mean_on_duty(system: System) -> float:
    """Servers on duty, over all pools and on average over the day."""
    durations = np.diff(system.boundaries)
    total = sum(float(roster @ durations) for roster in system.rosters.values())
    return total / system.boundaries[-1]


def _scaled(process: object, scale: float) -> DoublyStochasticArrivals:
    if not isinstance(process, DoublyStochasticArrivals):
        raise InvalidSystem(f"arrivals by {type(process).__name__}: only learnt ones are resized")
    return replace(process, profile=process.profile * scale)


def _with_servers(pool: Pool, scale: float) -> Pool:
    return replace(pool, shifts=tuple((start, float(round(n * scale))) for start, n in pool.shifts))
