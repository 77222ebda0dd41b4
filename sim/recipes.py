"""A scenario's simulator with nothing left open: what volumes leave open is learnt from them."""

from __future__ import annotations

from functools import cache

from sim.arrivals import Arrivals, fit_doubly_stochastic
from sim.scenario import Scenario, SimulatorRecipe
from sim.scenario_file import VolumeSettings


def whole_recipe(scenario: Scenario) -> SimulatorRecipe:
    """The recipe of a scenario's simulator, arrivals learnt from its fitting days' volumes."""
    volumes = scenario.volumes
    return SimulatorRecipe(
        scenario=scenario, arrivals=None if volumes is None else _learnt(volumes)
    )


@cache
def _learnt(settings: VolumeSettings) -> Arrivals:
    """Once in a process: it takes a second, and a service asks for it with every session."""
    return fit_doubly_stochastic(settings.read().between(settings.fit_from, settings.fit_to))
