"""BoTorch's SingleTaskGP, as its tutorials fit it: one for every target, on a subsample."""

from __future__ import annotations

import numpy as np
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.transforms import Normalize
from gpytorch.mlls import ExactMarginalLogLikelihood
from jaxtyping import Float

from experiments.surrogate_comparison.peers.exact import (
    ExactSettings,
    Posterior,
    Predict,
    each_target,
    scaled,
    squared_exponential,
)
from experiments.surrogate_comparison.peers.framing import (
    Framing,
    Normals,
    PeerSurrogate,
    some_rows,
)
from sim.description import Description
from surrogates.dataset import Transitions


def fit_botorch(
    transitions: Transitions,
    description: Description,
    settings: ExactSettings,
    random: np.random.Generator,
) -> PeerSurrogate:
    """Fit by BoTorch, then predict from the fitted kernels with cached factors.

    A posterior asked for thousands of rows at once would also work out all their covariances.
    """
    framing = Framing(transitions, description)
    rows = some_rows(len(framing.inputs), settings.rows, random)
    inputs, targets = framing.inputs[rows], framing.targets[rows]
    return PeerSurrogate("botorch", framing, Normals(each_target(inputs, targets, _fit)))


def _fit(inputs: Float[np.ndarray, "row input"], targets: Float[np.ndarray, "row"]) -> Predict:
    return posterior_of(fit_one(inputs, targets), inputs, targets).predict


def fit_one(
    inputs: Float[np.ndarray, "row input"], targets: Float[np.ndarray, "row"]
) -> SingleTaskGP:
    """A process with BoTorch's defaults: its priors, inputs to the unit cube, targets standard."""
    model = SingleTaskGP(
        torch.from_numpy(inputs),
        torch.from_numpy(targets)[:, None],
        input_transform=Normalize(inputs.shape[1]),
    )
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return model


def posterior_of(
    model: SingleTaskGP,
    inputs: Float[np.ndarray, "row input"],
    targets: Float[np.ndarray, "row"],
) -> Posterior:
    """A model fitted to these data as plain arrays, in the units of the data."""
    width = model.input_transform.coefficient.detach().numpy().reshape(-1)
    length_scale = model.covar_module.lengthscale.detach().numpy().reshape(-1)
    centre = float(model.outcome_transform.means.item())
    spread = float(model.outcome_transform.stdvs.item())
    return Posterior.of(
        kernel=scaled(squared_exponential(length_scale * width), spread**2),
        noise=spread**2 * float(model.likelihood.noise.item()),
        mean=centre + spread * float(model.mean_module.constant.item()),
        points=inputs,
        targets=targets,
    )
