"""The system that a job is about, in the process of an attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envs.objective import Objective
from envs.registration import scenario_problem
from sim.description import Description
from sim.recipes import whole_recipe
from sim.scenario import Scenario, SimulatorRecipe, load_scenario
from sim.system import System
from surrogates.clock import WithClock
from training.plant import Plant


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A scenario, and the task that it sets; seen and paid as environments of that name are."""

    scenario: Scenario
    recipe: SimulatorRecipe
    plant: Plant

    @property
    def description(self) -> Description:
        """What the simulator says of itself."""
        return self.plant.description

    @property
    def system(self) -> System | None:
        """The system that is simulated; None for a simulator of somebody's own."""
        return None if self.scenario.template is None else self.recipe.system

    def wanting(
        self, costs: Mapping[str, float] | None, costs_at_close: Mapping[str, float] | None
    ) -> Plant:
        """The task under other costs; the scenario's where none are given."""
        if costs is None and costs_at_close is None:
            return self.plant
        known = self.scenario.costs
        outputs = known.outputs if costs is None else costs
        at_close = known.at_close if costs_at_close is None else costs_at_close
        return self.plant.wanting(Objective.from_costs(self.description, outputs, at_close))


def subject_of(reference: str) -> Subject:
    """The scenario that a catalogue's reference names; raises InvalidSystem."""
    scenario = load_scenario(reference)
    recipe, problem = whole_recipe(scenario), scenario_problem(reference)
    plant = Plant(
        build=WithClock(build=recipe),
        objective=problem.objective,
        observation=problem.observation,
        cost_unit=problem.cost_unit,
    )
    return Subject(scenario=scenario, recipe=recipe, plant=plant)
