"""What the stages share: the run, its scenario, and what earlier stages left behind."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from envs.objective import Objective
from envs.observation import Observation
from envs.problem import Problem
from envs.world import SimulatedWorld, SurrogateWorld
from experiments.main_job.reporter import Reporter
from experiments.main_job.run_folder import RunFolder
from experiments.main_job.settings import MainJobSettings
from sim.arrivals import DoublyStochasticArrivals
from sim.description import Description
from sim.scenario import Scenario, SimulatorRecipe, load_scenario
from sim.volumes import Volumes
from surrogates.errors import NotFitted
from surrogates.flow import FlowSurrogate
from surrogates.interface import Surrogate
from surrogates.storage import load_artefact, load_surrogate, save_artefact
from training.controllers import PolicyController
from training.policies import NetworkPolicy


@dataclass(frozen=True, kw_only=True)
class Context:
    """One run in progress."""

    run: RunFolder
    reporter: Reporter

    @property
    def settings(self) -> MainJobSettings:
        """The run's settings."""
        return self.run.settings

    @cached_property
    def scenario(self) -> Scenario:
        """The run's scenario."""
        return load_scenario(self.settings.scenario)

    @cached_property
    def volumes(self) -> Volumes:
        """The whole real series."""
        return self.scenario.volumes.read(self.settings.volumes)

    @cached_property
    def recipe(self) -> SimulatorRecipe:
        """Builds the true simulator under the learnt arrivals."""
        return SimulatorRecipe(scenario=self.scenario, arrivals=self.arrivals)

    @cached_property
    def arrivals(self) -> DoublyStochasticArrivals:
        """The arrivals that the first stage learnt."""
        self.run.summary("learn")
        return load_arrivals(self.run.folder("learn") / "arrivals", self.scenario.name)

    @cached_property
    def description(self) -> Description:
        """What the system says of itself."""
        return self.recipe.system.describe()

    @cached_property
    def objective(self) -> Objective:
        """The scenario's costs."""
        costs = self.scenario.costs
        return Objective.from_costs(self.description, costs.outputs, costs.at_close)

    @cached_property
    def observation(self) -> Observation:
        """What policies see, under nominal beliefs."""
        return Observation(description=self.description, parameters=self.description.nominal)

    @cached_property
    def flow(self) -> FlowSurrogate:
        """The fitted flow surrogate."""
        self.run.summary("fit")
        surrogate, _ = load_surrogate(self.run.folder("fit") / "flow", self.description)
        if not isinstance(surrogate, FlowSurrogate):
            raise NotFitted(f"{self.run.folder('fit') / 'flow'} holds {surrogate.name!r}")
        return surrogate

    def surrogate_problem(self, parameters: np.ndarray | None = None) -> Problem:
        """The decision problem over the flow surrogate."""
        return Problem(
            build_world=SurrogateWorlds(surrogate=self.flow, parameters=parameters),
            objective=self.objective,
            observation=self.observation,
        )

    def true_problem(self, parameters: dict[str, float] | None = None) -> Problem:
        """The decision problem over the true simulator."""
        return Problem(
            build_world=SimulatedWorlds(recipe=self.recipe, parameters=parameters),
            objective=self.objective,
            observation=self.observation,
        )

    def controller(self, policy: NetworkPolicy, name: str) -> PolicyController:
        """A trained policy as a controller."""
        return PolicyController(policy=policy, observation=self.observation, name=name)

    def policy(self, stage: str, name: str) -> NetworkPolicy:
        """A policy that a stage saved."""
        self.run.summary(stage)
        artefact = load_artefact(
            self.run.folder(stage) / name, kind="policy", system=self.scenario.name
        )
        return NetworkPolicy.from_tensors(artefact.tensors, name=name)

    def save_policy(self, folder: Path, policy: NetworkPolicy, lineage: dict[str, Any]) -> None:
        """Save a policy with its lineage."""
        manifest = {"kind": "policy", "system": self.scenario.name, **self.lineage(), **lineage}
        manifest["observation"] = list(self.observation.names)
        manifest["decisions"] = self.description.decisions.tolist()
        save_artefact(folder, policy.to_tensors(), manifest)

    def lineage(self) -> dict[str, Any]:
        """Where artefacts come from."""
        return {"seed": self.settings.seed, "commit": commit(), "run": self.run.path.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class SurrogateWorlds:
    """Builds surrogate worlds in whatever process calls it."""

    surrogate: Surrogate
    parameters: np.ndarray | None

    def __call__(self, copies: int) -> SurrogateWorld:
        """A world of so many copies."""
        return SurrogateWorld(self.surrogate, copies, self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedWorlds:
    """Builds true worlds in whatever process calls it."""

    recipe: SimulatorRecipe
    parameters: dict[str, float] | None

    def __call__(self, copies: int) -> SimulatedWorld:
        """A world of so many simulators."""
        return SimulatedWorld(self.recipe, copies, self.parameters)


def save_arrivals(
    folder: Path, arrivals: DoublyStochasticArrivals, manifest: dict[str, Any]
) -> None:
    """Save a learnt arrival process."""
    tensors = {
        "profile": arrivals.profile,
        "slot_sd": arrivals.slot_sd,
        "scalars": np.array([arrivals.day_sd, arrivals.persistence, arrivals.slot_minutes]),
    }
    save_artefact(folder, tensors, {"kind": "arrivals", **manifest})


def load_arrivals(folder: Path, system: str) -> DoublyStochasticArrivals:
    """Load what `save_arrivals` saved; refuses what was changed since."""
    tensors = load_artefact(folder, kind="arrivals", system=system).tensors
    day_sd, persistence, slot_minutes = map(float, tensors["scalars"])
    return DoublyStochasticArrivals(
        profile=tensors["profile"],
        day_sd=day_sd,
        slot_sd=tensors["slot_sd"],
        persistence=persistence,
        slot_minutes=slot_minutes,
    )


def commit() -> str:
    """The checkout's commit, or the version where there is none."""
    from importlib.metadata import version

    root = Path(__file__).resolve().parents[2]
    if (root / ".git").exists() and shutil.which("git"):
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if found.returncode == 0:
            return found.stdout.strip()
    return f"surrogym {version('surrogym')}"


def machine() -> str:
    """The machine in a few words."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
