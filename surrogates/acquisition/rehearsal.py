"""Planned episodes played on a surrogate first, to see cheaply where they would lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.description import Description
from sim.epoch import parameter_vector
from sim.simulator import Simulator
from surrogates.dataset import Transitions
from surrogates.design import PlannedEpisode
from surrogates.errors import InvalidDataset
from surrogates.interface import Surrogate
from surrogates.pilot import NO_POLICIES, Pilot, Policies


@dataclass(frozen=True, slots=True, kw_only=True)
class Situations:
    """Questions put to a simulator or to a surrogate, a row each."""

    state: Float[np.ndarray, "row state"]
    decision: Float[np.ndarray, "row lever"]
    parameters: Float[np.ndarray, "row parameter"]
    episode: Int[np.ndarray, "row"]
    """Number of the episode in which a row was met, from 0."""

    def __len__(self) -> int:
        return len(self.state)

    @classmethod
    def of(cls, transitions: Transitions) -> Situations:
        """The questions that were answered in a data set."""
        _, episode = np.unique(transitions.episode, return_inverse=True)
        return cls(
            state=transitions.state,
            decision=transitions.decision,
            parameters=transitions.parameters,
            episode=episode,
        )


def openings_of(
    simulator: Simulator, plans: Sequence[PlannedEpisode]
) -> Float[np.ndarray, "episode state"]:
    """The states in which the episodes will begin; a reset simulates no epoch."""
    return np.array([simulator.reset(plan.seed, plan.parameters) for plan in plans])


def rehearse(
    surrogate: Surrogate,
    plans: Sequence[PlannedEpisode],
    openings: Float[np.ndarray, "episode state"],
    random: np.random.Generator,
    *,
    policies: Policies = NO_POLICIES,
    looks: int = 32,
) -> Situations:
    """Play the episodes side by side and look at up to `looks` epochs of each, drawn at random.

    Who decides meets the same random numbers as on the simulator. A surrogate does not foretell
    that an episode ends early: all are played for as many epochs as the description says.
    """
    if not len(plans):
        raise InvalidDataset("no planned episode to rehearse")
    description = surrogate.description
    pilots = [Pilot(plan, description, policies) for plan in plans]
    given = [parameter_vector(description.parameters, plan.parameters) for plan in plans]
    parameters = np.array(given).reshape(len(plans), len(description.parameters))
    states, met = openings, list[tuple[np.ndarray, np.ndarray]]()
    for is_looked_at in _draw_epochs(description, looks, random):
        decided = [pilot.decide(state) for pilot, state in zip(pilots, states, strict=True)]
        decisions = np.array(decided).reshape(len(plans), len(description.levers))
        if is_looked_at:
            met.append((states, decisions))
        states = surrogate.sample(states, decisions, parameters, random).state
    return Situations(
        state=np.concatenate([state for state, _ in met]),
        decision=np.concatenate([decision for _, decision in met]),
        parameters=np.tile(parameters, (len(met), 1)),
        episode=np.tile(np.arange(len(plans)), len(met)),
    )


def _draw_epochs(
    description: Description, looks: int, random: np.random.Generator
) -> Bool[np.ndarray, "epoch"]:
    """Which epochs are looked at; playing ends with the last of them."""
    chosen = random.permutation(description.epochs)[:looks]
    return np.asarray(np.isin(np.arange(chosen.max() + 1), chosen))
