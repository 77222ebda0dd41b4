"""How many environment steps a second each surrogate family takes, and how long it takes to fit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.figures import Figure, median_figure
from benchmarks.pairs import one_core
from benchmarks.rows import Measurement, Row, Setting, steps_per_second
from benchmarks.workloads import BankDay, bank_recipe
from envs import Objective, Observation, Problem, SurrogateWorld, VectorEnvironment
from sim.description import SystemDescription
from sim.simulator import Simulator
from sim.streams import stream
from surrogates.collect import run_episode, run_episodes
from surrogates.dataset import Transitions
from surrogates.design import PlannedEpisode, plan_episodes
from surrogates.families import FAMILIES, fit_family
from surrogates.interface import Surrogate

_STEPS = {"flow": ">= 1000000", "ensemble": ">= 300000", "gp": ">= 100000"}
"""By family, the environment steps a second asked of it."""
_FITS = {"flow": "<= 30", "gp": "<= 90"}
"""By family, the most seconds for a fit to 50,000 epochs."""
_RATIOS = {40: "information", 200: ">= 10000", 1000: ">= 50000"}
"""By agents on duty, how many times faster than the simulator the flow surrogate is to be."""
_FITTED_FEW = 5_000
"""Epochs for families of which only the steps are asked: the speed of a step is that of any fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSteps:
    """Whole environment steps on the bank, on one core.

    A step is world, mask, objective, observation and new episodes. A surrogate's step costs the
    same however large the system is, so that one speed stands against days of the simulator of
    every size.
    """

    batch: int = 4096
    epochs: int = 50_000
    rounds: int = 7
    steps: int = 100
    """Steps of the whole batch in a round."""
    agents: tuple[int, ...] = tuple(_RATIOS)

    @classmethod
    def quick(cls) -> EnvironmentSteps:
        """One round of a small batch on a few days."""
        return cls(batch=64, epochs=280, rounds=1, steps=3, agents=(40,))

    def measure(self) -> Iterator[Measurement]:
        """Fit each family that there is, then step it by turns with the simulator."""
        build = bank_recipe()
        description = build().describe()
        assert isinstance(description, SystemDescription)
        days = -(-self.epochs // description.epochs)
        seen = run_episodes(build, plan_episodes(description, days, seed=1))
        fitted: dict[str, Surrogate] = {}
        for family in (name for name in _STEPS if name in FAMILIES):
            rows = seen.take(
                np.arange(self.epochs if family in _FITS else _FITTED_FEW)[: len(seen)]
            )
            fitted[family], measurement = self._fit(family, rows, description)
            yield measurement
        with one_core():
            for number in range(self.rounds):
                for family, surrogate in fitted.items():
                    yield self._step(family, surrogate, description, number)
                for agents in self.agents:
                    yield self._simulate(agents, number)

    def _fit(
        self, family: str, rows: Transitions, description: SystemDescription
    ) -> tuple[Surrogate, Measurement]:
        began = time.perf_counter()
        surrogate = fit_family(family, rows, description, stream(1, "fit"))
        took = time.perf_counter() - began
        settings: dict[str, Setting] = {"what": "fit", "family": family, "epochs": len(rows)}
        return surrogate, Measurement(settings=settings, seconds={family: took})

    def _step(
        self, family: str, surrogate: Surrogate, description: SystemDescription, number: int
    ) -> Measurement:
        environment = VectorEnvironment(_problem(surrogate, description), self.batch)
        random = stream(number, "choices")
        environment.reset(seed=number)
        choices = random.integers(len(description.decisions), size=(self.steps, self.batch))
        environment.step(choices[0])
        began = time.perf_counter()
        for chosen in choices:
            environment.step(chosen)
        return Measurement(
            settings={"what": "steps", "family": family, "batch": self.batch, "round": number},
            seconds={family: time.perf_counter() - began},
            answers={family: {"steps": float(self.steps * self.batch)}},
        )

    def _simulate(self, agents: int, number: int) -> Measurement:
        """A day of the simulator at this size; its epochs are environment steps too."""
        day = BankDay.bundled(float(agents))
        plan = PlannedEpisode(seed=number + 1, parameters=day.parameters, behaviour="restless")
        simulator: Simulator = day.recipe()
        began = time.perf_counter()
        epochs = len(run_episode(simulator, plan))
        return Measurement(
            settings={"what": "simulator", "agents": agents, "round": number},
            seconds={"simulator": time.perf_counter() - began},
            answers={"simulator": {"steps": float(epochs)}},
        )

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """Steps a second, the ratio to the simulator round by round, and seconds to fit."""
        found = []
        for family, goal in _STEPS.items():
            speeds = list(steps_per_second(rows, what="steps", family=family).values())
            if speeds:
                name = f"{family}_env_steps_per_second"
                found.append(median_figure(name, speeds, unit="1/s", goal=goal))
        flow = steps_per_second(rows, what="steps", family="flow")
        for agents, goal in _RATIOS.items():
            simulated = steps_per_second(rows, what="simulator", agents=agents)
            ratios = [flow[r] / speed for r, speed in simulated.items() if r in flow]
            if ratios:
                name = f"flow_vs_simpy_bank_{agents}"
                found.append(median_figure(name, ratios, unit="ratio", goal=goal))
        for family, goal in _FITS.items():
            took = [r.seconds[family] for r in rows if r.has(what="fit", family=family)]
            if took:
                found.append(median_figure(f"{family}_fit_seconds_50k", took, unit="s", goal=goal))
        return found


def _problem(surrogate: Surrogate, description: SystemDescription) -> Problem:
    costs = bank_recipe().scenario.costs
    return Problem(
        build_world=lambda copies: SurrogateWorld(surrogate, copies),
        objective=Objective.from_costs(description, costs.outputs, costs.at_close),
        observation=Observation(description=description, parameters=description.nominal),
        mask="feasible",
    )
