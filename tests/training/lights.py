"""A row of lights of which only the present one is seen: who remembers is always right."""

from functools import partial

import numpy as np
from jaxtyping import Float, Float32

from envs.objective import Objective
from envs.problem import Problem
from envs.world import SurrogateWorld
from sim.description import Description, Lever
from sim.epoch import Epoch, Quantity
from surrogates.interface import Epochs

EPOCHS = 6
DESCRIPTION = Description(
    name="lights",
    components=(
        Quantity(name="light", unit="1", is_count=False),
        Quantity(name="light_before", unit="1", is_count=False),
    ),
    outputs=(Quantity(name="mistakes", unit="mistakes"),),
    levers=(Lever(name="light_before", levels=(0.0, 1.0), decides="value"),),
    epochs=EPOCHS,
)
OBJECTIVE = Objective.from_costs(DESCRIPTION, {"mistakes": 1.0}, {})
BEST_WITHOUT_MEMORY = (EPOCHS - 1) / 2
"""Mistakes of an episode: the light before is a coin's toss, but in the first epoch the present."""


class Lights:
    """Shows 0 or 1 at random in every epoch; the decision must be what was shown an epoch before.

    At the beginning, that is what is shown then.
    """

    def describe(self) -> Description:
        return DESCRIPTION

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> np.ndarray:
        self._random, self._epoch = np.random.default_rng(seed), 0
        self._state = np.repeat(float(self._random.integers(2)), 2)
        return self._state.copy()

    def advance(self, decision: np.ndarray) -> Epoch:
        mistaken = float(decision[0] != self._state[1])
        self._state = np.array([float(self._random.integers(2)), self._state[0]])
        self._epoch += 1
        return Epoch(
            state=self._state.copy(),
            outputs=np.array([mistaken]),
            duration=1.0,
            is_last=self._epoch == EPOCHS,
        )


class LightsSurrogate:
    """The same as a surrogate, exactly."""

    name = "lights"
    description = DESCRIPTION
    openings = np.array([[0.0, 0.0], [1.0, 1.0]])

    def sample(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        shown = random.integers(2, size=len(states)).astype(float)
        return Epochs(
            state=np.column_stack([shown, states[:, 0]]),
            outputs=(decisions != states[:, 1:]).astype(float),
            duration=np.ones(len(states)),
        )


class PresentLight:
    """Shows the present light alone."""

    description: Description = DESCRIPTION
    names: tuple[str, ...] = ("light",)

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float32[np.ndarray, "batch observation"]:
        return states[:, :1].astype(np.float32)


def lights_problem(*, history: int = 1) -> Problem:
    """Over the surrogate."""
    return Problem(
        build_world=partial(SurrogateWorld, LightsSurrogate()),
        objective=OBJECTIVE,
        observation=PresentLight(),
        cost_unit=1.0,
        history=history,
    )
