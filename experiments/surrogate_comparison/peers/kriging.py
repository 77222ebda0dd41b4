"""SMT's Kriging with its noise estimated, one for every target, on a subsample."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Float
from smt.surrogate_models import KRG

from experiments.surrogate_comparison.peers.exact import ExactSettings, Predict, each_target
from experiments.surrogate_comparison.peers.framing import (
    Framing,
    Normals,
    PeerSurrogate,
    some_rows,
)
from sim.description import Description
from surrogates.dataset import Transitions

_CHUNK_ROWS = 1024
_NOISE_BOUNDS = (1e-6, 1e3)
"""Noise variance over that of the process; a target may be next to nothing but noise."""


def fit_kriging(
    transitions: Transitions,
    description: Description,
    settings: ExactSettings,
    random: np.random.Generator,
) -> PeerSurrogate:
    """Ordinary Kriging with the library's kernel, and one start of its search instead of ten."""
    framing = Framing(transitions, description)
    rows = some_rows(len(framing.inputs), settings.rows, random)
    inputs, targets = framing.inputs[rows], framing.targets[rows]
    return PeerSurrogate("smt", framing, Normals(each_target(inputs, targets, _fit)))


def _fit(inputs: Float[np.ndarray, "row input"], targets: Float[np.ndarray, "row"]) -> Predict:
    return partial(observed, fit_one(inputs, targets))


def fit_one(inputs: Float[np.ndarray, "row input"], targets: Float[np.ndarray, "row"]) -> KRG:
    """One fitted model; Cobyla is the library's only search where noise is estimated."""
    model = KRG(
        eval_noise=True,
        noise0=[0.5],
        noise_bounds=list(_NOISE_BOUNDS),
        hyper_opt="Cobyla",
        n_start=1,
        print_global=False,
    )
    model.set_training_values(inputs, targets)
    model.train()
    return model


def observed(
    model: KRG, inputs: Float[np.ndarray, "batch input"]
) -> tuple[Float[np.ndarray, "batch"], Float[np.ndarray, "batch"]]:
    """Means and deviations of what would be observed.

    The library's variance is the process's alone; it tells the noise as a share of the prior's.
    """
    noise = float(np.squeeze(model.optimal_noise)) * float(np.squeeze(model.optimal_par["sigma2"]))
    means, deviations = [np.zeros(0)], [np.zeros(0)]
    for first in range(0, len(inputs), _CHUNK_ROWS):
        asked = inputs[first : first + _CHUNK_ROWS]
        means.append(model.predict_values(asked)[:, 0])
        deviations.append(np.sqrt(model.predict_variances(asked)[:, 0] + noise))
    return np.concatenate(means), np.concatenate(deviations)
