"""What is compared on what: systems, amounts of data and seeds, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from sim.arrivals import fit_doubly_stochastic
from sim.scenario import Scenario, load_scenario
from sim.simulator import ServiceSystem
from sim.system import System

Depth = Literal["quick", "thorough"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A system on which surrogates are compared."""

    scenario: str
    """Name of the bundled scenario."""
    events: int | None = None
    """Events in an episode where epochs end with events: short enough for many episodes."""

    def load(self) -> Scenario:
        """The scenario, with its costs."""
        return load_scenario(self.scenario)

    def __call__(self) -> ServiceSystem:
        """A fresh simulator, under arrivals learnt from the volumes where there are any."""
        return ServiceSystem(self.system())

    def system(self) -> System:
        """The system that is simulated."""
        scenario = self.load()
        arrivals = scenario.volumes and fit_doubly_stochastic(scenario.volumes.read())
        system = scenario.system(arrivals or None)
        return system if self.events is None else replace(system, events=self.events)


GROUNDS: dict[str, Ground] = {
    "bank": Ground(scenario="bank"),
    "clinic": Ground(scenario="clinic"),
    "n_model": Ground(scenario="n_model", events=200),
    "autoscaling": Ground(scenario="autoscaling"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is learnt from and how finely it is judged."""

    rows: tuple[int, ...]
    """Transitions to learn from: every amount is a measurement of its own."""
    seeds: tuple[int, ...]
    """Of data, fits and what fits are scored on; policies and their true values are the same for
    all."""
    held_out: int
    """Transitions to score on, drawn from episodes of their own."""
    held_out_episodes: int
    """At least, so that long episodes too are of many parameters and behaviours."""
    draws: int
    """Samples for each of them."""
    policies: int
    """To be ranked; at least 20 for a tau that tells anything."""
    simulated_episodes: int
    """Of each policy on the simulator, under common random numbers."""
    sampled_episodes: int
    """Of each policy on a surrogate."""
    speed_batch: int = 4096
    speed_seconds: float = 1.0
    """Processor seconds for which the speed of sampling is measured."""


EFFORTS: dict[Depth, Effort] = {
    "quick": Effort(
        rows=(300,),
        seeds=(1,),
        held_out=100,
        held_out_episodes=4,
        draws=16,
        policies=6,
        simulated_episodes=4,
        sampled_episodes=2,
        speed_seconds=0.05,
    ),
    "thorough": Effort(
        rows=(2_000, 10_000, 50_000),
        # Seeds 1 and 2 are left to those who tune a family: no measurement meets their data.
        seeds=(3, 4, 5),
        held_out=2_000,
        held_out_episodes=40,
        draws=64,
        policies=24,
        simulated_episodes=24,
        sampled_episodes=64,
    ),
}


def digest(*what: object) -> str:
    """Twelve characters that change with any of these settings."""
    return sha256(repr(what).encode()).hexdigest()[:12]
