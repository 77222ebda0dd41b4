"""What a challenger would have done on days as they came, without touching them.

From the states of the real day both policies go on in imagination, on the surrogate at what is
believed, with the same random numbers. What the surrogate gets wrong it gets wrong for both, but
not equally: the gate's episodes on the true simulator are the evidence, and this only adds to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from envs.objective import Objective
from service.jobs.subject import subject_of
from service.models.artefacts import policy_of
from service.monitors.telemetry import to_transitions
from service.monitors.watched import Shadowed
from sim.epoch import parameter_vector
from sim.streams import stream
from surrogates.interface import Surrogate
from surrogates.pilot import seated
from surrogates.storage import load_artefact, load_as_learnt
from training.controllers import PolicyController
from training.heuristics import Controller
from training.policies import NetworkPolicy

_STATES, _EPOCHS, _COPIES = 32, 64, 32
"""States of a day from which is imagined, for how long, and how often."""


def compare_day(shadowed: Shadowed, day: int, contents: list[dict[str, Any]]) -> dict[str, float]:
    """Share of a day's decisions that differ, and the imagined cost of an epoch under each."""
    subject = subject_of(shadowed.reference)
    beliefs = parameter_vector(subject.description.parameters, dict(shadowed.beliefs))
    wanted = shadowed.objective or {}
    plant = subject.wanting(wanted.get("costs"), wanted.get("costs_at_close")).believing(beliefs)
    in_charge, challenger = (
        plant.controller(_policy(folder, subject.description.name))
        for folder in (shadowed.policy, shadowed.challenger)
    )
    surrogate = _surrogate(shadowed.reference, shadowed.surrogate)
    states = to_transitions(contents, day, beliefs, "in charge").state
    imagined = _Imagined(plant.objective, surrogate, beliefs, states)
    return {
        "differs": float((_decided(in_charge, states) != _decided(challenger, states)).mean()),
        "in_charge": imagined.cost(in_charge, day),
        "challenger": imagined.cost(challenger, day),
    }


@lru_cache(maxsize=4)
def _surrogate(reference: str, folder: Path) -> Surrogate:
    """Kept for the next day: it takes longer to load than a day to imagine."""
    return load_as_learnt(folder, subject_of(reference).description)


def _policy(folder: Path, system: str) -> NetworkPolicy:
    return policy_of(load_artefact(folder, kind="policy", system=system))


@dataclass(frozen=True, slots=True)
class _Imagined:
    """Epochs that might have followed the states of a day."""

    objective: Objective
    surrogate: Surrogate
    beliefs: Float[np.ndarray, "parameter"]
    states: Float[np.ndarray, "epoch state"]

    def cost(self, controller: Controller, day: int) -> float:
        """Mean cost of an epoch; the same random numbers whoever is in charge."""
        length = len(self.states)
        begun = np.repeat(_spread(length), _COPIES)
        state, left = self.states[begun], length - begun
        parameters = np.tile(self.beliefs, (len(begun), 1))
        random, seat = stream(day, "shadow"), seated(controller, len(begun))
        total, epochs = 0.0, 0
        for number in range(min(length, _EPOCHS)):
            goes_on = number < left
            levels = self.surrogate.description.levels_of(seat.decide(state))
            answer = self.surrogate.sample(state, levels, parameters, random)
            costs = self.objective.cost(answer.outputs, answer.state, _ends(number, left))
            total += float(costs[goes_on].sum())
            epochs += int(goes_on.sum())
            state = answer.state
        return total / epochs


def _spread(length: int) -> Int[np.ndarray, "state"]:
    """Epochs of a day from which is imagined, evenly over it."""
    count = min(length, _STATES)
    return np.linspace(0, length - 1, count).round().astype(int)


def _ends(number: int, left: Int[np.ndarray, "row"]) -> Bool[np.ndarray, "row"]:
    return np.asarray(number == left - 1)


def _decided(
    controller: PolicyController, states: Float[np.ndarray, "epoch state"]
) -> Int[np.ndarray, "epoch"]:
    """What it would have decided in each state of a day."""
    if not controller.looks_back:
        return controller.decide(states)
    seat = seated(controller, 1)
    return np.concatenate([seat.decide(state[None, :]) for state in states])
