"""Rows that are answered by the same model, drawn side by side."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from surrogates.errors import InvalidQuestion
from surrogates.interface import Epochs

States = Float[np.ndarray, "batch state"]
Decisions = Float[np.ndarray, "batch lever"]
Parameters = Float[np.ndarray, "batch parameter"]
Keys = Int[np.ndarray, "batch"]


def sample_grouped(
    sample: Callable[[States, Decisions, Parameters, Keys, np.random.Generator], Epochs],
    states: States,
    decisions: Decisions,
    parameters: Parameters,
    keys: Keys,
    random: np.random.Generator,
) -> Epochs:
    """Draw the epochs with rows of equal keys in one piece, and put each back in its place.

    A model is then asked once for all its rows, without a copy of them for every number. Raises
    InvalidQuestion where there is not one of each in every row.
    """
    counts = [len(each) for each in (states, decisions, parameters, keys)]
    if len(set(counts)) > 1:
        raise InvalidQuestion(
            "rows of states, decisions, parameters and models are {}, {}, {} and {}: give as many "
            "of each".format(*counts)
        )
    # Numbers this short are sorted by their digits, in linear time.
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    epochs = sample(states[order], decisions[order], parameters[order], keys[order], random)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    # The names are the rows in memory.
    return Epochs(
        state=epochs.state.T.take(place, axis=1).T,
        outputs=epochs.outputs.T.take(place, axis=1).T,
        duration=epochs.duration[place],
    )


def groups(keys: Keys) -> list[tuple[int, slice]]:
    """The pieces of equal keys, none below 0, in order: the key of each, and its rows."""
    edges = np.flatnonzero(np.diff(keys, prepend=-1, append=-1)).tolist()
    return [(int(keys[first]), slice(first, end)) for first, end in pairwise(edges)]
