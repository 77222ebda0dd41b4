"""The system before a change and after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from envs.conditioning import Conditioned
from envs.objective import Objective
from envs.preferences import Preferences
from experiments.plants import SystemRecipe
from experiments.retraining.settings import DEARER, Setting
from sim.customers import CustomerClass
from sim.epoch import parameter_vector
from sim.errors import InvalidSystem
from sim.system import System
from surrogates.clock import WithClock
from training.plant import Plant

_CLOSING = "closing:"


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One change of one system."""

    setting: Setting

    @property
    def before(self) -> Plant:
        """As it was when everything was learnt."""
        return self.setting.ground.plant

    @cached_property
    def after(self) -> Plant:
        """As it is now, wanted as it is wanted now."""
        turn, plant = self.setting.turn, self.before
        if turn.routes:
            system = self.setting.ground.system
            if system is None:
                raise InvalidSystem(f"{self.setting.ground.name} has no routes to change")
            recipe = SystemRecipe(system=rerouted(system, turn.routes))
            plant = replace(plant, build=WithClock(build=recipe))
        return plant.wanting(priced(plant.objective, turn.prices)) if turn.prices else plant

    @cached_property
    def beliefs(self) -> Float[np.ndarray, "parameter"]:
        """The new parameters, taken as known: how well they are found is another study."""
        return parameter_vector(self.before.description.parameters, self.setting.turn.parameters)

    @property
    def parameters(self) -> dict[str, float]:
        """The same by name."""
        return self.before.description.parameter_values(self.beliefs)

    def conditioned(self, plant: Plant) -> Plant:
        """The plant as one sees it who is told parameters and prices, from those of both sides."""
        first = self.before.objective
        ranges = {
            name: (0.5 * min(a, b), 1.5 * max(a, b))
            for name, a, b in zip(
                first.number_names,
                first.numbers.tolist(),
                priced(first, DEARER.prices).numbers.tolist(),
                strict=True,
            )
            if a != b
        }
        preferences = Preferences(objective=first, ranges=ranges)
        seen = Conditioned.of(self.before.observation, preferences=preferences)
        told = replace(plant, observation=seen, preferences=preferences)
        return told.wanting(plant.objective)


def priced(objective: Objective, prices: dict[str, float]) -> Objective:
    """The same wishes at other prices; raises InvalidSystem for what has none."""
    numbers = objective.numbers.copy()
    for name, price in prices.items():
        told = f"{name}_cost"
        if name.startswith(_CLOSING):
            told = f"{name.removeprefix(_CLOSING)}_closing_cost"
        if told not in objective.number_names:
            raise InvalidSystem(f"no price {told!r} to change")
        numbers[objective.number_names.index(told)] = price
    return objective.with_numbers(numbers)


def rerouted(system: System, routes: dict[str, float]) -> System:
    """The same system in which customers are passed on with other probabilities."""
    classes = tuple(_passing_on(each, routes) for each in system.classes)
    if classes == system.classes:
        raise InvalidSystem(f"nobody is passed on to {', '.join(routes)}")
    return replace(system, classes=classes)


def _passing_on(each: CustomerClass, routes: dict[str, float]) -> CustomerClass:
    changed = tuple(
        replace(route, probability=routes.get(route.to, route.probability)) for route in each.routes
    )
    return replace(each, routes=changed)
