"""The ways to a policy by true simulators alone, from nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from envs.environment import Environment
from experiments.plants import HasCompiled, Place
from experiments.racing.checkpoints import Recorder, Timeline
from experiments.time_to_policy.practice import direct, practice
from sim.errors import InvalidSystem
from training.plant import Environments
from training.policies import NetworkPolicy
from training.rllib.settings import Budget
from training.rllib.stock import train_stock_ppo
from training.rllib.train import train_ppo

STOCK, LEAN = "simulator, stock RLlib", "simulator, our RLlib"
COMPILED = "compiled simulator"


def on_simulator(ground: Place, seconds: float, seed: int) -> Timeline:
    """Our PPO on the true simulator: short rollouts on every core."""
    settings = direct(ground.plant, seed)
    recorder = Recorder(0.0, 0, epochs_each=settings.transitions_per_iteration)
    train_ppo(
        Environments(problem=ground.plant.true()),
        settings,
        Budget(seconds=seconds),
        evaluate=recorder,
        evaluate_every=1,
        name=LEAN,
    )
    return recorder.timeline


def by_stock_rllib(ground: Place, seconds: float, seed: int) -> Timeline:
    """RLlib's own PPO as it comes, one environment a runner, a runner a core."""
    recorder = Recorder(0.0, 0)

    def hear(policy: NetworkPolicy, steps: int, _: float) -> bool:
        recorder.hear(policy, steps)
        return False

    train_stock_ppo(
        partial(Environment, ground.plant.true()),
        direct(ground.plant, seed),
        Budget(seconds=seconds),
        on_policy=hear,
        name=STOCK,
    )
    return recorder.timeline


def on_compiled(ground: Place, seconds: float, seed: int) -> Timeline:
    """PPO as on a surrogate, on an exact simulator in machine code.

    Raises InvalidSystem for a system that has none.
    """
    if not isinstance(ground, HasCompiled):
        raise InvalidSystem(f"{ground.name} has no compiled simulator")
    settings = practice(ground.plant, seed)
    recorder = Recorder(0.0, 0, epochs_each=settings.transitions_per_iteration)
    train_ppo(
        Environments(problem=ground.plant.imagined(ground.compiled)),
        settings,
        Budget(seconds=seconds),
        evaluate=recorder,
        evaluate_every=1,
        name=COMPILED,
    )
    return recorder.timeline


Direct = Callable[[Place, float, int], Timeline]
DIRECT: dict[str, Direct] = {
    STOCK: by_stock_rllib,
    LEAN: on_simulator,
    COMPILED: on_compiled,
}
