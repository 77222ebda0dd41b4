"""A scenario served by OpenEnv, as its documentation says: one class, its own app, uvicorn."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import uvicorn
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State

from envs.registration import make_environment
from training.rllib.session import one_torch_thread


class Decision(Action):
    """Which of the joint choices."""

    choice: int


class Seen(Observation):
    """What the system shows."""

    values: list[float]


class Served(Environment):
    """The true simulator; each session has its own."""

    SUPPORTS_CONCURRENT_SESSIONS = True
    scenario: str

    def __init__(self) -> None:
        super().__init__()
        self._environment = make_environment(self.scenario)
        self._state = State()

    def reset(self, seed: int | None = None, **_: Any) -> Seen:
        """Begin an episode."""
        values, _info = self._environment.reset(seed=seed)
        self._state = State()
        return Seen(values=values.tolist())

    def step(self, action: Decision, **_: Any) -> Seen:
        """Take a decision."""
        values, reward, terminated, truncated, _info = self._environment.step(
            np.int64(action.choice)
        )
        self._state.step_count += 1
        return Seen(values=values.tolist(), reward=float(reward), done=terminated or truncated)

    @property
    def state(self) -> State:
        """How far the episode is."""
        return self._state


def main() -> None:
    """Serve the scenario of the second argument on the port of the first."""
    Served.scenario = sys.argv[2]
    app = create_fastapi_app(Served, Decision, Seen, max_concurrent_envs=128)
    with one_torch_thread():
        uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)


if __name__ == "__main__":
    main()
