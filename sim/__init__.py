"""The true simulator: a service system as discrete events.

Simulated time is in minutes, and rates are per minute.
"""

from sim.arrivals import (
    DoublyStochasticArrivals,
    PoissonArrivals,
    TraceArrivals,
    fit_doubly_stochastic,
)
from sim.customers import Balking, CustomerClass, Route
from sim.description import Description, Lever, SystemDescription
from sim.epoch import Epoch, Parameter, Quantity
from sim.errors import SurrogymError
from sim.routing import Dispatcher, Room
from sim.scenario import Scenario, SimulatorRecipe, bundled_scenarios, load_scenario
from sim.servers import Break, Breakdown, Pool, ServerTeam
from sim.simulator import ServiceSystem, Simulator
from sim.system import System

__all__ = [
    "Balking",
    "Break",
    "Breakdown",
    "CustomerClass",
    "Description",
    "Dispatcher",
    "DoublyStochasticArrivals",
    "Epoch",
    "Lever",
    "Parameter",
    "PoissonArrivals",
    "Pool",
    "Quantity",
    "Room",
    "Route",
    "Scenario",
    "ServerTeam",
    "ServiceSystem",
    "Simulator",
    "SimulatorRecipe",
    "SurrogymError",
    "System",
    "SystemDescription",
    "TraceArrivals",
    "bundled_scenarios",
    "fit_doubly_stochastic",
    "load_scenario",
]
