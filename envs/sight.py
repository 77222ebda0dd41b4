"""What the copies of a problem see: the observation of the present, or of a window of epochs."""

from __future__ import annotations

import gymnasium
import numpy as np
from jaxtyping import Float32, Int

from envs.conditioning import ToldViewpoint
from envs.problem import Problem, Rollouts

Observations = Float32[np.ndarray, "batch observation"]


class Sight:
    """The eyes of rollouts; they have to be told of every beginning and of every step.

    A window has the oldest epoch first. At the beginning of an episode it shows the first
    observation all over.
    """

    def __init__(self, rollouts: Rollouts) -> None:
        self._rollouts = rollouts
        self._epochs = rollouts.problem.history
        observation = rollouts.problem.observation
        self._told = observation if isinstance(observation, ToldViewpoint) else None
        width = len(observation.names)
        self.seen = np.zeros((rollouts.copies, self._epochs * width), dtype=np.float32)
        """What is seen now. A new array after every change: one that was given away stays."""

    def begin(self, rows: Int[np.ndarray, "rows"]) -> None:
        """Forget what was before the episodes that begin in the given rows."""
        first = first_window(self._look(rows), self._epochs)
        self.seen = self.seen.copy()
        self.seen[rows] = first

    def follow(self, rows: Int[np.ndarray, "rows"] | None = None) -> None:
        """Look again, after a step of every row or of the given ones."""
        chosen = slice(None) if rows is None else rows
        now = self._look(chosen)
        if self._epochs > 1:
            now = next_window(self.seen[chosen], now)
        if rows is None:
            self.seen = now
        else:
            self.seen = self.seen.copy()
            self.seen[rows] = now

    def _look(self, chosen: slice | Int[np.ndarray, "rows"]) -> Observations:
        rollouts = self._rollouts
        states = rollouts.states[chosen]
        if self._told is None:
            return rollouts.problem.observation(states)
        return self._told.told(states, rollouts.world.parameters[chosen], rollouts.numbers[chosen])


def first_window(now: Observations, epochs: int) -> Float32[np.ndarray, "batch window"]:
    """The first observation all over, as there was nothing before."""
    return np.tile(now, (1, epochs))


def next_window(
    seen: Float32[np.ndarray, "batch window"], now: Observations
) -> Float32[np.ndarray, "batch window"]:
    """The window an epoch later: without its oldest epoch, with the present one at its end."""
    return np.concatenate([seen[:, now.shape[1] :], now], axis=1)


def seen_names(problem: Problem) -> tuple[str, ...]:
    """Names of all numbers that are seen, in order."""
    ago = reversed(range(problem.history))
    return tuple(
        f"{name}_{k}_ago" if k else name for k in ago for name in problem.observation.names
    )


def observation_space(problem: Problem) -> gymnasium.spaces.Box:
    """One number for each observed name. Counts have no bound but that of their type."""
    most = np.finfo(np.float32).max
    shape = (problem.history * len(problem.observation.names),)
    return gymnasium.spaces.Box(-most, most, shape=shape, dtype=np.float32)
