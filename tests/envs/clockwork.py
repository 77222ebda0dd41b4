"""A world without chance: what it answers can be worked out by hand."""

from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np

from envs.objective import Objective
from envs.observation import PlainObservation
from envs.problem import Problem
from envs.world import SimulatedWorld
from sim.description import Description, Lever
from sim.epoch import Epoch, Parameter, Quantity
from surrogates.interface import Epochs

DESCRIPTION = Description(
    name="clockwork",
    components=(Quantity(name="wound", unit="turns"), Quantity(name="ticks", unit="ticks")),
    outputs=(
        Quantity(name="turns", unit="turns"),
        Quantity(name="strikes", unit="strikes"),
    ),
    levers=(Lever(name="wind", levels=(0.0, 1.0, 2.0), decides="value"),),
    parameters=(Parameter(name="gear", unit="factor", low=1.0, high=3.0, nominal=1.0),),
    epochs=5,
)
COSTS = {"turns": 1.0, "strikes": 10.0}


class Clockwork:
    """Wound up by the decision, times the gear; it stops when wound six turns, or in epoch five.

    It strikes when wound an even number of turns, and an epoch lasts a minute for each tick.
    """

    def describe(self) -> Description:
        return DESCRIPTION

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> np.ndarray:
        self._gear = (parameters or {}).get("gear", 1.0)
        self._state = np.zeros(2)
        return self._state.copy()

    def advance(self, decision: np.ndarray) -> Epoch:
        turns = decision[0] * self._gear
        self._state = self._state + np.array([turns, 1.0])
        return Epoch(
            state=self._state.copy(),
            outputs=np.array([turns, float(self._state[0] % 2 == 0)]),
            duration=float(self._state[1]),
            is_last=bool(self._state[0] >= 6 or self._state[1] >= 5),
        )


class ClockworkSurrogate:
    """The same clockwork as a surrogate; it does not stop early, and doubts in turns wound.

    As a set of possible worlds it has three: in world k every turn counts k + 1 fold.
    """

    name = "clockwork"
    description = DESCRIPTION
    openings = np.zeros((1, 2))
    count = 3

    def sample(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        return self._answer(states, decisions[:, 0] * parameters[:, 0])

    def doubt(
        self, states: np.ndarray, decisions: np.ndarray, parameters: np.ndarray
    ) -> np.ndarray:
        return np.asarray(states[:, 0] + decisions[:, 0])

    def score(
        self, states: np.ndarray, decisions: np.ndarray, parameters: np.ndarray
    ) -> np.ndarray:
        """Support: all of it at rest, none from four turns on."""
        return np.asarray(np.clip(1.0 - (states[:, 0] + decisions[:, 0]) / 4.0, 0.0, 1.0))

    @staticmethod
    def _answer(states: np.ndarray, turns: np.ndarray) -> Epochs:
        following = states + np.column_stack([turns, np.ones(len(turns))])
        strikes = (following[:, 0] % 2 == 0).astype(float)
        return Epochs(
            state=following,
            outputs=np.column_stack([turns, strikes]),
            duration=following[:, 1].copy(),
        )


class ClockworkWorlds(ClockworkSurrogate):
    """Function draws of the clockwork."""

    def sample(  # type: ignore[override]
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        which: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        return self._answer(states, decisions[:, 0] * parameters[:, 0] * (which + 1))


OBSERVATION = PlainObservation(description=DESCRIPTION, centre=np.zeros(2), width=np.ones(2))


class ManyDials(Clockwork):
    """The same, wound by the first of twelve dials of ten levels: 10 ** 12 joint choices."""

    costs: ClassVar = COSTS

    def describe(self) -> Description:
        dials = tuple(
            Lever(name=f"dial_{k}", levels=tuple(map(float, range(10))), decides="value")
            for k in range(12)
        )
        return replace(DESCRIPTION, levers=dials)


def clockwork_problem(**changes: object) -> Problem:
    """Over the simulator, with the square roots of the two numbers as observation."""
    given = {
        "build_world": partial(SimulatedWorld, Clockwork),
        "objective": Objective.from_costs(DESCRIPTION, COSTS, {}),
        "observation": OBSERVATION,
        "cost_unit": 1.0,
    }
    return Problem(**{**given, **changes})  # type: ignore[arg-type]
