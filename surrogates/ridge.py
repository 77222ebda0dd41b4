"""Linear regressions that shrink as much as rows they have not seen say they should."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Inputs = Float[np.ndarray, "row input"]
Targets = Float[np.ndarray, "row target"]
Gram = Float[np.ndarray, "input input"]
Slopes = Float[np.ndarray, "input target"]

_FOLDS = 5
_WEIGHTS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Ridges that are tried, in rows of standardised inputs for each row that there is."""


def ridge(inputs: Inputs, targets: Targets) -> tuple[Slopes, Targets]:
    """Slopes, and what is left of each row by slopes fitted without it.

    Each target is shrunk by itself. The folds are stretches of rows, so that rows of an episode,
    which are alike, mostly stay together. In few rows from few episodes plain least squares would
    follow the chance of those episodes out to wherever the inputs go next, and leave too little.
    """
    folds = [fold for fold in np.array_split(np.arange(len(inputs)), _FOLDS) if len(fold)]
    if len(folds) < 2:
        slopes = _solve(*_moments(inputs, targets), _WEIGHTS[-1] * len(inputs))
        return slopes, targets - inputs @ slopes
    gram, cross = _moments(inputs, targets)
    parts = [_moments(inputs[fold], targets[fold]) for fold in folds]
    slopes = np.zeros_like(cross)
    left = np.zeros_like(targets)
    least = np.full(targets.shape[1], np.inf)
    for weight in _WEIGHTS:
        missed = np.concatenate(
            [
                targets[fold]
                - inputs[fold] @ _solve(gram - g, cross - c, weight * (len(inputs) - len(fold)))
                for fold, (g, c) in zip(folds, parts, strict=True)
            ]
        )
        error = np.square(missed).mean(axis=0)
        better = error < least
        least[better], left[:, better] = error[better], missed[:, better]
        slopes[:, better] = _solve(gram, cross, weight * len(inputs))[:, better]
    return slopes, left


def _moments(inputs: Inputs, targets: Targets) -> tuple[Gram, Slopes]:
    return inputs.T @ inputs, inputs.T @ targets


def _solve(gram: Gram, cross: Slopes, weight: float) -> Slopes:
    return np.linalg.solve(gram + weight * np.eye(len(gram)), cross)
