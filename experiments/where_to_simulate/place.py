"""One scenario of the study: its simulator, its costs and the problem over a surrogate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from envs.objective import Objective
from envs.observation import viewpoint_of
from envs.problem import Problem
from envs.world import SurrogateWorld
from sim.description import Description
from sim.recipes import whole_recipe
from sim.scenario import load_scenario
from surrogates.clock import WithClock
from surrogates.interface import Surrogate
from training.heuristics import Controller
from training.search import SideBySide


@dataclass(frozen=True)
class Place:
    """A scenario at its nominal parameters, under arrivals fitted to its volumes if it has any."""

    scenario: str

    @cached_property
    def build(self) -> WithClock:
        """Builds the true simulator, its state telling the time."""
        return WithClock(build=whole_recipe(load_scenario(self.scenario)))

    @cached_property
    def description(self) -> Description:
        """What the simulator says of itself."""
        return self.build().describe()

    @cached_property
    def objective(self) -> Objective:
        """The scenario's costs."""
        costs = load_scenario(self.scenario).costs
        return Objective.from_costs(self.description, costs.outputs, costs.at_close)

    def problem(self, surrogate: Surrogate) -> Problem:
        """The decision problem over a surrogate, at nominal parameters."""
        d = self.description
        return Problem(
            build_world=lambda copies: SurrogateWorld(surrogate, copies),
            objective=self.objective,
            observation=viewpoint_of(d, d.nominal, surrogate.openings),
        )

    def costs_on(
        self, surrogate: Surrogate, controllers: Sequence[Controller], days: int, seed: int
    ) -> Float[np.ndarray, "controller"]:
        """Mean cost of an episode under each controller, as the surrogate sees it."""
        judge = SideBySide(problem=self.problem(surrogate), days=days, seed=seed)
        return np.array(list(judge(controllers)))
