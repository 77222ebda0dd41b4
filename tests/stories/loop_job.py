"""A whole small loop as a program of its own, to be killed.

`python -m tests.stories.loop_job FOLDER` pre-trains on a small centre, watches days in which
service times grow, answers, and then serves another objective. It prints what it came to as JSON;
every step that it does is noted in FOLDER/done.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from envs.objective import Objective
from envs.observation import Observation
from sim.simulator import ServiceSystem
from tests.training.conftest import build_small_centre
from training.drift import DetectorSettings, StructureSettings
from training.journal import Journal, Step
from training.loop import (
    LoopSettings,
    PretrainSettings,
    RetrainingLoop,
    RetrainSettings,
    WatchSettings,
)
from training.loop.visits import visit
from training.plant import Plant
from training.rllib.session import RayExecutor, ray_session
from training.rllib.settings import Budget, PPOSettings

PPO = PPOSettings(
    hidden=(16,),
    num_envs=64,
    rollout_length=8,
    minibatch_size=128,
    discount=1.0,
    learning_rate=5e-3,
)
TUNING = replace(PPO, num_envs=4, minibatch_size=32, num_env_runners=1)
SETTINGS = LoopSettings(
    pretraining=PretrainSettings(
        episodes=32, ppo=PPO, budget=Budget(steps=6_000), rounds=1, visits=16, imagined=64
    ),
    retraining=RetrainSettings(
        ppo=PPO,
        budget=Budget(steps=8_000),
        tuning=TUNING,
        tuning_budget=Budget(steps=160),
        gate_episodes=16,
    ),
    watching=WatchSettings(
        detector=DetectorSettings(run_length=100.0, resamples=4, chains=20),
        in_control_days=30,
        refining_days=10,
        structure=StructureSettings(points=20, spans=(1,)),
    ),
)
DAYS = 6
COSTS = {"call_wait": 0.05, "call_abandoned": 3.0, "case_wait": 0.02}


def main(folder: Path) -> None:
    """Run the loop, or go on with it."""
    system = build_small_centre()
    build = partial(ServiceSystem, system)
    description = build().describe()
    plant = Plant(
        build=build,
        objective=Objective.from_costs(description, COSTS, {}),
        observation=Observation(description=description, parameters=description.nominal),
        cost_unit=100.0,
    )

    def note(step: Step) -> None:
        if not step.was_there:
            with (folder / "done").open("a") as file:
                file.write(f"{step.name}\n")

    with ray_session(2), RayExecutor() as executor:
        loop = RetrainingLoop(plant, SETTINGS, Journal(folder / "loop", hear=note), executor)
        for day in range(DAYS):
            seen = visit(plant, loop.controller, (70 + day,), executor, {"handle_time_scale": 1.3})
            beliefs = np.tile(loop.incumbent.beliefs, (len(seen.telemetry), 1))
            telemetry = replace(seen.telemetry, parameters=beliefs)
            if not loop.responses:
                loop.observe(f"day {day}", telemetry)
            if loop.watch.has_alarm:
                loop.respond()
        if len(loop.responses) < 2:
            loop.want(Objective.from_costs(description, {"case_wait": 1.0}, {}))
        print(json.dumps(told(loop)))


def told(loop: RetrainingLoop) -> dict[str, object]:
    """What two runs of the same job must agree on."""
    return {
        "policies": _print(loop.incumbent.policy.to_tensors()),
        "beliefs": loop.incumbent.beliefs.tolist(),
        "reasons": [r.retrained.reason for r in loop.responses if r.retrained is not None],
    }


def _print(tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
