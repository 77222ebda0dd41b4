"""What a batch of environments lived through during one round of collection, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from sim.errors import SurrogymError


class MissingDurations(SurrogymError):
    """Time is to be discounted by minutes that nobody told."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memories:
    """What a policy with a memory remembered on the way."""

    before: Float[np.ndarray, "envs units"]
    """Before the first step; all 0 where an episode began."""
    after: Float[np.ndarray, "steps envs units"]
    """After each observation, when it was decided on."""
    after_final: Float[np.ndarray, "ends units"]
    """After what followed each step that ended an episode."""
    after_last: Float[np.ndarray, "envs units"]
    """After what followed the last step."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rollout:
    """`steps` transitions of each of `envs` environments, time first.

    An observation is the one decided on. The observation that follows is in the next step, except
    where an episode ended (`final_observations`) and after the last step (`last_observations`).
    """

    observations: Float[np.ndarray, "steps envs features"]
    """What each decision was taken on."""
    actions: Shaped[np.ndarray, "steps envs *action"]
    """The decisions, as they were drawn: numbers before they were clipped into their box."""
    logits: Float[np.ndarray, "steps envs inputs"]
    """The behaviour policy's unnormalised log probabilities; of numbers, means and deviations."""
    log_probabilities: Float[np.ndarray, "steps envs"]
    """The behaviour policy's log probability of the decision taken."""
    rewards: Float[np.ndarray, "steps envs"]
    """What each decision earned."""
    terminated: Bool[np.ndarray, "steps envs"]
    """Whether the step reached an end after which nothing is earned."""
    truncated: Bool[np.ndarray, "steps envs"]
    """Whether the step was the last one observed, though the world went on."""
    final_observations: Float[np.ndarray, "ends features"]
    """What followed each step that ended an episode, ordered by step, then environment."""
    last_observations: Float[np.ndarray, "envs features"]
    """What followed the last step; of a new episode where the last step ended one."""
    allowed: Bool[np.ndarray, "steps envs decisions"] | None = None
    """Which decisions the environments allowed; None where they told nothing."""
    final_allowed: Bool[np.ndarray, "ends decisions"] | None = None
    """The same for `final_observations`, where `infos["final_info"]` told it."""
    last_allowed: Bool[np.ndarray, "envs decisions"] | None = None
    """The same for `last_observations`."""
    durations: Float[np.ndarray, "steps envs"] | None = None
    """Minutes that each step took; None where the environments told nothing."""
    memories: Memories | None = None
    """What the policy remembered; None of one without a memory."""
    episode_returns: Float[np.ndarray, " ends"]
    """Undiscounted return of each episode that ended here, from its own start."""
    episode_lengths: Int[np.ndarray, " ends"]
    """Steps of each episode that ended here, from its own start."""

    @property
    def ended(self) -> Bool[np.ndarray, "steps envs"]:
        """Whether an episode ended with the step, for either reason."""
        ended: np.ndarray = self.terminated | self.truncated
        return ended

    @property
    def restarts(self) -> Bool[np.ndarray, "steps envs"]:
        """Where an episode begins at a step within the rollout, so that nothing is remembered."""
        restarts = np.zeros_like(self.terminated)
        restarts[1:] = self.ended[:-1]
        return restarts

    def with_memories(self) -> "Rollout":
        """The rollout as the value network sees it: what is remembered beside what is seen."""
        if self.memories is None:
            return self
        m = self.memories
        return replace(
            self,
            observations=np.concatenate([self.observations, m.after], axis=2),
            final_observations=np.concatenate([self.final_observations, m.after_final], axis=1),
            last_observations=np.concatenate([self.last_observations, m.after_last], axis=1),
        )

    def discounts(
        self, discount: float, minutes: float | None
    ) -> float | Float[np.ndarray, "steps envs"]:
        """Weight of what follows each step: `discount` a step, or for so many minutes.

        Raises MissingDurations where minutes are asked for and none were told.
        """
        if minutes is None:
            return discount
        if self.durations is None:
            raise MissingDurations(
                f"discount_minutes={minutes} needs infos['duration'] of every step, which this "
                "environment does not tell"
            )
        return np.power(np.float32(discount), self.durations / np.float32(minutes))

    @property
    def transitions(self) -> int:
        """Environment steps in the rollout."""
        return int(self.rewards.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """How the episodes that ended in one iteration went."""

    episodes: int
    """How many ended."""
    mean: float | None
    """Their mean undiscounted return; None when none ended."""

    @classmethod
    def of(cls, rollouts: Sequence[Rollout]) -> "Returns":
        """The returns of all episodes that ended in these rollouts."""
        ended = np.concatenate([np.empty(0), *(rollout.episode_returns for rollout in rollouts)])
        return cls(episodes=ended.size, mean=float(ended.mean()) if ended.size else None)
