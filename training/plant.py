"""The system under control: the true simulator, what is wanted of it, and what is seen of it.

One description of the task from which both worlds are made, wherever they are needed: everything
here can be sent to another process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from envs.conditioning import Conditioned
from envs.masks import Mask
from envs.objective import Objective
from envs.observation import Viewpoint
from envs.preferences import Preferences
from envs.problem import Problem
from envs.randomisation import ParameterDraws
from envs.vector import VectorEnvironment
from envs.world import SimulatedWorld, SurrogateWorld
from sim.description import Description
from sim.errors import InvalidSystem
from surrogates.collect import BuildSimulator
from surrogates.interface import Surrogate
from training.controllers import PolicyController
from training.policies import NetworkPolicy

Where = Float[np.ndarray, "parameter"] | ParameterDraws | None
"""Parameters of episodes: fixed, drawn for each, or nominal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A system that policies are trained for."""

    build: BuildSimulator
    """Makes the true simulator as it is now, in whatever process calls it."""
    objective: Objective
    observation: Viewpoint
    mask: Mask | None = None
    """Which decisions are allowed; all where it is None."""
    cost_unit: float = 1000.0
    """Rewards are minus the cost in these units."""
    preferences: Preferences | None = None
    """Objectives that a policy which sees them is trained for; judged is always by `objective`."""

    def __post_init__(self) -> None:
        _refuse_foreign(self.objective, self.description)

    @property
    def description(self) -> Description:
        """What the simulator says of itself."""
        return self.observation.description

    def imagined(self, surrogate: Surrogate, where: Where = None) -> Problem:
        """The task on a surrogate."""
        return self._problem(SurrogateWorlds(surrogate=surrogate, where=where))

    def practice(self, surrogate: Surrogate, where: Where = None) -> Problem:
        """The task on a surrogate to be trained on, under every objective that is preferred."""
        return replace(self.imagined(surrogate, where), preferences=self.preferences)

    def true(self, where: dict[str, float] | ParameterDraws | None = None) -> Problem:
        """The task on the true simulator."""
        return self._problem(SimulatedWorlds(build=self.build, where=where))

    def controller(self, policy: NetworkPolicy, name: str | None = None) -> PolicyController:
        """A policy that acts on states."""
        return PolicyController(
            policy=policy,
            observation=self.observation,
            name=policy.name if name is None else name,
            mask=self.mask,
        )

    def wanting(self, objective: Objective) -> Plant:
        """The same system, of which something else is wanted; who sees that is told.

        What is preferred varies in the same ranges, about the new objective. Raises InvalidSystem
        where that lacks a number that varies, and for an objective of another system.
        """
        seen, preferences = self.observation, self.preferences
        if isinstance(seen, Conditioned):
            seen = seen.wanting(objective)
        if preferences is not None:
            preferences = replace(preferences, objective=objective)
        return replace(self, objective=objective, observation=seen, preferences=preferences)

    def simulated_by(self, build: BuildSimulator) -> Plant:
        """The same system, of which another simulator tells.

        Raises InvalidSystem for one of other numbers or decisions: nothing that was learnt fits it.
        """
        _refuse_another_kind(build().describe(), self.description)
        return replace(self, build=build)

    def believing(self, parameters: Float[np.ndarray, "parameter"]) -> Plant:
        """The same system, believed to have these parameters; who sees them is told."""
        seen = self.observation
        if isinstance(seen, Conditioned):
            seen = replace(seen, parameters=parameters)
        return replace(self, observation=seen)

    def _problem(self, build_world: SurrogateWorlds | SimulatedWorlds) -> Problem:
        return Problem(
            build_world=build_world,
            objective=self.objective,
            observation=self.observation,
            cost_unit=self.cost_unit,
            mask=self.mask,
        )


def _refuse_another_kind(new: Description, old: Description) -> None:
    """Raise InvalidSystem where a simulator cannot take the place of another."""
    for kind, there, here in (
        ("state components", new.state_names, old.state_names),
        ("outputs", new.output_names, old.output_names),
        ("levers", new.levers, old.levers),
        ("parameters", new.parameters, old.parameters),
        ("epochs", (new.epochs, new.boundaries), (old.epochs, old.boundaries)),
    ):
        if there != here:
            raise InvalidSystem(
                f"simulator {new.name!r} has other {kind} than {old.name!r}: policies and beliefs "
                "of one do not fit the other"
            )


def _refuse_foreign(objective: Objective, description: Description) -> None:
    for kind, named, known in (
        ("outputs", objective.output_names, description.output_names),
        ("state components", objective.state_names, description.state_names),
    ):
        if named != known:
            others = [name for name in (*named, *known) if (name in named) != (name in known)]
            told = f"{others[0]!r} is of one of them alone" if others else "in another order"
            raise InvalidSystem(
                f"an objective over {len(named)} {kind} for {description.name!r}, which has "
                f"{len(known)}: {told}; make it with Objective.from_costs and the description of "
                f"{description.name!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SurrogateWorlds:
    """Builds surrogate worlds in whatever process calls it."""

    surrogate: Surrogate
    where: Where = None

    def __call__(self, copies: int) -> SurrogateWorld:
        """A world of so many copies."""
        return SurrogateWorld(self.surrogate, copies, self.where)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedWorlds:
    """Builds true worlds in whatever process calls it."""

    build: BuildSimulator
    where: dict[str, float] | ParameterDraws | None = None

    def __call__(self, copies: int) -> SimulatedWorld:
        """A world of so many simulators."""
        return SimulatedWorld(self.build, copies, self.where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """Builds batched environments of one problem in whatever process calls it."""

    problem: Problem

    def __call__(self, copies: int) -> VectorEnvironment:
        """An environment of so many copies."""
        return VectorEnvironment(self.problem, copies)
