"""Episodes of a policy on the true simulator: what they cost, and what was seen in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from envs.objective import Objective
from sim.description import Description
from surrogates.collect import BuildSimulator
from surrogates.dataset import Transitions, concatenate
from training.evaluation import Comparison, Day, run_day
from training.forms import CostsForm, TransitionsForm
from training.heuristics import Controller
from training.plant import Plant

_CHUNK = 8
_COSTS = "costs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Some episodes under one controller, in the order of their seeds."""

    costs: Float[np.ndarray, "episode"]
    telemetry: Transitions
    """Every epoch, recorded at the parameters that the simulator was given."""

    def followed_by(self, more: Visit) -> Visit:
        """These episodes and those."""
        return Visit(
            costs=np.concatenate([self.costs, more.costs]),
            telemetry=concatenate([self.telemetry, more.telemetry]),
        )


def visit(
    plant: Plant,
    controller: Controller,
    seeds: Sequence[int],
    executor: Executor,
    parameters: dict[str, float] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Visit:
    """Run a controller on the true simulator, in parallel; equal seeds give equal episodes.

    `on_progress` gets episodes finished.
    """
    parts = [tuple(seeds[i : i + _CHUNK]) for i in range(0, len(seeds), _CHUNK)]
    jobs = [
        executor.submit(_run, plant.build, controller, plant.objective, part, parameters)
        for part in parts
    ]
    days: list[Day] = []
    for job in jobs:
        days += job.result()
        if on_progress is not None:
            on_progress(len(days))
    return Visit(
        costs=np.array([day.cost for day in days]),
        telemetry=concatenate([day.telemetry for day in days]),
    )


def _run(
    build: BuildSimulator,
    controller: Controller,
    objective: Objective,
    seeds: tuple[int, ...],
    parameters: dict[str, float] | None,
) -> list[Day]:
    simulator, given = build(), parameters or {}
    return [run_day(simulator, controller, objective, seed, given, given) for seed in seeds]


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitForm:
    """Visits as Parquet and JSON."""

    description: Description
    lineage: dict[str, Any]

    def write(self, folder: Path, value: Visit) -> None:
        """Telemetry and costs side by side."""
        self._rows.write(folder, value.telemetry)
        CostsForm().write(folder, Comparison(costs={_COSTS: value.costs}))

    def read(self, folder: Path) -> Visit:
        """Raises as the two forms do."""
        return Visit(
            costs=CostsForm().read(folder).costs[_COSTS], telemetry=self._rows.read(folder)
        )

    @property
    def _rows(self) -> TransitionsForm:
        return TransitionsForm(description=self.description, lineage=self.lineage)
