"""Trees of rates, grown in the size that foretells episodes which they have not seen.

A tree is a Poisson regression of counts on the time in which they could have happened, by
scikit-learn (Breiman et al. 1984).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int
from sklearn.tree import DecisionTreeRegressor

_FOLDS = 5
_LEAVES = (1, 2, 3, 4, 6, 8, 12, 16, 24)
_PRIOR = 0.1
"""Events at the rate of all that a leaf is given beside its own."""
_TRACE = 1e-3
_FEWEST = 20
"""Rows of a leaf at least: one event after a short moment is no rate, wherever a tree takes it."""


def grow_rates(
    inputs: Float[np.ndarray, "row input"],
    counted: Float[np.ndarray, "row"],
    exposure: Float[np.ndarray, "row"],
    episodes: Int[np.ndarray, "row"],
) -> tuple[DecisionTreeRegressor, Float[np.ndarray, "leaf"]]:
    """A tree of rates of one kind of event, and the logarithms of the rates of its leaves.

    `exposure` is the time in which the event could have happened, times what is known to speed it
    up; where there is none a row tells nothing.
    """
    rows = exposure > 0.0
    inputs, counted, exposure, episodes = (
        values[rows] for values in (inputs, counted, exposure, episodes)
    )

    def grow(chosen: Int[np.ndarray, "chosen"], leaves: int) -> DecisionTreeRegressor:
        model = DecisionTreeRegressor(
            criterion="poisson" if counted[chosen].any() else "squared_error",
            # scikit-learn knows no tree of one leaf but that of leaves that take all rows.
            max_leaf_nodes=max(2, leaves),
            min_samples_leaf=len(chosen) if leaves == 1 else min(_FEWEST, len(chosen)),
            random_state=0,
        )
        # scikit-learn never parts off a leaf without any event, so each row has a bit of one.
        minutes = exposure[chosen]
        usual = counted[chosen].sum() / minutes.sum()
        observed = counted[chosen] / minutes + _TRACE * usual
        return model.fit(inputs[chosen], observed, sample_weight=minutes)

    def rates(
        model: DecisionTreeRegressor, chosen: Int[np.ndarray, "chosen"]
    ) -> Float[np.ndarray, "node"]:
        nodes = model.apply(inputs[chosen])
        overall = max(counted[chosen].sum(), _PRIOR) / exposure[chosen].sum()
        events, minutes = (
            np.bincount(nodes, values[chosen], minlength=model.tree_.node_count)
            for values in (counted, exposure)
        )
        return np.asarray((events + _PRIOR) / (minutes + _PRIOR / overall))

    def likelihood(
        leaves: int, kept: Int[np.ndarray, "kept"], held: Int[np.ndarray, "held"]
    ) -> float:
        model = grow(kept, leaves)
        rate = rates(model, kept)[model.apply(inputs[held])]
        return float((counted[held] * np.log(rate) - rate * exposure[held]).sum())

    every = np.arange(len(counted))
    model = grow(every, _best(_LEAVES, likelihood, episodes))
    return model, np.log(rates(model, every)[model.tree_.children_left < 0])


def _best(
    sizes: Sequence[int],
    likelihood: Callable[[int, Int[np.ndarray, "kept"], Int[np.ndarray, "held"]], float],
    episodes: Int[np.ndarray, "row"],
) -> int:
    """The smallest size that, but for two standard errors, foretells held-out rows as well as any.

    Episodes are held out whole.
    """
    _, number = np.unique(episodes, return_inverse=True)
    folds = number.reshape(-1) % _FOLDS
    if folds.max(initial=0) == 0:
        # A single episode: parts of it, one after another.
        folds = np.arange(len(episodes)) * _FOLDS // max(1, len(episodes))
    parts = [
        (kept, held)
        for kept, held in (
            (np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(_FOLDS)
        )
        if len(kept) and len(held)
    ]
    if not parts:
        return sizes[0]
    told = np.array([[likelihood(size, *part) for part in parts] for size in sizes])
    short = told[np.argmax(told.sum(axis=1))] - told
    doubt = 2.0 * short.std(axis=1, ddof=min(1, len(parts) - 1)) * np.sqrt(len(parts))
    return sizes[int(np.argmax(short.sum(axis=1) <= doubt))]
