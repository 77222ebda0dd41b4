"""scikit-learn's GaussianProcessRegressor, one for every target, on a subsample."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from experiments.surrogate_comparison.peers.exact import (
    ExactSettings,
    Posterior,
    Predict,
    each_target,
)
from experiments.surrogate_comparison.peers.framing import (
    Framing,
    Normals,
    PeerSurrogate,
    some_rows,
)
from sim.description import Description
from surrogates.dataset import Transitions


def fit_sklearn_gp(
    transitions: Transitions,
    description: Description,
    settings: ExactSettings,
    random: np.random.Generator,
) -> PeerSurrogate:
    """A scaled Matérn-5/2 kernel with a length scale for each input, and white noise."""
    framing = Framing(transitions, description)
    rows = some_rows(len(framing.inputs), settings.rows, random)
    inputs, targets = framing.inputs[rows], framing.targets[rows]
    return PeerSurrogate("sklearn_gp", framing, Normals(each_target(inputs, targets, _fit)))


def _fit(inputs: Float[np.ndarray, "row input"], targets: Float[np.ndarray, "row"]) -> Predict:
    shape = Matern(np.full(inputs.shape[1], np.sqrt(inputs.shape[1])), (1e-1, 1e4), nu=2.5)
    kernel = ConstantKernel(1.0, (1e-4, 1e4)) * shape + WhiteKernel(0.5, (1e-6, 1e1))
    regressor = GaussianProcessRegressor(kernel)
    with warnings.catch_warnings():
        # An input that does not matter has its length scale at the bound, which is as it should be.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regressor.fit(inputs, targets)
    fitted = regressor.kernel_
    posterior = Posterior.of(
        kernel=fitted.k1, noise=fitted.k2.noise_level, mean=0.0, points=inputs, targets=targets
    )
    return posterior.predict
