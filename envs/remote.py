"""Environments that a service steps, as gymnasium's `Env` and `VectorEnv`.

They keep the contract of local ones (`envs.contract`), so that a learner cannot tell them apart. A
failure of the service, the network or a simulator is an exception, never a reward.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from envs.remote_stream import Form, RemoteProblem, RemoteSession, ServiceGone

__all__ = ["RemoteEnv", "RemoteProblem", "RemoteVectorEnv", "ServiceGone"]

Observations = np.ndarray


class RemoteEnv(gymnasium.Env[Observations, Any]):
    """One environment on a service.

    `order` has the keywords of `POST /v1/sessions`: `world`, `seed`, `parameters`, `objective`,
    `actions`, `mask`, `history`, `idle_seconds`. With a `session_id` it goes on with a session that
    is there, and leaves it there when it is closed.
    """

    def __init__(
        self,
        url: str,
        env: str | None = None,
        *,
        key: str | None = None,
        session_id: str | None = None,
        form: Form = "msgpack",
        patience_seconds: float = 60.0,
        **order: Any,
    ) -> None:
        self.session = RemoteSession(
            url,
            {"env": env, **order},
            key=key,
            session_id=session_id,
            form=form,
            patience_seconds=patience_seconds,
        )
        self._closing = weakref.finalize(self, self.session.close)
        self.metadata = {"render_modes": []}
        self.observation_space = _space(self.session.view["observation_space"])
        self.action_space = _space(self.session.view["action_space"])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode; the same seed begins the same one."""
        super().reset(seed=seed)
        reply = self.session.ask({"type": "reset", "seed": _whole(seed)})
        return _seen(reply), _info(reply["info"])

    def step(self, action: Any) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """Apply an action for one epoch."""
        reply = self.session.ask({"type": "step", "action": _plain(action)})
        ends = reply["terminated"], reply["truncated"]
        return _seen(reply), float(reply["reward"]), *ends, _info(reply["info"])

    def close(self) -> None:
        """End the session, if it was made here."""
        self._closing()


class RemoteVectorEnv(VectorEnv[Observations, Observations, Any]):
    """A batch of environments on a service, stepped in one message.

    Beside `step` there are `send` and `receive`, with which several steps may be under way: as many
    as `session.view["credit"]`.
    """

    def __init__(
        self,
        url: str,
        env: str | None = None,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        key: str | None = None,
        session_id: str | None = None,
        form: Form = "msgpack",
        patience_seconds: float = 60.0,
        **order: Any,
    ) -> None:
        mode = AutoresetMode(autoreset_mode)
        self.session = RemoteSession(
            url,
            {"env": env, "num_envs": num_envs, "autoreset_mode": mode.value, **order},
            key=key,
            session_id=session_id,
            form=form,
            patience_seconds=patience_seconds,
        )
        self._closing = weakref.finalize(self, self.session.close)
        view = self.session.view
        self.num_envs = int(view["num_envs"])
        self.metadata = {
            "render_modes": [],
            "autoreset_mode": AutoresetMode(view["autoreset_mode"]),
        }
        self.single_observation_space = _space(view["observation_space"])
        self.single_action_space = _space(view["action_space"])
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode in every row, or in those of `options["reset_mask"]`."""
        first = seed[0] if isinstance(seed, list) else seed
        super().reset(seed=first)
        command: dict[str, Any] = {"type": "reset", "seed": _whole(first)}
        mask = None if options is None else options.get("reset_mask")
        if mask is not None:
            command["reset_mask"] = np.asarray(mask)
        reply = self.session.ask(command)
        return _seen(reply), _info(reply["info"])

    def step(
        self, actions: Any
    ) -> tuple[Observations, Observations, Observations, Observations, dict[str, Any]]:
        """Apply one action in each row for one epoch."""
        self.send(actions)
        return self.receive()

    def send(self, actions: Any) -> None:
        """Ask for a step without waiting for it."""
        self.session.send({"type": "step", "action": np.asarray(actions)})

    def receive(
        self,
    ) -> tuple[Observations, Observations, Observations, Observations, dict[str, Any]]:
        """What the oldest step under way gave."""
        reply = self.session.receive()
        rewards = np.asarray(reply["reward"], dtype=float)
        terminated = np.asarray(reply["terminated"], dtype=bool)
        truncated = np.asarray(reply["truncated"], dtype=bool)
        return _seen(reply), rewards, terminated, truncated, _info(reply["info"])

    def close_extras(self, **kwargs: Any) -> None:
        """End the session, if it was made here."""
        self._closing()


def _space(record: Mapping[str, Any]) -> gymnasium.Space[Any]:
    if record["type"] == "Discrete":
        return Discrete(record["n"])
    if record["type"] == "MultiDiscrete":
        return MultiDiscrete(record["nvec"])
    dtype, shape = np.dtype(record["dtype"]), tuple(record["shape"])
    low, high = (np.broadcast_to(np.array(record[k], dtype), shape) for k in ("low", "high"))
    return Box(low, high, shape, dtype.type)


def _seen(reply: Mapping[str, Any]) -> Observations:
    return np.asarray(reply["observation"], dtype=np.float32)


def _info(told: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON told in lists, as arrays."""
    return {name: _value(name, value) for name, value in told.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _info(value)
    if isinstance(value, list):
        return np.array(value, dtype=np.float32 if name == "final_obs" else None)
    return value


def _plain(action: Any) -> Any:
    """A number as a number, a row as an array."""
    return action.item() if np.ndim(action) == 0 and hasattr(action, "item") else action


def _whole(seed: int | None) -> int | None:
    return None if seed is None else int(seed)
