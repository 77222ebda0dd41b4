"""How much cheaper a policy looks in the surrogate it was trained on than it is.

A policy learns whatever pays, a surrogate's errors among it. The gap of a policy that never saw the
surrogate is its error; what a trained policy's gap is more than that is exploitation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Cost in the simulator less cost in the surrogate, as a share of the first: what it hides."""

    value: float
    """Above 0 the surrogate promises too much."""
    low: float
    high: float
    simulated: float
    imagined: float
    """Mean costs of an episode."""
    simulated_episodes: int
    imagined_episodes: int


def optimism(
    simulated: Float[np.ndarray, "day"],
    imagined: Float[np.ndarray, "episode"],
    random: np.random.Generator,
    resamples: int = 2000,
) -> Gap:
    """The gap of one policy from costs of episodes in both worlds, with a bootstrap over both.

    Costs may be negative, where episodes earn money: the size of their mean is the unit then.
    """
    true, dreamt = _resampled(simulated, resamples, random), _resampled(imagined, resamples, random)
    return _gap(simulated, imagined, true, dreamt)


def paired_optimism(
    simulated: Float[np.ndarray, "day"],
    imagined: Float[np.ndarray, "day"],
    random: np.random.Generator,
    resamples: int = 2000,
) -> Gap:
    """The same where day by day the parameters are those of the other world's day.

    Days come in pairs, one after the other, that have the same parameters: they are drawn together.
    """
    first = 2 * random.integers(len(simulated) // 2, size=(resamples, len(simulated) // 2))
    days = np.concatenate([first, first + 1], axis=1)
    return _gap(simulated, imagined, simulated[days].mean(axis=1), imagined[days].mean(axis=1))


def _gap(
    simulated: Float[np.ndarray, "day"],
    imagined: Float[np.ndarray, "episode"],
    true: Float[np.ndarray, "resample"],
    dreamt: Float[np.ndarray, "resample"],
) -> Gap:
    """From the costs of episodes and the means of their resamples in both worlds."""
    low, high = np.quantile(_hidden(true, dreamt), [0.025, 0.975])
    return Gap(
        value=float(_hidden(*(costs.mean(keepdims=True) for costs in (simulated, imagined)))[0]),
        low=float(low),
        high=float(high),
        simulated=float(simulated.mean()),
        imagined=float(imagined.mean()),
        simulated_episodes=len(simulated),
        imagined_episodes=len(imagined),
    )


def _hidden(
    true: Float[np.ndarray, "resample"], dreamt: Float[np.ndarray, "resample"]
) -> Float[np.ndarray, "resample"]:
    """The difference as a share of the true mean's size; itself where that is 0.

    Each resample is shared by its own mean: that the true mean is not known either is a part of
    what is not known of the share.
    """
    size = np.abs(true)
    return np.asarray((true - dreamt) / np.where(size > 0.0, size, 1.0))


def _resampled(
    values: Float[np.ndarray, "value"], resamples: int, random: np.random.Generator
) -> Float[np.ndarray, "resample"]:
    """Means of resamples."""
    means = [
        values[random.integers(len(values), size=len(values))].mean() for _ in range(resamples)
    ]
    return np.array(means)
