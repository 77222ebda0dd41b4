"""The chain as draws use it against the network as its likelihood does."""

from __future__ import annotations

import numpy as np
import torch

from surrogates.coordinates import Coordinate
from surrogates.flow.chain import LARGEST_RESIDUAL, Chain, Scaling
from surrogates.flow.folded import FoldedChain

COORDINATES = (
    Coordinate(name="arrivals", kind="exogenous"),
    Coordinate(name="waiting", kind="waiting"),
    Coordinate(name="in service", kind="idle"),
    Coordinate(name="minutes", kind="measure"),
)
FEATURES, ROWS = 5, 40_000


def fitted_somehow() -> tuple[Chain, Scaling]:
    """A network with every kind of weight far from 0, and scales that are no identity."""
    torch.manual_seed(3)
    network = Chain(FEATURES, len(COORDINATES), hidden=12, regimes=2)
    random = np.random.default_rng(4)
    with torch.no_grad():
        for values in network.parameters():
            values.add_(0.2 * torch.randn_like(values))
        network.skip.bias.add_(torch.tensor([6.0, 4.0, 1.0, 5.0]))
        network.learns.copy_(torch.tensor([0.0, 1.0, 1.0, 1.0]))
    scaling = Scaling(
        feature_centre=random.normal(size=FEATURES),
        feature_width=random.uniform(0.5, 2.0, size=FEATURES),
        target_centre=random.normal(size=len(COORDINATES)),
        target_width=random.uniform(0.5, 2.0, size=len(COORDINATES)),
    )
    return network.eval(), scaling


def test_draws_have_the_moments_that_the_likelihood_gives_them() -> None:
    """Two pieces of code know the law: one draws from it, the other climbs it. They must agree.

    Every draw less the mean that the network gives it after those before it, in spreads, has mean
    0 and variance 1: within four standard errors, where no bound cuts and rounding adds little.
    """
    network, scaling = fitted_somehow()
    folded = FoldedChain(
        COORDINATES, scaling, {k: v.numpy() for k, v in network.state_dict().items()}
    )
    features = np.random.default_rng(5).normal(size=FEATURES)
    inputs = np.ones((FEATURES + 1, ROWS), dtype=np.float32)
    inputs[:-1] = features[:, None]
    draws = folded.draws(inputs, np.random.default_rng(6))

    standard = (features - scaling.feature_centre) / scaling.feature_width
    with torch.no_grad():
        location, spread, regimes = network(torch.tensor(standard[None], dtype=torch.float32))
    residuals = torch.zeros(ROWS, len(COORDINATES))
    for position, coordinate in enumerate(COORDINATES):
        latent = draws.latent(position).copy()
        values = coordinate.unscale(latent.astype(float))
        values = np.rint(values) if coordinate.is_whole else values
        draws.see(position, values)
        with torch.no_grad():
            pushes = network.pushes(residuals, regimes.expand(ROWS, -1))[:, position].numpy()
        mean = float(location[0, position]) + float(spread[0, position]) * pushes
        centre, width = scaling.target_centre[position], scaling.target_width[position]
        off = ((latent - centre) / width - mean) / float(spread[0, position])
        assert abs(off.mean()) < 4.0 / ROWS**0.5
        assert abs(off.var() - 1.0) < 4.0 * (2.0 / ROWS) ** 0.5
        seen = torch.from_numpy((coordinate.scale(values) - centre) / width)
        residuals[:, position] = ((seen - location[0, position]) / spread[0, position]).clamp(
            -LARGEST_RESIDUAL, LARGEST_RESIDUAL
        )
