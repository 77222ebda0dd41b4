"""What all contestants are given alike: transitions to learn from and to be judged by, policies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from envs.objective import Objective
from experiments.surrogate_comparison.policies import Decide, varied_policies
from experiments.surrogate_comparison.settings import Effort, Ground, digest
from experiments.surrogate_comparison.values import Truth, simulated_values
from sim.description import SystemDescription
from sim.streams import stream
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions, read_transitions, write_transitions
from surrogates.design import plan_episodes

_JUDGED = 10_000
"""Added to a seed for the episodes that nobody learns from."""
_SHARED = 0
"""Seed of what all seeds of data and fits are judged by alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What contestants on one ground and seed are judged by.

    Policies and their true values are those of the ground: the seed is of data and fits. Every
    fit of every contestant is thus held against the same truth, and is no better known to one.
    """

    description: SystemDescription
    objective: Objective
    held_out: Transitions
    policies: tuple[Decide, ...]
    truth: Truth
    """What they cost on the simulator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A folder of what has been simulated already, by what it depends on."""

    folder: Path

    def transitions(self, ground: Ground, rows: int, seed: int) -> Transitions:
        """At least so many rows in whole episodes, cut to the number."""
        simulator = ground()
        description = simulator.describe()
        path = self._path(ground, "transitions", rows, seed, suffix="parquet")
        if not path.is_file():
            plans = plan_episodes(description, -(-rows // description.epochs), seed)
            collected = run_episodes(lambda: simulator, plans)
            write_transitions(path, collected, description, {"seed": seed})
        found, _ = read_transitions(path, description)
        return found.take(np.arange(min(rows, len(found))))

    def judgement(self, ground: Ground, effort: Effort, seed: int) -> Judgement:
        """Held-out episodes, and policies with their true values."""
        description, costs = ground().describe(), ground.load().costs
        objective = Objective.from_costs(description, costs.outputs, costs.at_close)
        occurring = self._held_out(ground, effort, _SHARED)
        policies = varied_policies(
            description, occurring.state, effort.policies, stream(_SHARED, "policies")
        )
        return Judgement(
            description=description,
            objective=objective,
            held_out=self._held_out(ground, effort, seed),
            policies=policies,
            truth=self._truth(ground, effort, objective, policies),
        )

    def _truth(
        self, ground: Ground, effort: Effort, objective: Objective, policies: tuple[Decide, ...]
    ) -> Truth:
        """Simulated once, then kept."""
        path = self._path(ground, "truth", effort)
        if not path.is_file():
            seeds = stream(_SHARED, "truth").integers(2**31, size=effort.simulated_episodes)
            truth = simulated_values(ground(), objective, policies, seeds.tolist())
            told = {"cost": truth.cost.tolist(), "minutes": truth.minutes.tolist()}
            aside = path.with_suffix(".aside")
            aside.write_text(json.dumps(told), encoding="utf-8")
            aside.replace(path)
        told = json.loads(path.read_text(encoding="utf-8"))
        return Truth(cost=np.array(told["cost"]), minutes=np.array(told["minutes"]))

    def _held_out(self, ground: Ground, effort: Effort, seed: int) -> Transitions:
        rows = max(effort.held_out, effort.held_out_episodes * ground().describe().epochs)
        found = self.transitions(ground, rows, seed + _JUDGED)
        return found.take(stream(seed, "held out").permutation(len(found))[: effort.held_out])

    def _path(self, ground: Ground, *what: object, suffix: str = "json") -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        told = digest(ground.system(), *what)
        return self.folder / f"{ground.scenario}-{what[0]}-{told}.{suffix}"
