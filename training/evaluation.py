"""Controllers on the true simulator, greedy, under common random numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from envs.objective import Objective
from sim.epoch import Epoch, parameter_vector
from sim.errors import InvalidParameters, InvalidSample
from sim.output import Estimate, mean_interval, paired_interval, paired_ratio
from sim.simulator import Simulator
from sim.streams import stream
from surrogates.dataset import Transitions
from surrogates.pilot import seated
from training.heuristics import Controller

BuildSimulator = Callable[[], Simulator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One episode under one controller: what it cost, and its telemetry."""

    cost: float
    outputs: dict[str, float]
    """Totals over the episode by name."""
    telemetry: Transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Costs of controllers on the same seeds."""

    costs: dict[str, Float[np.ndarray, "day"]]
    """By controller's name, in the order of the seeds."""

    def mean(self, name: str) -> Estimate:
        """Mean cost of an episode with its 95% interval."""
        return mean_interval(self.costs[name])

    def against(
        self, name: str, other: str, random: np.random.Generator, confidence: float = 0.95
    ) -> Estimate:
        """Relative difference of paired mean costs; below 0 says `name` is cheaper."""
        return relative_difference(self.costs[name], self.costs[other], random, confidence)

    def best(self, among: Sequence[str]) -> str:
        """The name with the lowest mean cost."""
        return min(among, key=lambda name: float(self.costs[name].mean()))


def relative_difference(
    costs: Float[np.ndarray, "day"],
    others: Float[np.ndarray, "day"],
    random: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """Difference of paired mean costs relative to the size of the others'; below 0 is cheaper.

    Costs may be negative, where an episode earns money. Where the others' mean may as well be 0,
    their mean absolute cost is the measure.
    """
    try:
        ratio = paired_ratio(costs, others, random, confidence=confidence)
    except InvalidSample:
        size = float(np.abs(others).mean()) or 1.0
        return paired_interval(costs / size, others / size, confidence)
    if others.mean() > 0:
        return ratio
    return replace(ratio, value=-ratio.value, low=-ratio.high, high=-ratio.low)


def run_day(
    simulator: Simulator,
    controller: Controller,
    objective: Objective,
    seed: int,
    parameters: dict[str, float],
    believed: dict[str, float] | None = None,
) -> Day:
    """Run one episode; telemetry is recorded at the believed parameters, nominal by default."""
    description = simulator.describe()
    state, seat = simulator.reset(seed, parameters), seated(controller, 1)
    states, chosen, epochs = [], [], list[Epoch]()
    while not epochs or not epochs[-1].is_last:
        (decision,) = description.levels_of(seat.decide(state[None, :]))
        states.append(state)
        chosen.append(decision)
        epochs.append(simulator.advance(decision))
        state = epochs[-1].state
    rows = len(states)
    belief = parameter_vector(description.parameters, believed)
    telemetry = Transitions(
        state=np.array(states),
        decision=np.array(chosen),
        parameters=np.tile(belief, (rows, 1)),
        next_state=np.array([epoch.state for epoch in epochs]),
        outputs=np.array([epoch.outputs for epoch in epochs]),
        duration=np.array([epoch.duration for epoch in epochs]),
        episode=np.full(rows, seed),
        policy=np.full(rows, controller.name),
    )
    is_last = np.array([epoch.is_last for epoch in epochs])
    costs = objective.cost(telemetry.outputs, telemetry.next_state, is_last)
    totals = dict(
        zip(description.output_names, telemetry.outputs.sum(axis=0).tolist(), strict=True)
    )
    return Day(cost=float(costs.sum()), outputs=totals, telemetry=telemetry)


def run_days(
    build: BuildSimulator,
    controller: Controller,
    objective: Objective,
    seeds: tuple[int, ...],
    parameters: dict[str, float],
) -> list[Day]:
    """Run several episodes on one simulator."""
    simulator = build()
    return [run_day(simulator, controller, objective, seed, parameters) for seed in seeds]


def evaluation_seeds(root: int, days: int, purpose: str) -> tuple[int, ...]:
    """Seeds of evaluation days; a purpose of its own never meets another's days."""
    return tuple(stream(root, "evaluation", purpose).integers(2**31, size=days).tolist())


def compare(
    build: BuildSimulator,
    controllers: Sequence[Controller],
    objective: Objective,
    seeds: tuple[int, ...],
    executor: Executor,
    *,
    parameters: dict[str, float] | None = None,
    chunk: int = 10,
    on_progress: Callable[[int], None] | None = None,
) -> Comparison:
    """Run every controller on every seed, in parallel; `on_progress` gets days finished.

    Raises InvalidParameters for controllers of equal names: costs are told apart by them.
    """
    _refuse_equal_names(controllers)
    parts = [seeds[i : i + chunk] for i in range(0, len(seeds), chunk)]
    jobs = {}
    for controller in controllers:
        for number, part in enumerate(parts):
            job = executor.submit(_costs, build, controller, objective, part, parameters or {})
            jobs[job] = (controller.name, number)
    found: dict[tuple[str, int], list[float]] = {}
    for job in as_completed(jobs):
        found[jobs[job]] = job.result()
        if on_progress is not None:
            on_progress(sum(len(costs) for costs in found.values()))
    return Comparison(
        costs={
            c.name: np.concatenate([found[c.name, number] for number in range(len(parts))])
            for c in controllers
        }
    )


def _refuse_equal_names(controllers: Sequence[Controller]) -> None:
    names = [controller.name for controller in controllers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidParameters(
            f"{', '.join(map(repr, twice))} given more than once among {len(names)} controllers to "
            "compare: give each a name of its own"
        )


def _costs(
    build: BuildSimulator,
    controller: Controller,
    objective: Objective,
    seeds: tuple[int, ...],
    parameters: dict[str, float],
) -> list[float]:
    return [day.cost for day in run_days(build, controller, objective, seeds, parameters)]
