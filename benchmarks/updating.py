"""Updates a second of whole training by DQN and SAC: lean RLlib and stock RLlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.figures import Figure, median_figure
from benchmarks.rows import Measurement, Row, per_second
from benchmarks.training_speed import clinic_surrogate
from envs import Environment, Problem, VectorEnvironment
from training.rllib.off_policy_settings import DQNSettings, OffPolicySettings, SACSettings
from training.rllib.session import one_torch_thread, ray_session
from training.rllib.settings import Budget
from training.rllib.stock import train_stock_dqn, train_stock_sac
from training.rllib.train import train_dqn, train_sac

_ALGORITHMS: dict[str, tuple[type[OffPolicySettings], Any, Any]] = {
    "dqn": (DQNSettings, train_dqn, train_stock_dqn),
    "sac": (SACSettings, train_sac, train_stock_sac),
}
_LEAN, _STOCK = "lean", "stock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Updating:
    """DQN and SAC on the flow surrogate of the clinic: the same for both, replay included.

    Networks, environments, steps and updates are equal, and both replays draw uniformly. Rates
    are of whole training, collecting included, without the first iteration.
    """

    episodes: int = 60
    """Simulated, to fit the surrogate."""
    envs: int = 16
    length: int = 4
    batch: int = 256
    updates: int = 32
    """After each collected rollout of `envs` times `length` steps."""
    lean_iterations: int = 30
    stock_iterations: int = 4
    rounds: int = 5

    @classmethod
    def quick(cls) -> Updating:
        """One round of few updates."""
        return cls(episodes=4, batch=32, updates=4, lean_iterations=2, stock_iterations=2, rounds=1)

    def measure(self) -> Iterator[Measurement]:
        """All by turns."""
        problem = clinic_surrogate(self.episodes)
        with ray_session(num_cpus=2), one_torch_thread():
            for number in range(self.rounds):
                for name in _ALGORITHMS:
                    yield self._measurement(name, _LEAN, number, self._lean(problem, name, number))
                    yield self._measurement(
                        name, _STOCK, number, self._stock(problem, name, number)
                    )

    def _measurement(
        self, name: str, who: str, number: int, found: tuple[float, int]
    ) -> Measurement:
        seconds, updates = found
        settings: dict[str, Any] = {"algorithm": name, "what": who, "round": number}
        return Measurement(
            settings=settings | {"envs": self.envs, "batch": self.batch},
            seconds={who: seconds},
            answers={who: {"updates": float(updates)}},
        )

    def _settings(self, name: str, number: int) -> OffPolicySettings:
        return _ALGORITHMS[name][0](
            num_envs=self.envs,
            rollout_length=self.length,
            batch_size=self.batch,
            updates_per_iteration=self.updates,
            learning_starts=self.envs * self.length,
            seed=number,
        )

    def _budget(self, iterations: int) -> Budget:
        return Budget(steps=(iterations + 1) * self.envs * self.length)

    def _lean(self, problem: Problem, name: str, number: int) -> tuple[float, int]:
        make_env = partial(VectorEnvironment, problem)
        budget = self._budget(self.lean_iterations)
        curve = _ALGORITHMS[name][1](make_env, self._settings(name, number), budget).curve
        return curve[-1].seconds - curve[0].seconds, (len(curve) - 1) * self.updates

    def _stock(self, problem: Problem, name: str, number: int) -> tuple[float, int]:
        make_env = partial(Environment, problem)
        budget = self._budget(self.stock_iterations)
        found = _ALGORITHMS[name][2](make_env, self._settings(name, number), budget)
        return found.seconds[-1] - found.seconds[0], found.updates[-1] - found.updates[0]

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """Rates, and how many times as many updates the lean ones make, round by round."""
        found = []
        for name in _ALGORITHMS:
            rates = {
                who: per_second(rows, "updates", algorithm=name, what=who)
                for who in (_LEAN, _STOCK)
            }
            found += [
                median_figure(
                    f"{name}_{who}_updates_per_second",
                    list(rate.values()),
                    unit="1/s",
                    goal="information",
                )
                for who, rate in rates.items()
            ]
            shared = sorted(rates[_LEAN].keys() & rates[_STOCK].keys())
            ratios = [rates[_LEAN][n] / rates[_STOCK][n] for n in shared]
            found.append(median_figure(f"{name}_vs_stock", ratios, unit="ratio", goal=">= 10"))
        return found
