"""Where members begin: lines that lie as far apart as their data leave open.

They are drawn from what is believed of a linear regression after its data. Resamples of the data
would not do: of the two episodes of a first look all resamples are alike, and members that agree
would seem to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

_FOLDS = 5
_ROUNDS = 3
"""The noise and the slopes' shrinkage follow from one another: after so many they have settled."""
_LEAST_NOISE = 1e-4
"""Of a number's variance, where a line misses nothing: what is known for sure is still solved."""
_FLAT = 1e-6
"""Prior precision of intercepts: none, but that they can be solved for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What is believed of the linear regression of every number."""

    centre: Float[np.ndarray, "number weight"]
    """The likeliest, its intercept last."""
    root: Float[np.ndarray, "number weight weight"]
    """Times independent standard normals: how far off another line may be."""
    missed: Float[np.ndarray, "number"]
    """What lines miss of episodes that they have not seen, as a standard deviation."""

    def draw(
        self, count: int, random: np.random.Generator
    ) -> Float[np.ndarray, "line number weight"]:
        """So many lines about the likeliest.

        Their mean is that line and their variance that of independent draws: chance that they have
        in common would be an error of all of them, and nothing would tell it.
        """
        chance = random.standard_normal((count, *self.centre.shape))
        chance -= chance.mean(axis=0)
        chance *= np.sqrt(count / max(1, count - 1))
        return np.asarray(self.centre + np.einsum("nij,lnj->lni", self.root, chance))


class _Fold(NamedTuple):
    """Rows that are left out, and the moments of all others."""

    design: Float[np.ndarray, "row weight"]
    targets: Float[np.ndarray, "row number"]
    gram: Float[np.ndarray, "weight weight"]
    cross: Float[np.ndarray, "weight number"]


def learn_lines(
    features: Shaped[np.ndarray, "row feature"],
    targets: Shaped[np.ndarray, "row number"],
    episodes: Int[np.ndarray, "row"],
) -> Lines:
    """Regress standardised numbers on standardised features.

    The prior is that all features together vary a line as much as its number varies. The noise is
    what lines miss of episodes that they have not seen: those of few episodes miss the most there.
    """
    design = np.column_stack([features, np.ones(len(features))]).astype(float)
    values = targets.astype(float)
    gram, cross = design.T @ design, design.T @ values
    folds = [
        _Fold(design[rows], values[rows], gram - x.T @ x, cross - x.T @ values[rows])
        for rows in _folds(episodes)
        for x in [design[rows]]
    ]
    noise = np.ones(values.shape[1])
    for _ in range(_ROUNDS):
        penalty = _penalty(noise, len(gram))
        missed = np.concatenate(
            [f.targets - f.design @ _solve(f.gram + penalty, f.cross).T for f in folds]
        )
        noise = np.maximum(np.square(missed).mean(axis=0), _LEAST_NOISE)
    precision = gram + _penalty(noise, len(gram))
    root = np.linalg.inv(np.linalg.cholesky(precision)).swapaxes(1, 2)
    return Lines(
        centre=_solve(precision, cross),
        root=np.sqrt(noise)[:, None, None] * root,
        missed=np.sqrt(noise),
    )


def _folds(episodes: Int[np.ndarray, "row"]) -> list[Int[np.ndarray, "fold"]]:
    """Whole episodes; of a single one, stretches."""
    names, which = np.unique(episodes, return_inverse=True)
    if len(names) == 1:
        which = np.arange(len(episodes))
    count = which.max() + 1
    fold = which * min(_FOLDS, count) // count
    return [np.flatnonzero(fold == number) for number in range(fold.max() + 1)]


def _penalty(
    noise: Float[np.ndarray, "number"], weights: int
) -> Float[np.ndarray, "number weight weight"]:
    """Noise over the variance of a slope before data, one over the number of slopes."""
    diagonal = np.repeat(noise[:, None] * max(1, weights - 1), weights, axis=1)
    diagonal[:, -1] = _FLAT
    return np.asarray(diagonal[:, :, None] * np.eye(weights))


def _solve(
    precision: Float[np.ndarray, "number weight weight"], cross: Float[np.ndarray, "weight number"]
) -> Float[np.ndarray, "number weight"]:
    return np.asarray(np.linalg.solve(precision, cross.T[:, :, None])[:, :, 0])
