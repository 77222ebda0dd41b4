"""Rollouts as rows to replay: what was decided, earned, and followed some steps later."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped
from ray.rllib.core.columns import Columns

from training.rllib.batched_runner import MASK, UnsupportedEnvironment
from training.rllib.rollout import Rollout

WEIGHT = "weight_of_what_follows"
ALLOWED, ALLOWED_NEXT = "allowed", "allowed_next"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Experience:
    """Transitions in rows that do not depend on each other."""

    observations: Float[np.ndarray, "rows features"]
    """What each decision was taken on."""
    actions: Shaped[np.ndarray, "rows *action"]
    """The decisions; numbers as they are drawn, from -1 to 1."""
    rewards: Float[np.ndarray, " rows"]
    """What was earned from the decision to what follows, discounted."""
    following: Float[np.ndarray, "rows features"]
    """The observation some steps later: the last one of the episode where that ended before."""
    weights: Float[np.ndarray, " rows"]
    """Weight of what is earned after that: its discount; 0 where nothing can be."""
    allowed: Bool[np.ndarray, "rows decisions"] | None
    """Which decisions were allowed; None where the environments told nothing."""
    allowed_following: Bool[np.ndarray, "rows decisions"] | None
    """The same for `following`; all of them where nothing is decided any more."""

    def __len__(self) -> int:
        return len(self.rewards)

    def to_columns(self) -> dict[str, np.ndarray]:
        """By RLlib's name of each column, where it has one."""
        columns = {
            Columns.OBS: self.observations,
            Columns.ACTIONS: self.actions,
            Columns.REWARDS: self.rewards,
            Columns.NEXT_OBS: self.following,
            WEIGHT: self.weights,
        }
        if self.allowed is not None and self.allowed_following is not None:
            columns |= {ALLOWED: self.allowed, ALLOWED_NEXT: self.allowed_following}
        return columns


@dataclass(slots=True)
class Joiner:
    """Joins the steps of one runner's rollouts over `n_step` steps, never past an episode's end.

    Between rollouts it holds back the last `n_step - 1` steps of each environment, until what
    they earn is known. Weights are by step or, with `discount_minutes`, by duration.
    """

    n_step: int
    discount: float
    discount_minutes: float | None
    _held: "Steps | None" = None

    def join(self, rollout: Rollout) -> Experience | None:
        """What can be told by now; None when the rollouts so far are too short.

        Raises MissingDurations as `Rollout.discounts`, and UnsupportedEnvironment where a mask
        of a truncated episode's last observation is needed and was not told.
        """
        steps = to_steps(rollout, self.discount, self.discount_minutes)
        if self._held is not None:
            steps = self._held.followed_by(steps)
        ready = len(steps.rewards) - (self.n_step - 1)
        self._held = steps.since(max(ready, 0))
        return sum_ahead(steps, self.n_step) if ready > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """Single steps, time first, each with what truly followed it."""

    observations: Float[np.ndarray, "steps envs features"]
    actions: Shaped[np.ndarray, "steps envs *action"]
    rewards: Float[np.ndarray, "steps envs"]
    following: Float[np.ndarray, "steps envs features"]
    weights: Float[np.ndarray, "steps envs"]
    ended: Bool[np.ndarray, "steps envs"]
    allowed: Bool[np.ndarray, "steps envs decisions"] | None
    allowed_following: Bool[np.ndarray, "steps envs decisions"] | None

    def followed_by(self, later: "Steps") -> "Steps":
        """These steps and later ones of the same environments."""
        parts = {name: [array, getattr(later, name)] for name, array in self._arrays().items()}
        return self._with({name: np.concatenate(pair) for name, pair in parts.items()})

    def since(self, step: int) -> "Steps":
        """The steps from one on."""
        return self._with({name: array[step:].copy() for name, array in self._arrays().items()})

    def _arrays(self) -> dict[str, np.ndarray]:
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in every.items() if array is not None}

    def _with(self, arrays: dict[str, np.ndarray]) -> "Steps":
        told: dict[str, Any] = {"allowed": None, "allowed_following": None}
        return Steps(**(told | arrays))


def to_steps(rollout: Rollout, discount: float, minutes: float | None) -> Steps:
    """A rollout's steps. At an end the final observation follows, not that after the reset."""
    following = np.concatenate([rollout.observations[1:], rollout.last_observations[None]])
    following[rollout.ended] = rollout.final_observations
    weights = np.broadcast_to(
        np.float32(rollout.discounts(discount, minutes)), rollout.rewards.shape
    )
    return Steps(
        observations=rollout.observations,
        actions=rollout.actions,
        rewards=rollout.rewards,
        following=following,
        weights=np.where(rollout.terminated, np.float32(0.0), weights),
        ended=rollout.ended,
        allowed=rollout.allowed,
        allowed_following=_allowed_following(rollout),
    )


def sum_ahead(steps: Steps, n_step: int) -> Experience:
    """Every step that has `n_step - 1` after it, with what was earned over all of them.

    A sum ends with its episode: then fewer steps are in it, and its weight says how it ended.
    """
    count, envs = len(steps.rewards) - (n_step - 1), steps.rewards.shape[1]
    rewards, weights = steps.rewards[:count].copy(), steps.weights[:count].copy()
    last = np.tile(np.arange(count)[:, None], envs)
    goes_on = ~steps.ended[:count]
    for ahead in range(1, n_step):
        later = slice(ahead, count + ahead)
        rewards += np.where(goes_on, weights * steps.rewards[later], np.float32(0.0))
        weights = np.where(goes_on, weights * steps.weights[later], weights)
        last += goes_on
        goes_on &= ~steps.ended[later]
    ends = (last, np.arange(envs))
    allowed_following = steps.allowed_following
    return Experience(
        observations=_rows(steps.observations[:count]),
        actions=_rows(steps.actions[:count]),
        rewards=_rows(rewards),
        following=_rows(steps.following[ends]),
        weights=_rows(weights),
        allowed=None if steps.allowed is None else _rows(steps.allowed[:count]),
        allowed_following=None if allowed_following is None else _rows(allowed_following[ends]),
    )


def _allowed_following(rollout: Rollout) -> np.ndarray | None:
    if rollout.allowed is None or rollout.last_allowed is None:
        return None
    following = np.concatenate([rollout.allowed[1:], rollout.last_allowed[None]])
    finals = rollout.final_allowed
    if finals is not None:
        following[rollout.ended] = finals
        return following
    if (rollout.truncated & ~rollout.terminated).any():
        raise UnsupportedEnvironment(
            f"an episode was truncated without infos['final_info'][{MASK!r}]: what is allowed at "
            "its last observation must be told, because the value of that is learned from"
        )
    following[rollout.ended] = True
    return following


def _rows(array: np.ndarray) -> np.ndarray:
    """Steps and environments, one after another."""
    return array.reshape(-1, *array.shape[2:])
