"""What central intervals cover, and how much of that may be the luck of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from surrogates.scores import LEVELS, Foretold, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Share of outcomes within a central interval, those left out that every draw equals."""

    share: float
    error: float
    """Its standard error, epochs of one episode taken together, for they err alike; at least that
    of as many independent outcomes of a right law."""


def covered(
    foretold: Foretold, pit: Float[np.ndarray, "row quantity"], episodes: Int[np.ndarray, "row"]
) -> dict[str, Covered]:
    """What the intervals cover of all counted quantities together, by their percentage."""
    columns, told_apart = foretold.counted, foretold.told_apart
    return _covered(pit[:, columns], told_apart[:, columns], episodes)


def covered_singly(
    foretold: Foretold, pit: Float[np.ndarray, "row quantity"], episodes: Int[np.ndarray, "row"]
) -> dict[str, dict[str, Covered]]:
    """The same of each counted quantity. One that every draw of every row equals is left out."""
    told_apart = foretold.told_apart
    return {
        foretold.names[i]: _covered(pit[:, [i]], told_apart[:, [i]], episodes)
        for i in foretold.counted
        if told_apart[:, i].any()
    }


def _covered(
    pit: Float[np.ndarray, "row quantity"],
    told_apart: Bool[np.ndarray, "row quantity"],
    episodes: Int[np.ndarray, "row"],
) -> dict[str, Covered]:
    _, number = np.unique(episodes, return_inverse=True)
    return {percent(level): _one(pit, told_apart, number, level) for level in LEVELS}


def _one(
    pit: Float[np.ndarray, "row quantity"],
    told_apart: Bool[np.ndarray, "row quantity"],
    episodes: Int[np.ndarray, "row"],
    level: float,
) -> Covered:
    """Rows have different numbers of outcomes that count, so that the error is that of a ratio."""
    count = int(told_apart.sum())
    if not count:
        return Covered(share=level, error=0.0)
    within = (np.abs(pit - 0.5) <= level / 2) & told_apart
    share = float(within.sum() / count)
    off = np.bincount(episodes, weights=within.sum(axis=1) - share * told_apart.sum(axis=1))
    if len(off) < 2:
        return Covered(share=share, error=1.0)
    error = float(np.sqrt(np.square(off).sum() * len(off) / (len(off) - 1)) / count)
    return Covered(share=share, error=max(error, float(np.sqrt(level * (1 - level) / count))))
