"""Where to simulate next: doubt, weighted by how much one will go there, relieved the most.

A surrogate is asked for some purpose: to train and to compare policies under some parameters.
`matters` are planned episodes that stand for that purpose. They and the candidates are rehearsed
on the present surrogate; each situation that matters has a doubt, and a candidate is worth as much
of the summed squared doubt as seeing its situations would take away (the criterion of Cohn 1996,
with a whole episode as the experiment). Picked candidates count as seen, so that the next pick
looks elsewhere. Doubt that chance alone causes is nobody's to relieve and is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from sim.simulator import Simulator
from surrogates.acquisition.rehearsal import Situations, openings_of, rehearse
from surrogates.acquisition.terrain import Terrain, TerrainSettings, Unknown
from surrogates.dataset import Transitions
from surrogates.design import PlannedEpisode
from surrogates.errors import InvalidDataset
from surrogates.interface import SupportsDoubt, Surrogate
from surrogates.pilot import NO_POLICIES, Policies


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionSettings:
    """How closely candidates are looked at."""

    looks: int = 32
    """Epochs of a rehearsed episode that are looked at, at most."""
    terrain: TerrainSettings = field(default_factory=TerrainSettings)
    """How much one situation is believed to tell of another."""


def choose_episodes(
    surrogate: Surrogate,
    simulator: Simulator,
    seen: Transitions,
    candidates: Sequence[PlannedEpisode],
    matters: Sequence[PlannedEpisode],
    count: int,
    random: np.random.Generator,
    *,
    policies: Policies = NO_POLICIES,
    settings: AcquisitionSettings | None = None,
) -> tuple[PlannedEpisode, ...]:
    """The `count` candidates to run, the most useful first.

    The simulator is only reset, to learn how episodes open. Where the surrogate tells no doubt,
    what the data leave open stands in for it. Raises InvalidDataset for too few candidates.
    """
    if not 1 <= count <= len(candidates):
        raise InvalidDataset(f"{count} of {len(candidates)} candidates: at least 1, at most all")
    settings = settings or AcquisitionSettings()

    def play(plans: Sequence[PlannedEpisode]) -> Situations:
        openings = openings_of(simulator, plans)
        return rehearse(surrogate, plans, openings, random, policies=policies, looks=settings.looks)

    wanted, offered, known = play(matters), play(candidates), Situations.of(seen)
    terrain = Terrain(surrogate.description, (wanted, offered), settings.terrain, random)
    unknown = Unknown.given(terrain.features(known), known.episode, settings.terrain)
    weight = weigh(surrogate, wanted, terrain.features(wanted), unknown)
    features = terrain.features(offered)
    episodes = [features[offered.episode == number] for number in range(len(candidates))]
    return tuple(candidates[number] for number in pick(episodes, weight, unknown, count))


def weigh(
    surrogate: Surrogate,
    wanted: Situations,
    features: Float[np.ndarray, "row feature"],
    unknown: Unknown,
) -> Float[np.ndarray, "feature feature"]:
    """Second moments of what matters, each row with its squared doubt over its open variance."""
    share = np.full(len(wanted), 1.0 / len(wanted))
    if isinstance(surrogate, SupportsDoubt):
        doubt = surrogate.doubt(wanted.state, wanted.decision, wanted.parameters)
        share *= doubt**2 / unknown.variance(features)
    return np.asarray(features.T @ (share[:, None] * features))


def pick(
    episodes: Sequence[Float[np.ndarray, "_ feature"]],
    weight: Float[np.ndarray, "feature feature"],
    unknown: Unknown,
    count: int,
) -> list[int]:
    """Greedily the numbers of the episodes that relieve most, each given those before it.

    `unknown` has seen them afterwards. What an episode relieves hardly ever grows when another is
    seen, so only the one at the head of the list is looked at again (Minoux 1978).
    """
    promised = np.array([unknown.relief(rows, weight) for rows in episodes])
    chosen: list[int] = []
    while len(chosen) < count:
        best = int(promised.argmax())
        promised[best] = unknown.relief(episodes[best], weight)
        if promised[best] >= promised.max():
            unknown.see(episodes[best])
            promised[best] = -np.inf
            chosen.append(best)
    return chosen
