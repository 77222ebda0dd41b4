"""One scenario's telemetry, simulated once for all arms and kept on disk, and its surrogates.

What a day truly ran at is known here and to nobody who watches: telemetry is recorded at nominal
parameters, as beliefs and rosters have them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np
from jaxtyping import Float

from envs.objective import Objective
from experiments.drift.iid import DESCRIPTION, StandardNormal, normal_day
from experiments.drift.settings import Route, Setting
from sim.description import Description
from sim.parameters import ARRIVALS, HANDLE_TIME, PATIENCE, STAFF
from sim.recipes import whole_recipe
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem, Simulator
from sim.streams import stream
from sim.system import System
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions, concatenate, read_transitions, write_transitions
from surrogates.design import plan_episodes
from surrogates.flow import FlowSettings, fit_flow
from surrogates.interface import Surrogate
from training.evaluation import run_day
from training.heuristics import ConstantRule

_UPWARD = {"arrivals": ARRIVALS, "service": HANDLE_TIME}
_DOWNWARD = {"patience": PATIENCE, "capacity": STAFF}


class Ground(Protocol):
    """Where telemetry and surrogates come from."""

    @property
    def description(self) -> Description:
        """What is watched."""
        ...

    def surrogate(self, seed: int) -> Surrogate:
        """Fitted with a seed of its own on the same episodes."""
        ...

    def in_control(self, purpose: str, days: int) -> Transitions:
        """Nothing has changed; days of other purposes are other days."""
        ...

    def changed(self, kind: str, size: float) -> Transitions:
        """Days after a change."""
        ...

    def at(self, parameters: Float[np.ndarray, "parameter"]) -> Transitions:
        """Days enough for the structure test, at these parameters."""
        ...


@dataclass(frozen=True)
class Simulated:
    """A scenario of the simulator."""

    setting: Setting
    folder: Path
    """For telemetry, so that a run that was stopped need not simulate it again."""

    @cached_property
    def build(self) -> WithClock:
        """Builds the system as it was."""
        return WithClock(build=whole_recipe(load_scenario(self.setting.scenario)))

    @cached_property
    def description(self) -> Description:
        """What the simulator says of itself."""
        return self.build().describe()

    @cached_property
    def _objective(self) -> Objective:
        costs = load_scenario(self.setting.scenario).costs
        return Objective.from_costs(self.description, costs.outputs, costs.at_close)

    def surrogate(self, seed: int) -> Surrogate:
        """The flow surrogate with its own settings."""
        plans = plan_episodes(self.description, self.setting.episodes, 1)
        episodes = self._kept("episodes", lambda: run_episodes(self.build, plans))
        random = stream(seed, "fit")
        return fit_flow(episodes, self.description, FlowSettings(), random)

    def in_control(self, purpose: str, days: int) -> Transitions:
        """At nominal parameters."""
        return self._kept(purpose, lambda: self._run(self.build(), purpose, days, {}))

    def changed(self, kind: str, size: float) -> Transitions:
        """With one parameter moved, or with another route."""
        name, days = f"{kind} {size:g}", self.setting.changed_days
        if kind == "routing":
            return self._kept(name, lambda: self._run(self._rerouted(size), name, days, {}))
        factor = 1.0 + size if kind in _UPWARD else 1.0 - size
        moved = {(_UPWARD | _DOWNWARD)[kind]: factor}
        return self._kept(name, lambda: self._run(self.build(), name, days, moved))

    def at(self, parameters: Float[np.ndarray, "parameter"]) -> Transitions:
        """As many days as the structure test judges from at most."""
        name = f"place {crc32(np.round(parameters, 9).tobytes())}"
        values, days = self.description.parameter_values(parameters), self.setting.structure.spans
        return self._kept(name, lambda: self._run(self.build(), name, days[-1], values))

    def _rerouted(self, size: float) -> Simulator:
        assert self.setting.route is not None
        system = whole_recipe(load_scenario(self.setting.scenario)).system
        return WithClock(build=lambda: ServiceSystem(rerouted(system, self.setting.route, size)))()

    def _run(
        self, simulator: Simulator, purpose: str, days: int, parameters: dict[str, float]
    ) -> Transitions:
        rule = ConstantRule(choice=self.setting.choice)
        seeds = stream(1, "drift", self.setting.scenario, purpose).integers(2**31, size=days)
        return concatenate(
            [
                run_day(simulator, rule, self._objective, seed, parameters).telemetry
                for seed in seeds.tolist()
            ]
        )

    def _kept(self, name: str, simulate: Callable[[], Transitions]) -> Transitions:
        path = self.folder / f"{self.setting.scenario}-{self.setting.digest}" / f"{name}.parquet"
        if path.is_file():
            return read_transitions(path, self.description)[0]
        found = simulate()
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".half")
        write_transitions(half, found, self.description, {})
        half.rename(path)
        return found


@dataclass(frozen=True)
class Independent:
    """Values that do not depend on each other, for which no simulator is needed."""

    setting: Setting
    description: Description = DESCRIPTION

    def surrogate(self, seed: int) -> Surrogate:
        """Exact, whatever the seed."""
        return StandardNormal()

    def in_control(self, purpose: str, days: int) -> Transitions:
        """About 0."""
        return self._days(purpose, days, 0.0)

    def changed(self, kind: str, size: float) -> Transitions:
        """About so many deviations."""
        return self._days(f"{kind} {size:g}", self.setting.changed_days, size)

    def at(self, parameters: Float[np.ndarray, "parameter"]) -> Transitions:
        """There are no parameters."""
        raise NotImplementedError

    def _days(self, purpose: str, days: int, shift: float) -> Transitions:
        random = stream(1, "drift", "iid", purpose)
        return concatenate([normal_day(number, shift, random) for number in range(days)])


def ground_of(setting: Setting, folder: Path) -> Ground:
    """Where a setting's telemetry comes from."""
    return Independent(setting) if setting.scenario == "iid" else Simulated(setting, folder)


def rerouted(system: System, route: Route | None, size: float) -> System:
    """The system with more or fewer customers on one route; the others leave instead."""
    assert route is not None
    factor = 1.0 + size if route.grows else 1.0 - size
    classes = tuple(
        replace(
            each,
            routes=tuple(
                replace(way, probability=way.probability * factor) if way.to == route.to else way
                for way in each.routes
            ),
        )
        if each.name == route.of
        else each
        for each in system.classes
    )
    return replace(system, classes=classes)
