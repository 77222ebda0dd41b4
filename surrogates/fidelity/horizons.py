"""Many epochs ahead: how far the surrogate's distribution drifts from the simulator's.

Two batches of the simulator, under the same parameters and policies from other seeds, are apart as
well; what they are apart by chance is the noise floor, below which no difference can be seen. The
surrogate begins where the first batch began and is compared with the second, so that a perfect
one is as far from it as the first batch is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.description import Description
from surrogates.fidelity.cells import cells_of
from surrogates.fidelity.episodes import Episodes
from surrogates.scores import Scorable

_MOST_HORIZONS = 40
_SMALLEST_SPREAD = 0.2
"""Smallest spread at one horizon that is a unit, as a share of the spread over all horizons."""
_FEWEST_EPISODES = 12
"""Episodes below which a cell's distances are nothing but noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far apart, in standard deviations of the simulator, and how far by chance alone."""

    value: float
    chance: float
    """Mean distance between two batches of the simulator."""
    floor: float
    """95% of such pairs of batches are nearer to each other than this."""

    @property
    def excess(self) -> float:
        """Distance beyond what chance explains on average."""
        return self.value - self.chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizons:
    """Distances between the marginal distributions at each horizon, meaned over quantities.

    A quantity counts for the mean at a horizon where it was not the same in every episode of all
    batches: nobody can miss it there, and it would hide how far away the others are.
    """

    episodes: int
    epochs: tuple[int, ...]
    overall: tuple[Distance, ...]
    """At each horizon."""
    by_quantity: dict[str, tuple[Distance, ...]]
    cells: dict[str, tuple[Distance, ...]]

    def place(self, epoch: int) -> int:
        """Position of the last horizon up to an epoch."""
        return max(0, int(np.searchsorted(self.epochs, epoch, side="right")) - 1)


def chosen_horizons(epochs: int) -> Int[np.ndarray, "horizon"]:
    """Horizons to look at: all of a short episode; of a long one ever sparser ones to its end."""
    if epochs <= _MOST_HORIZONS:
        return np.arange(1, epochs + 1)
    return np.unique(np.geomspace(1, epochs, _MOST_HORIZONS).round().astype(int))


def horizon_distances(
    description: Description,
    horizons: Int[np.ndarray, "horizon"],
    imagined: Episodes,
    first: Episodes,
    second: Episodes,
    parameters: Float[np.ndarray, "episode parameter"],
    random: np.random.Generator,
    swaps: int = 200,
) -> Horizons:
    """Compare imagined episodes with two simulated batches, all of the same episodes asked for.

    Chance is measured by swapping episodes of the two batches at random: each such pair of
    batches is as likely as the one that was seen.
    """
    names, dreamt = _quantities(description, imagined)
    (_, one), (_, other) = _quantities(description, first), _quantities(description, second)
    values, chance, varies = _distances(dreamt, one, other, random, swaps)
    cells = {
        name: _overall(*_distances(dreamt[rows], one[rows], other[rows], random, swaps))
        for name, rows in cells_of(description, parameters)
        if rows.sum() >= _FEWEST_EPISODES
    }
    return Horizons(
        episodes=len(dreamt),
        epochs=tuple(horizons.tolist()),
        overall=_overall(values, chance, varies),
        by_quantity={name: _told(values[:, i], chance[:, :, i]) for i, name in enumerate(names)},
        cells=cells,
    )


def _quantities(
    description: Description, episodes: Episodes
) -> tuple[tuple[str, ...], Float[np.ndarray, "episode horizon quantity"]]:
    """Components at the horizon and outputs summed up to it, but for what is sure or repeated."""
    scored = Scorable.of(description)
    components = [i for n, i in enumerate(scored.states) if n in scored.counted]
    totals = [
        i for n, i in enumerate(scored.outputs, start=len(scored.states)) if n in scored.counted
    ]
    named = [description.state_names[i] for i in components]
    named += [f"{description.output_names[i]} (total)" for i in totals]
    columns = [episodes.states[:, :, components], episodes.totals[:, :, totals]]
    return tuple(named), np.concatenate(columns, axis=2)


def _distances(
    imagined: Float[np.ndarray, "episode horizon quantity"],
    first: Float[np.ndarray, "episode horizon quantity"],
    second: Float[np.ndarray, "episode horizon quantity"],
    random: np.random.Generator,
    swaps: int,
) -> tuple[
    Float[np.ndarray, "horizon quantity"],
    Float[np.ndarray, "swap horizon quantity"],
    Bool[np.ndarray, "horizon quantity"],
]:
    """Distances of the surrogate, and of pairs of batches that chance might have given.

    And which quantities differ at all, in any of the three batches.
    """
    both = np.concatenate([first, second])
    # A number that is nearly sure at one moment of the day would else count for all others there.
    deviation = np.maximum(both.std(axis=0), _SMALLEST_SPREAD * both.std(axis=(0, 1)))
    scale = np.where(deviation > 1e-9, deviation, 1.0)
    chance = []
    for _ in range(swaps):
        swapped = random.random(len(first))[:, None, None] < 0.5
        chance.append(
            _apart(np.where(swapped, second, first), np.where(swapped, first, second)) / scale
        )
    varies = np.ptp(np.concatenate([imagined, both]), axis=0) > 1e-9
    return _apart(imagined, second) / scale, np.array(chance), varies


def _apart(
    left: Float[np.ndarray, "episode horizon quantity"],
    right: Float[np.ndarray, "episode horizon quantity"],
) -> Float[np.ndarray, "horizon quantity"]:
    """Wasserstein-1 distances of the marginals: batches are of one size, so ranks are matched."""
    return np.asarray(np.abs(np.sort(left, axis=0) - np.sort(right, axis=0)).mean(axis=0))


def _overall(
    values: Float[np.ndarray, "horizon quantity"],
    chance: Float[np.ndarray, "swap horizon quantity"],
    varies: Bool[np.ndarray, "horizon quantity"],
) -> tuple[Distance, ...]:
    # What never varies is nowhere apart, so that it adds nothing to the sums.
    count = np.maximum(1, varies.sum(axis=1))
    return _told(values.sum(axis=1) / count, chance.sum(axis=2) / count)


def _told(
    values: Float[np.ndarray, "horizon"], chance: Float[np.ndarray, "swap horizon"]
) -> tuple[Distance, ...]:
    floors = np.quantile(chance, 0.95, axis=0)
    return tuple(
        Distance(value=float(value), chance=float(mean), floor=float(floor))
        for value, mean, floor in zip(values, chance.mean(axis=0), floors, strict=True)
    )
