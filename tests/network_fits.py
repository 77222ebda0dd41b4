"""A small network with a surrogate that was fitted in a moment, for what looks one event ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from envs.objective import Objective
from sim.customers import Balking
from sim.description import SystemDescription
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem
from sim.system import System
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.flow import FlowSettings, FlowSurrogate, fit_flow


@dataclass(frozen=True, kw_only=True)
class NetworkFit:
    """The criss-cross network at medium load."""

    description: SystemDescription
    transitions: Transitions
    surrogate: FlowSurrogate
    objective: Objective


@cache
def criss_cross_fit() -> NetworkFit:
    """From eight episodes at nominal parameters, with fewer steps than usual."""
    return _fit(load_scenario("criss_cross:BM").system())


@cache
def balking_fit() -> NetworkFit:
    """The same where half of those who find anybody waiting for class 2 or 3 turn away."""
    system = load_scenario("criss_cross:BM").system()
    turned = (Balking(waiting=1, share=0.5),)
    first, *others = system.classes
    return _fit(replace(system, classes=(first, *(replace(c, balking=turned) for c in others))))


def _fit(system: System) -> NetworkFit:
    description = ServiceSystem(system).describe()
    plans = plan_episodes(description, 8, 1, nominal_share=1.0)
    transitions = run_episodes(lambda: ServiceSystem(system), plans)
    settings = FlowSettings(hidden=32, passes=1, least_steps=600)
    surrogate = fit_flow(transitions, description, settings, np.random.default_rng(1))
    costs = load_scenario("criss_cross:BM").costs
    return NetworkFit(
        description=description,
        transitions=transitions,
        surrogate=surrogate,
        objective=Objective.from_costs(description, costs.outputs, costs.at_close),
    )
