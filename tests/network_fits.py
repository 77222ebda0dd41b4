"""A small network with a surrogate that was fitted in a moment, for what looks one event ahead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from envs.objective import Objective
from sim.description import SystemDescription
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem
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
    scenario = load_scenario("criss_cross:BM")
    description = ServiceSystem(scenario.system()).describe()
    plans = plan_episodes(description, 8, 1, nominal_share=1.0)
    transitions = run_episodes(lambda: ServiceSystem(scenario.system()), plans)
    settings = FlowSettings(hidden=32, passes=1, least_steps=600)
    surrogate = fit_flow(transitions, description, settings, np.random.default_rng(1))
    costs = scenario.costs
    return NetworkFit(
        description=description,
        transitions=transitions,
        surrogate=surrogate,
        objective=Objective.from_costs(description, costs.outputs, costs.at_close),
    )
