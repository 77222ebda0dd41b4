"""Policies that follow a rule until they know better (residual policy learning).

The first decision of the network is to do what the rule says, the others are to overrule it. Before
any training it follows the rule with a chance as near to 1 as is wished, so that learning starts at
the rule's cost, not at that of chance, and explores around it. Adding a learnt correction to a rule
is the idea of Silver et al. (2018) and Johannink et al. (2019) for continuous control; where
decisions are discrete the correction is an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Float, Int

from envs.observation import Viewpoint
from envs.sight import Observations
from envs.vector import Answer, VectorEnvironment
from training.heuristics import Controller
from training.policies import InconsistentNetwork, NetworkPolicy

FOLLOW = 0
"""The network's decision to do what the rule says; decision k above it is joint choice k - 1."""


class ExceptionEnvironment(VectorEnv[Observations, Int[np.ndarray, "batch"], Any]):
    """A batched environment that is decided by a rule unless the learner makes an exception.

    Masks are not passed on: they speak of the environment's decisions, not of a rule's.
    """

    def __init__(self, environment: VectorEnvironment, rule: Controller) -> None:
        self._environment, self._rule = environment, rule
        self.num_envs = environment.num_envs
        self.metadata = environment.metadata
        choices = cast("gymnasium.spaces.Discrete[Any]", environment.single_action_space).n
        self.single_action_space = gymnasium.spaces.Discrete(int(choices) + 1)
        self.single_observation_space = environment.single_observation_space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = environment.observation_space

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin episodes, as the environment does."""
        seen, infos = self._environment.reset(seed=seed, options=options)
        return seen, _unmasked(infos)

    def step(self, actions: Int[np.ndarray, "batch"]) -> Answer:
        """Do what the rule says where the action is to follow it, else the choice one below."""
        chosen = np.asarray(actions)
        choices = overruled(self._rule, self._environment.states, chosen)
        seen, rewards, terminated, truncated, infos = self._environment.step(choices)
        return seen, rewards, terminated, truncated, _unmasked(infos)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionController:
    """A rule and a trained network that may overrule it, acting greedily with numpy alone."""

    rule: Controller
    policy: NetworkPolicy
    observation: Viewpoint
    name: str

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The rule's choice for each state, or the network's where it makes an exception."""
        return overruled(self.rule, states, self.policy.act(self.observation(states)))

    def exceptions(self, states: Float[np.ndarray, "batch state"]) -> float:
        """The share of these states in which something else is done than the rule says."""
        return float((self.decide(states) != self.rule.decide(states)).mean())


def _unmasked(infos: dict[str, Any]) -> dict[str, Any]:
    return {name: told for name, told in infos.items() if not name.endswith("action_mask")}


def overruled(
    rule: Controller, states: Float[np.ndarray, "batch state"], actions: Int[np.ndarray, "batch"]
) -> Int[np.ndarray, "batch"]:
    """Joint choices: the rule's where an action is to follow it, the action's own elsewhere."""
    return np.where(actions == FOLLOW, rule.decide(states), actions - 1)


def follower(
    features: int,
    choices: int,
    random: np.random.Generator,
    *,
    hidden: tuple[int, ...] = (64, 64),
    faith: float = 0.9,
) -> NetworkPolicy:
    """A network that follows the rule everywhere, with chance `faith` while it explores.

    Its last layer is zero but for the bias of following, so that nothing of the observation counts
    yet; hidden layers are drawn anew.
    """
    if not 0.0 < faith < 1.0:
        raise InconsistentNetwork(f"faith {faith}: a chance between 0 and 1")
    widths = (features, *hidden)
    weights = [
        random.normal(0.0, before**-0.5, size=(after, before)).astype(np.float32)
        for before, after in pairwise(widths)
    ]
    biases = [np.zeros(width, dtype=np.float32) for width in hidden]
    last = np.zeros(choices + 1, dtype=np.float32)
    last[FOLLOW] = np.log(faith * choices / (1.0 - faith))
    return NetworkPolicy(
        name="follower",
        weights=(*weights, np.zeros((choices + 1, widths[-1]), dtype=np.float32)),
        biases=(*biases, last),
    )
