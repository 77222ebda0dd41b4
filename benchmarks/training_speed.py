"""Environment steps a second of whole training: lean RLlib, a plain loop, stock RLlib."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, median_figure
from benchmarks.rows import Measurement, Row, steps_per_second
from envs import (
    Environment,
    Objective,
    Problem,
    SurrogateWorld,
    VectorEnvironment,
    viewpoint_of,
)
from sim.adapting import private_copy
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem
from sim.streams import stream
from surrogates.collect import run_episodes
from surrogates.design import plan_episodes
from surrogates.families import fit_family
from training.rllib.session import one_torch_thread, ray_session
from training.rllib.settings import Budget, PPOSettings
from training.rllib.stock import train_stock_ppo
from training.rllib.train import train_ppo

_EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "plain_ppo" / "ppo.py"
_LEAN, _PLAIN, _STOCK = "lean", "plain_loop", "stock_single"


def clinic_surrogate(episodes: int) -> Problem:
    """The clinic on a flow surrogate that was fitted to so many simulated episodes."""
    scenario = load_scenario("clinic")
    build = partial(ServiceSystem, scenario.system())
    description = build().describe()
    seen = run_episodes(build, plan_episodes(description, episodes, seed=1))
    surrogate = fit_family("flow", seen, description, stream(1, "fit"))
    return Problem(
        build_world=partial(SurrogateWorld, surrogate),
        objective=Objective.from_costs(
            description, scenario.costs.outputs, scenario.costs.at_close
        ),
        observation=viewpoint_of(description, description.nominal, seen.state),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSpeed:
    """PPO on the flow surrogate of the clinic: the same network, batches and passes for all.

    The plain loop is the one of the examples, in one file. Stock RLlib has one environment, as
    who follows its documentation would. Rates are of whole training, started up already.
    """

    episodes: int = 60
    """Simulated, to fit the surrogate."""
    envs: int = 256
    length: int = 64
    minibatch: int = 512
    iterations: int = 8
    stock_steps: int = 6_000
    rounds: int = 5

    @classmethod
    def quick(cls) -> TrainingSpeed:
        """One round of few steps."""
        return cls(
            episodes=4, envs=16, length=16, minibatch=64, iterations=2, stock_steps=128, rounds=1
        )

    def measure(self) -> Iterator[Measurement]:
        """The three by turns."""
        problem = clinic_surrogate(self.episodes)
        with ray_session(num_cpus=2), one_torch_thread():
            for number in range(self.rounds):
                for who, contestant in (
                    (_LEAN, self._lean),
                    (_PLAIN, self._plain),
                    (_STOCK, self._stock),
                ):
                    seconds, steps = contestant(problem, number)
                    yield Measurement(
                        settings={"what": who, "round": number, "envs": self.envs},
                        seconds={who: seconds},
                        answers={who: {"steps": float(steps)}},
                    )

    def _settings(self, number: int) -> PPOSettings:
        return PPOSettings(
            num_envs=self.envs,
            rollout_length=self.length,
            minibatch_size=self.minibatch,
            num_epochs=4,
            seed=number,
        )

    def _lean(self, problem: Problem, number: int) -> tuple[float, int]:
        """Without the first iteration, in which everything is started."""
        settings = self._settings(number)
        budget = Budget(steps=(self.iterations + 1) * settings.transitions_per_iteration)
        curve = train_ppo(partial(VectorEnvironment, problem), settings, budget).curve
        return curve[-1].seconds - curve[0].seconds, curve[-1].steps - curve[0].steps

    def _plain(self, problem: Problem, number: int) -> tuple[float, int]:
        loop = private_copy(_EXAMPLE)
        transitions = self.envs * self.length
        settings = loop.Settings(
            updates=self.iterations,
            steps=self.length,
            epochs=4,
            minibatches=transitions // self.minibatch,
            seed=number,
        )
        began = time.perf_counter()
        loop.train(VectorEnvironment(problem, self.envs), settings)
        return time.perf_counter() - began, self.iterations * transitions

    def _stock(self, problem: Problem, number: int) -> tuple[float, int]:
        """In batches of 2,000 steps, that an iteration is over before the benchmark is."""
        length = max(self.stock_steps // 3, self.minibatch)
        settings = replace(self._settings(number), num_envs=1, rollout_length=length)
        budget = Budget(steps=self.stock_steps)
        found = train_stock_ppo(partial(Environment, problem), settings, budget)
        return found.seconds[-1] - found.seconds[0], found.steps[-1] - found.steps[0]

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """Rates, and the ratios of the lean one to the others, round by round."""
        rates = {who: steps_per_second(rows, what=who) for who in (_LEAN, _PLAIN, _STOCK)}
        found = [
            median_figure(
                f"ppo_{who}_steps_per_second", list(rate.values()), unit="1/s", goal="information"
            )
            for who, rate in rates.items()
            if rate
        ]
        for who, goal in ((_PLAIN, ">= 0.9"), (_STOCK, ">= 35")):
            shared = sorted(rates[_LEAN].keys() & rates[who].keys())
            if shared:
                ratios = [rates[_LEAN][n] / rates[who][n] for n in shared]
                found.append(median_figure(f"ppo_vs_{who}", ratios, unit="ratio", goal=goal))
        return found
