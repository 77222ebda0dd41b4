"""Actions as they arrive, held against the action space and made small for the log."""

from __future__ import annotations

import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from service.sessions.refusal import Refused

_UNSIGNED = (np.uint8, np.uint16, np.uint32)


class Moves:
    """The actions of one session: one environment's, or a row for each of a batch."""

    def __init__(self, single: gymnasium.Space[Any], num_envs: int | None) -> None:
        rows = () if num_envs is None else (num_envs,)
        self.shape = (*rows, *(single.shape or ()))
        self._choices = int(single.n) if isinstance(single, Discrete) else 0
        """Of an action that is one whole number."""
        if isinstance(single, Box):
            self.is_whole, self._sizes = False, None
            self._small: np.dtype[Any] = np.dtype(np.float32)
            self._played = np.dtype(single.dtype)
        else:
            assert isinstance(single, Discrete | MultiDiscrete)
            self.is_whole = True
            self._sizes = single.nvec if isinstance(single, MultiDiscrete) else np.asarray(single.n)
            self._small = np.dtype(_smallest(int(self._sizes.max())))
            self._played = np.dtype(np.int64)
        self._is_one_choice = self.is_whole and self.shape == ()

    def checked(self, given: Any) -> bytes:
        """The actions as they are logged; raises Refused for any that the space has not."""
        if type(given) is int and self._is_one_choice and 0 <= given < self._choices:
            return given.to_bytes(self._small.itemsize, sys.byteorder)
        return self._array(given).tobytes()

    def _array(self, given: Any) -> np.ndarray:
        try:
            actions = np.asarray(given)
        except ValueError as error:
            raise Refused("invalid_action", f"rows of unequal length: give {self.shape}") from error
        if actions.shape != self.shape:
            raise Refused("invalid_action", f"shape {actions.shape}: give {self.shape}")
        if self.is_whole:
            return self._checked_choices(actions)
        if actions.dtype.kind not in "fiu":
            raise Refused("invalid_action", "give numbers")
        with np.errstate(over="ignore"):
            small = np.ascontiguousarray(actions, dtype=self._small)
        if not np.isfinite(small).all():
            raise Refused("invalid_action", f"give finite numbers, as {self._small} has them")
        return small

    def _checked_choices(self, actions: np.ndarray) -> np.ndarray:
        if actions.dtype.kind not in "iu":
            raise Refused("invalid_action", f"{actions.dtype} where whole numbers are chosen")
        if (actions < 0).any() or (actions >= self._sizes).any():
            sizes = np.unique(np.asarray(self._sizes)).tolist()
            raise Refused("invalid_action", f"choose from 0 to below {sizes}")
        return np.ascontiguousarray(actions, dtype=self._small)

    def played(self, logged: bytes) -> Any:
        """Actions that were logged, as the environment takes them."""
        if self._is_one_choice:
            return np.int64(int.from_bytes(logged, sys.byteorder))
        return np.frombuffer(logged, dtype=self._small).reshape(self.shape).astype(self._played)


def _smallest(choices: int) -> type[np.unsignedinteger[Any]]:
    """The narrowest type that has every choice."""
    return next(kind for kind in _UNSIGNED if choices - 1 <= np.iinfo(kind).max)
