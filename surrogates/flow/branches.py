"""Trees as arrays: who is served has sharp edges, which rules of routing draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

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
    def of(cls, fitted: Sequence[Any]) -> Branches:
        """Those of fitted trees of scikit-learn."""
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
