"""A learnt policy near home and a rule far out, where nobody has been.

Queues have no bound, and a network's answer to a queue longer than it ever saw is a guess. If it
guesses wrong the system may never come back. Liu, Xie and Modiano (2019, RL-QN) therefore let a
rule that is known to be stable decide outside a bounded region.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from envs.presence import presence_of
from sim.description import SystemDescription
from training.heuristics import Controller


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilisedController:
    """Decides by `inner` while no class has more than its limit present, else by `rule`."""

    inner: Controller
    rule: Controller
    description: SystemDescription
    limits: Float[np.ndarray, "kind"]
    """Customers present by class, such as the most that data show."""
    name: str

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The choice for each state."""
        is_far = (states @ presence_of(self.description).T > self.limits).any(axis=1)
        choices = self.inner.decide(states)
        if is_far.any():
            choices = np.where(is_far, self.rule.decide(states), choices)
        return choices
