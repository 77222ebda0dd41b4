"""Many copies of a decision problem as one natively batched gymnasium environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Bool, Float, Int, Shaped

from envs.actions import refuse_misshapen
from envs.masks import find_mask
from envs.problem import Problem, Rollouts, Step
from envs.sight import Observations, Sight, observation_space
from sim.errors import InvalidDecision, SurrogymError, suggestion
from sim.streams import stream

Answer = tuple[
    Observations,
    Float[np.ndarray, "batch"],
    Bool[np.ndarray, "batch"],
    Bool[np.ndarray, "batch"],
    dict[str, Any],
]
"""Observations, rewards, terminated, truncated, infos."""


class InvalidReset(SurrogymError):
    """A reset of rows that are not there, or in a mode that there is not."""


class VectorEnvironment(VectorEnv[Observations, Shaped[np.ndarray, "batch *action"], Any]):
    """A `gymnasium.vector.VectorEnv` that begins ended rows again as its mode says.

    - SAME_STEP: in the same step. The last observation is in `infos["final_obs"]`, where
      `infos["_final_obs"]` is true, and what was told of the last epoch in `infos["final_info"]`.
    - NEXT_STEP: in the next step, which ignores the row's action and earns it nothing.
    - DISABLED: by the caller, `reset(options={"reset_mask": ended})`, before the next step.

    `infos` has for each row the epoch's `cost` in money and `duration` in minutes, and as the
    problem says `penalty` and `action_mask`; under the same names with an underscore, which rows
    they are told for. In SAME_STEP they are told of the ended rows' last epoch too, where gymnasium
    has them in `final_info` only; the mask is always that of the observation beside it.
    """

    def __init__(
        self,
        problem: Problem,
        num_envs: int,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ) -> None:
        mode = _mode(autoreset_mode)
        self._rollouts = Rollouts(problem, num_envs)
        self._sight = Sight(self._rollouts)
        self._random = stream(0, "environment")
        self._ended = np.ones(num_envs, dtype=bool)
        self._every = np.ones(num_envs, dtype=bool)
        self._every.flags.writeable = False
        self._step = {
            AutoresetMode.SAME_STEP: self._step_and_begin,
            AutoresetMode.NEXT_STEP: self._step_or_begin,
            AutoresetMode.DISABLED: self._step_only,
        }[mode]
        self.num_envs = num_envs
        self.metadata = {"render_modes": [], "autoreset_mode": mode}
        self.single_action_space = self._rollouts.actions.space
        self.single_observation_space = observation_space(problem)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)

    @property
    def states(self) -> Float[np.ndarray, "batch state"]:
        """The states of the rows now, for rules that decide from them."""
        return self._rollouts.states

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode in every row, or in those of `options["reset_mask"]`.

        The rows share one stream made from the first seed. Raises InvalidReset for a mask that is
        not one bool for each row, or that has no row.
        """
        first = seed[0] if isinstance(seed, list) else seed
        super().reset(seed=first)
        if first is not None:
            self._random = stream(first, "environment")
        asked = None if options is None else options.get("reset_mask")
        self._begin(self._every if asked is None else _checked(asked, self.num_envs))
        return self._sight.seen, self._masked({})

    def step(self, actions: Shaped[np.ndarray, "batch *action"]) -> Answer:
        """Apply one action in each row for one epoch.

        Raises InvalidDecision where rows that ended wait for the caller's reset, and for an action
        that there is not.
        """
        told = np.asarray(actions)
        refuse_misshapen(told, self.action_space)
        return self._step(told)

    def _step_and_begin(self, actions: Shaped[np.ndarray, "batch *action"]) -> Answer:
        seen, rewards, is_last, is_cut, infos = self._step_only(actions)
        ended = self._ended
        if ended.any():
            last: dict[str, Any] = {"final_obs": seen, "_final_obs": ended}
            last |= {"final_info": dict(infos), "_final_info": ended}
            self._begin(ended)
            infos = self._masked(infos) | last
        return self._sight.seen, rewards, is_last, is_cut, infos

    def _step_only(self, actions: Shaped[np.ndarray, "batch *action"]) -> Answer:
        if self._ended.any():
            rows = np.flatnonzero(self._ended)[:5].tolist()
            raise InvalidDecision(
                f"no episode goes on in {int(self._ended.sum())} rows, such as {rows}: call "
                "reset() first, of these rows alone with options={'reset_mask': ...}"
            )
        step = self._rollouts.step(actions, self._random)
        self._sight.follow()
        self._ended = step.is_last | step.is_cut
        infos = self._masked(self._told(step, None))
        return self._sight.seen, step.rewards, step.is_last, step.is_cut, infos

    def _step_or_begin(self, actions: Shaped[np.ndarray, "batch *action"]) -> Answer:
        waiting = self._ended
        if not waiting.any():
            return self._step_only(actions)
        rewards = np.zeros(self.num_envs)
        is_last, is_cut = np.zeros((2, self.num_envs), dtype=bool)
        infos: dict[str, Any] = {}
        rows = np.flatnonzero(~waiting)
        self._begin(waiting)
        if len(rows):
            step = self._rollouts.step(actions[rows], self._random, rows)
            self._sight.follow(rows)
            rewards[rows], is_last[rows], is_cut[rows] = step.rewards, step.is_last, step.is_cut
            infos = self._told(step, rows)
        self._ended = is_last | is_cut
        return self._sight.seen, rewards, is_last, is_cut, self._masked(infos)

    def _begin(self, chosen: Bool[np.ndarray, "batch"]) -> None:
        rows = np.flatnonzero(chosen)
        self._rollouts.begin(rows, self._random)
        self._sight.begin(rows)
        self._ended = self._ended & ~chosen

    def _told(self, step: Step, rows: Int[np.ndarray, "rows"] | None) -> dict[str, Any]:
        """What there is to tell of a step of every row, or of the given ones."""
        infos: dict[str, Any] = {}
        for name, values in self._rollouts.facts(step).items():
            infos[name], infos[f"_{name}"] = values, self._every
            if rows is not None:
                infos[name], infos[f"_{name}"] = np.zeros(self.num_envs), ~self._every
                infos[name][rows], infos[f"_{name}"][rows] = values, True
        return infos

    def _masked(self, infos: dict[str, Any]) -> dict[str, Any]:
        mask = self._rollouts.problem.mask
        if mask is not None:
            allowed = find_mask(mask)(self._rollouts.world.description, self._rollouts.states)
            infos |= {"action_mask": allowed, "_action_mask": self._every}
        return infos


def _mode(given: AutoresetMode | str) -> AutoresetMode:
    if isinstance(given, AutoresetMode):
        return given
    known = {mode.value: mode for mode in AutoresetMode}
    if given not in known:
        raise InvalidReset(f"no autoreset mode {given!r}{suggestion(given, known)}")
    return known[given]


def _checked(mask: Any, rows: int) -> Bool[np.ndarray, "batch"]:
    if not (isinstance(mask, np.ndarray) and mask.shape == (rows,) and mask.dtype == np.bool_):
        raise InvalidReset(f"reset_mask {mask!r}: give an array of {rows} bools")
    if not mask.any():
        raise InvalidReset("reset_mask asks for no row: leave the reset out")
    return mask
