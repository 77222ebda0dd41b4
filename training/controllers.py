"""Trained policies as controllers: they look at states through an observation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from envs.masks import Mask, find_mask
from envs.observation import Viewpoint
from training.policies import NetworkPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyController:
    """Acts greedily by a network on what the observation shows."""

    policy: NetworkPolicy
    observation: Viewpoint
    name: str
    mask: Mask | None = None
    """Among which decisions it chooses; among all where it is None."""

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The network's best choice for each state."""
        allowed = None
        if self.mask is not None:
            allowed = find_mask(self.mask)(self.observation.description, states)
        return self.policy.act(self.observation(states), allowed)
