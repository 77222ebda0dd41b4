"""What the stages share: the run, its scenario, and what earlier stages left behind."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from envs.objective import Objective
from envs.observation import Viewpoint, viewpoint_of
from envs.problem import Problem
from experiments.main_job.errors import InvalidRun
from experiments.main_job.reporter import Reporter
from experiments.main_job.run_folder import RunFolder
from experiments.main_job.settings import MainJobSettings
from experiments.rule_book import RuleBook, rule_book
from sim.arrivals import DoublyStochasticArrivals
from sim.description import Description
from sim.provenance import commit
from sim.scenario import Scenario, SimulatorRecipe, load_scenario
from sim.system import System
from sim.volumes import Volumes
from surrogates.clock import WithClock
from surrogates.dataset import Transitions, read_transitions
from surrogates.errors import InvalidDataset, NotFitted
from surrogates.interface import Surrogate
from surrogates.storage import fingerprint, load_artefact, load_surrogate, save_artefact
from training.likelihood import LikelihoodSurrogate
from training.plant import Plant
from training.policies import NetworkPolicy

_FEWEST_EPISODES = 4
"""Of long episodes, on which a rule is judged."""
_EPOCHS = 28
"""Decisions in an episode for which the numbers of episodes in the settings are meant."""


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
        """The whole real series. Raises InvalidRun where the scenario has none."""
        if self.scenario.volumes is None:
            raise InvalidRun(f"scenario {self.scenario.name!r} has no volumes")
        return self.scenario.volumes.read(self.settings.volumes)

    @cached_property
    def arrivals(self) -> DoublyStochasticArrivals | None:
        """The arrivals that the first stage learnt, where there were volumes to learn from."""
        self.run.summary("learn")
        if self.scenario.volumes is None:
            return None
        return load_arrivals(self.run.folder("learn") / "arrivals", self.scenario.name)

    @cached_property
    def recipe(self) -> SimulatorRecipe:
        """The scenario's simulator under the learnt arrivals."""
        return SimulatorRecipe(scenario=self.scenario, arrivals=self.arrivals)

    @cached_property
    def build(self) -> WithClock:
        """Builds the true simulator, its state telling the time, in whatever process calls it."""
        return WithClock(build=self.recipe)

    @cached_property
    def system(self) -> System | None:
        """The system that is simulated; None for a simulator of the user's own."""
        return None if self.scenario.template is None else self.recipe.system

    @cached_property
    def description(self) -> Description:
        """What the simulator says of itself."""
        return self.build().describe()

    @property
    def episode(self) -> str:
        """What an episode is called."""
        return "day" if self.scenario.volumes is not None else "episode"

    def worth(self, episodes: int, least: int) -> int:
        """Episodes that are worth as much as so many of usual length: fewer of those that last."""
        share = min(1.0, _EPOCHS / self.description.epochs)
        return min(episodes, max(least, round(episodes * share)))

    @cached_property
    def transitions(self) -> Transitions:
        """What was collected. Raises InvalidDataset when the file is not what was written."""
        collected = self.run.summary("collect")
        path = self.run.folder("collect") / "transitions.parquet"
        if not path.is_file() or fingerprint(path) != collected["fingerprint"]:
            raise InvalidDataset(
                f"{path} is missing or not what was collected: delete {path.parent} and go on "
                "with --resume"
            )
        transitions, _ = read_transitions(path, self.description)
        return transitions

    @cached_property
    def objective(self) -> Objective:
        """The scenario's costs."""
        costs = self.scenario.costs
        return Objective.from_costs(self.description, costs.outputs, costs.at_close)

    @cached_property
    def observation(self) -> Viewpoint:
        """What policies see, under nominal beliefs."""
        d = self.description
        return viewpoint_of(d, d.nominal, self.transitions.state)

    @cached_property
    def surrogate(self) -> Surrogate:
        """The fitted surrogate that policies are trained on."""
        return self._fitted(self.run.summary("fit")["trained_on"])

    @cached_property
    def likelihood(self) -> LikelihoodSurrogate:
        """The fitted surrogate by which days are judged."""
        found = self._fitted(self.run.summary("fit")["judged_by"])
        if not isinstance(found, LikelihoodSurrogate):
            raise NotFitted(f"surrogate {found.name!r} has no likelihood: fit again")
        return found

    def _fitted(self, family: str) -> Surrogate:
        return load_surrogate(self.run.folder("fit") / family, self.description)[0]

    @cached_property
    def plant(self) -> Plant:
        """The system that policies are trained for."""
        return Plant(build=self.build, objective=self.objective, observation=self.observation)

    def surrogate_problem(self, parameters: np.ndarray | None = None) -> Problem:
        """The decision problem over the fitted surrogate."""
        return self.plant.imagined(self.surrogate, parameters)

    def rule_book(self) -> RuleBook:
        """The rules that a policy has to beat, judged on the surrogate."""
        days = self.settings.search_days
        return rule_book(
            self.plant,
            self.system,
            self.surrogate_problem(),
            days=days,
            episodes=self.worth(days, least=_FEWEST_EPISODES),
            seed=self.settings.seed,
        )

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


def machine() -> str:
    """The machine in a few words."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
