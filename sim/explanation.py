"""A scenario explained, for whoever reads or asks over a network."""

from __future__ import annotations

from typing import Any

from sim.description import Description
from sim.epoch import Quantity
from sim.scenario import Scenario
from sim.system import System


def explain(scenario: Scenario, description: Description) -> dict[str, Any]:
    """Its states, outputs, levers, parameters and costs with their units, as JSON takes them."""
    costs = scenario.costs
    return {
        "name": scenario.name,
        "summary": " ".join(scenario.summary.split()),
        "variants": scenario.variants,
        "epochs": description.epochs,
        "minutes": _lengths(description),
        "states": [_quantity(component) for component in description.components],
        "outputs": [_quantity(output) for output in description.outputs],
        "levers": [
            {
                "name": lever.name,
                "decides": lever.decides,
                "levels": lever.levels,
                "positions": _positions(scenario.template, lever.name),
            }
            for lever in description.levers
        ],
        "parameters": [
            {"name": p.name, "unit": p.unit, "low": p.low, "high": p.high, "nominal": p.nominal}
            for p in description.parameters
        ],
        "costs": {"unit": costs.unit, "outputs": costs.outputs, "at_close": costs.at_close},
        "drift": {name: str(drift) for name, drift in scenario.drift.items()},
    }


def _positions(system: System | None, lever: str) -> list[str]:
    """What the levels of a lever stand for, where they are positions in a list."""
    if system is None:
        return []
    for pool in system.pools:
        if pool.order == lever:
            return [" before ".join(order) for order in pool.orders]
    for dispatcher in system.dispatchers:
        if dispatcher.lever == lever:
            return [f"to {name}" for name in dispatcher.to]
    return []


def _lengths(description: Description) -> list[float] | None:
    """How long epochs are, each length once; None where events end them."""
    if description.is_event_driven:
        return None
    return sorted({round(float(minutes), 6) for minutes in description.durations})


def _quantity(quantity: Quantity) -> dict[str, str]:
    return {"name": quantity.name, "unit": quantity.unit}
