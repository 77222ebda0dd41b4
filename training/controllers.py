"""Trained policies as controllers: they look at states through an observation."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from envs.actions import Actions, find_actions
from envs.masks import Mask, find_mask
from envs.observation import Viewpoint
from envs.sight import first_window, next_window
from sim.errors import SurrogymError
from training.policies import InconsistentNetwork, NetworkPolicy


class MissingMemory(SurrogymError):
    """A policy that looks back was asked about states without the epochs before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyController:
    """Acts greedily by a network on what the observation shows.

    A policy that sees a window of epochs, or has a memory, has to be told where episodes begin:
    whoever runs them asks the seat that `begin` returns, which remembers for these episodes alone.
    The controller itself never changes, so that it can be shared and sent to other processes.
    """

    policy: NetworkPolicy
    observation: Viewpoint
    name: str
    mask: Mask | None = None
    """Among which decisions it chooses; among all where it is None."""
    history: int = 1
    """Epochs that the policy sees at once, as `Problem.history` when it was trained."""

    _actions: Actions | None = field(init=False, repr=False, compare=False)
    """What the policy's decisions mean, where they are not joint choices by number."""

    def __post_init__(self) -> None:
        """Raise InconsistentNetwork where the policy sees more or fewer numbers than are shown."""
        shown = self.history * len(self.observation.names)
        if self.policy.features != shown:
            raise InconsistentNetwork(
                f"policy {self.policy.name!r} sees {self.policy.features} numbers and is shown "
                f"{shown}: give it the observation and the history that it was trained with"
            )
        form, actions = self.policy.head.form, None
        if form != "joint":
            actions = find_actions(form)(self.observation.description)
        object.__setattr__(self, "_actions", actions)

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The network's best choice for each state.

        Raises MissingMemory where the policy looks back.
        """
        if self.looks_back:
            raise MissingMemory(
                f"policy {self.policy.name!r} sees {self.history} epochs at once and remembers "
                f"{self.policy.units} numbers: ask the one that begin(rows) returns at the "
                "beginning of episodes"
            )
        return self.choose(self.observation(states), states)

    def begin(self, rows: int) -> PolicyController | Seat:
        """Who is to be asked in so many episodes that begin now and go on in step."""
        return Seat(self, rows) if self.looks_back else self

    @property
    def looks_back(self) -> bool:
        """Whether it decides by more than the present epoch."""
        return self.history > 1 or self.policy.memory is not None

    def choose(
        self,
        seen: Float32[np.ndarray, "batch observation"],
        states: Float[np.ndarray, "batch state"],
        memory: Float[np.ndarray, "batch units"] | None = None,
    ) -> Int[np.ndarray, "batch"]:
        """Numbers of joint choices by what is seen and was before, of those allowed."""
        acted = self.policy.act(seen, self._allowed(states), memory)
        return acted if self._actions is None else self._actions.choices(acted)

    def _allowed(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Bool[np.ndarray, "batch decision"] | None:
        if self.mask is None:
            return None
        return find_mask(self.mask)(self.observation.description, states)


class Seat:
    """A controller in charge of some episodes, and what it has seen of them."""

    def __init__(self, controller: PolicyController, rows: int) -> None:
        self._controller, self._rows = controller, rows
        self._seen: Float32[np.ndarray, "rows observation"] | None = None
        self._memory = controller.policy.begin(rows)
        self.name = controller.name

    def decide(self, states: Float[np.ndarray, "rows state"]) -> Int[np.ndarray, "rows"]:
        """The choices of the next epoch, of all the episodes: each call is an epoch.

        Raises MissingMemory for another number of states than of episodes.
        """
        if len(states) != self._rows:
            raise MissingMemory(
                f"{len(states)} states for a controller of {self._rows} episodes: ask about all "
                "of them in every epoch"
            )
        now = self._controller.observation(states)
        if self._seen is None:
            self._seen = first_window(now, self._controller.history)
        else:
            self._seen = next_window(self._seen, now)
        choices = self._controller.choose(self._seen, states, self._memory)
        self._memory = self._controller.policy.remember(self._seen, self._memory)
        return choices
