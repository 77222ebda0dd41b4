"""The true simulator: a service system as discrete events.

Simulated time is in minutes, and rates are per minute.
"""

from sim.arrivals import (
    DoublyStochasticArrivals,
    PoissonArrivals,
    TraceArrivals,
    fit_doubly_stochastic,
)
from sim.description import Description
from sim.epoch import Epoch
from sim.errors import SurrogymError
from sim.scenario import Scenario, SimulatorRecipe, bundled_scenarios, load_scenario
from sim.simulator import ServiceSystem, Simulator
from sim.system import CustomerClass, Route, ServerTeam, System

__all__ = [
    "CustomerClass",
    "Description",
    "DoublyStochasticArrivals",
    "Epoch",
    "PoissonArrivals",
    "Route",
    "Scenario",
    "ServerTeam",
    "ServiceSystem",
    "Simulator",
    "SimulatorRecipe",
    "SurrogymError",
    "System",
    "TraceArrivals",
    "bundled_scenarios",
    "fit_doubly_stochastic",
    "load_scenario",
]
