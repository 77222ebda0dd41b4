"""Trees of rates: who is served has sharp edges, which rules of routing draw.

A tree is a Poisson regression of counts on the time in which they could have happened, grown by
scikit-learn in the size that foretells episodes which it has not seen (Breiman et al. 1984), and
kept as arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
_PARTS = ("roots", "feature", "threshold", "left", "right", "depth", "leaf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """One or several trees, their nodes in one list."""

    roots: Int[np.ndarray, "tree"]
    feature: Int[np.ndarray, "node"]
    threshold: Float[np.ndarray, "node"]
    left: Int[np.ndarray, "node"]
    """Where an input of at most the threshold goes on; a leaf's own number."""
    right: Int[np.ndarray, "node"]
    depth: Int[np.ndarray, "one"]
    leaf: Int[np.ndarray, "node"]
    """A leaf's place among the leaves of all trees, -1 for what is no leaf."""

    @classmethod
    def of(cls, fitted: Sequence[DecisionTreeRegressor]) -> Branches:
        """Those of fitted trees."""
        trees = [model.tree_ for model in fitted]
        roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
        own = np.arange(sum(tree.node_count for tree in trees))
        joined = {
            name: np.concatenate([getattr(tree, name) for tree in trees])
            for name in ("children_left", "children_right", "feature", "threshold")
        }
        root = np.repeat(roots, [tree.node_count for tree in trees])
        is_leaf = joined["children_left"] < 0
        left, right = (
            np.where(is_leaf, own, joined[name] + root).astype(np.int64)
            for name in ("children_left", "children_right")
        )
        return cls(
            roots=roots,
            feature=np.maximum(joined["feature"], 0).astype(np.int64),
            threshold=joined["threshold"],
            left=left,
            right=right,
            depth=np.array([max(tree.max_depth for tree in trees)]),
            leaf=np.where(is_leaf, np.cumsum(is_leaf) - 1, -1),
        )

    def find(self, inputs: Float[np.ndarray, "input batch"]) -> Int[np.ndarray, "tree batch"]:
        """The leaf of each input in each tree."""
        batch = np.arange(inputs.shape[1])
        nodes = np.repeat(self.roots[:, None], inputs.shape[1], axis=1)
        for _ in range(int(self.depth[0])):
            is_left = inputs[self.feature[nodes], batch] <= self.threshold[nodes]
            nodes = np.where(is_left, self.left[nodes], self.right[nodes])
        return np.asarray(self.leaf[nodes])

    def to_tensors(self, name: str) -> dict[str, np.ndarray]:
        """The arrays, under this name."""
        return {f"{name}.{part}": getattr(self, part) for part in _PARTS}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], name: str) -> Branches:
        """What `to_tensors` gave."""
        return cls(**{part: tensors[f"{name}.{part}"] for part in _PARTS})


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
