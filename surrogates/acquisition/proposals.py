"""Episodes that could be run, and episodes that stand for what a surrogate is wanted for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sim.description import Description
from sim.streams import stream
from surrogates.design import BEHAVIOURS, PlannedEpisode, latin_hypercube, within_box
from surrogates.errors import InvalidDataset

CURRENT = "current"
"""Name of the policy that is trained on the surrogate, among the policies of a plan."""
_SLIPS = (0.1, 0.3, 0.5)
"""Shares of epochs in which a decision is replaced by chance: whoever decides by a rule all day
tells little of what each decision does."""


def propose_episodes(
    description: Description,
    count: int,
    seed: int,
    *,
    policies: Sequence[str] = (),
    nominal_share: float = 0.2,
) -> tuple[PlannedEpisode, ...]:
    """Candidates: behaviours and policies, each from the opening or from somewhere in the day.

    A Latin hypercube spreads the parameters, a share stays nominal; all slip, a little or more.
    Half of the episodes begin with the current policy, where there is one, and change hands at an
    epoch of their own: that is how a start in a state of its choosing is had.
    """
    random = stream(seed, "proposals")
    names = _dealt((*BEHAVIOURS, *policies), count, random)
    starts = random.integers(1, max(2, description.epochs), size=count)
    has_lead = (random.random(count) < 0.5) & (CURRENT in policies) & (description.epochs > 1)
    points = _spread(description, count, nominal_share, random)
    slips = random.choice(_SLIPS, size=count)
    seeds = random.integers(2**31, size=count)
    return tuple(
        PlannedEpisode(
            seed=int(seeds[i]),
            parameters=description.parameter_values(points[i]),
            behaviour=names[i],
            start=int(starts[i]) if has_lead[i] else 0,
            lead=CURRENT if has_lead[i] else "",
            slips=float(slips[i]),
        )
        for i in range(count)
    )


def plan_purpose(
    description: Description,
    deciders: Sequence[str],
    count: int,
    seed: int,
    *,
    nominal_share: float = 0.5,
) -> tuple[PlannedEpisode, ...]:
    """Episodes that matter: the deciders in turn, a share of them where the system is today.

    A decider listed twice matters twice as much.
    """
    if not deciders:
        raise InvalidDataset("nobody decides: name a behaviour or a policy that matters")
    random = stream(seed, "purpose")
    names = _dealt(deciders, count, random)
    points = _spread(description, count, nominal_share, random)
    seeds = random.integers(2**31, size=count)
    return tuple(
        PlannedEpisode(
            seed=int(seeds[i]),
            parameters=description.parameter_values(points[i]),
            behaviour=names[i],
        )
        for i in range(count)
    )


def _dealt(names: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """The names as evenly as they go round, in random order."""
    return [names[i] for i in random.permutation(np.arange(count) % len(names))]


def _spread(
    description: Description, count: int, nominal_share: float, random: np.random.Generator
) -> Float[np.ndarray, "episode parameter"]:
    points = latin_hypercube(len(description.parameters), count, random)
    values = within_box(description, points)
    values[random.permutation(count) < round(nominal_share * count)] = description.nominal
    return values
