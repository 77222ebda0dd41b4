"""What all contestants are given alike: transitions to learn from and to be judged by, policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from envs.objective import Objective
from experiments.surrogate_comparison.policies import Decide, varied_policies
from experiments.surrogate_comparison.settings import Effort, Ground, digest
from experiments.surrogate_comparison.values import simulated_values
from sim.description import SystemDescription
from sim.streams import stream
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions, read_transitions, write_transitions
from surrogates.design import plan_episodes

_JUDGED = 10_000
"""Added to a seed for the episodes that nobody learns from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What contestants on one ground and seed are judged by."""

    description: SystemDescription
    objective: Objective
    held_out: Transitions
    policies: tuple[Decide, ...]
    values: Float[np.ndarray, "policy"]
    """True cost per minute of each policy."""
    again: Float[np.ndarray, "policy"]
    """The same from other seeds: what the simulator says of its own ranking."""


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
        simulator = ground()
        description, costs = simulator.describe(), ground.load().costs
        objective = Objective.from_costs(description, costs.outputs, costs.at_close)
        held_out = self._held_out(ground, effort, seed)
        policies = varied_policies(
            description, held_out.state, effort.policies, stream(seed, "policies")
        )

        def simulate(purpose: str) -> Callable[[], Float[np.ndarray, "policy"]]:
            seeds = stream(seed, purpose).integers(2**31, size=effort.simulated_episodes)
            return lambda: simulated_values(simulator, objective, policies, seeds.tolist())

        kept = (effort, seed)
        return Judgement(
            description=description,
            objective=objective,
            held_out=held_out,
            policies=policies,
            values=self._numbers(self._path(ground, "values", *kept), simulate("values")),
            again=self._numbers(self._path(ground, "again", *kept), simulate("again")),
        )

    def _held_out(self, ground: Ground, effort: Effort, seed: int) -> Transitions:
        rows = max(effort.held_out, effort.held_out_episodes * ground().describe().epochs)
        found = self.transitions(ground, rows, seed + _JUDGED)
        return found.take(stream(seed, "held out").permutation(len(found))[: effort.held_out])

    def _path(self, ground: Ground, *what: object, suffix: str = "json") -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        told = digest(ground.system(), *what)
        return self.folder / f"{ground.scenario}-{what[0]}-{told}.{suffix}"

    def _numbers(
        self, path: Path, make: Callable[[], Float[np.ndarray, "number"]]
    ) -> Float[np.ndarray, "number"]:
        if not path.is_file():
            path.write_text(json.dumps(make().tolist()), encoding="utf-8")
        return np.array(json.loads(path.read_text(encoding="utf-8")))
