"""The chain as draws use it against the network as its likelihood does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2, norm

from surrogates.coordinates import Coordinate
from surrogates.flow.chain import LARGEST_RESIDUAL, Chain, Scaling
from surrogates.flow.folded import Draws, FoldedChain

COORDINATES = (
    Coordinate(name="arrivals", kind="exogenous"),
    Coordinate(name="waiting", kind="waiting"),
    Coordinate(name="in service", kind="idle", bend=3.0),
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


def one_question(
    network: Chain, scaling: Scaling
) -> tuple[Draws, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Draws for many epochs with the same features, and what the network says of them."""
    weights = {name: values.numpy() for name, values in network.state_dict().items()}
    features = np.random.default_rng(5).normal(size=FEATURES)
    inputs = np.ones((FEATURES + 1, ROWS), dtype=np.float32)
    inputs[:-1] = features[:, None]
    draws = FoldedChain(COORDINATES, scaling, weights).draws(inputs, np.random.default_rng(6))
    standard = (features - scaling.feature_centre) / scaling.feature_width
    with torch.no_grad():
        return draws, network(torch.tensor(standard[None], dtype=torch.float32))


def test_draws_have_the_moments_that_the_likelihood_gives_them() -> None:
    """Two pieces of code know the law: one draws from it, the other climbs it. They must agree.

    Every draw less the mean that the network gives it after those before it, in spreads, has mean
    0 and variance 1: within four standard errors, where no bound cuts and rounding adds little.
    """
    network, scaling = fitted_somehow()
    draws, (location, spread, regimes) = one_question(network, scaling)
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


@pytest.mark.parametrize(
    ("position", "low", "high"), [(0, 0.0, np.inf), (1, 0.0, 60.0), (2, -1.0, 3.0)]
)
def test_settled_numbers_have_the_chances_of_their_cells(
    position: int, low: float, high: float
) -> None:
    """A whole number's probability is that of its rounding cell, and a bound has the whole tail.

    Pearson's statistic of the values drawn, those before them being told, stays below its 99.9%
    quantile; values that are expected less than ten times count with another.
    """
    network, scaling = fitted_somehow()
    draws, (location, spread, regimes) = one_question(network, scaling)
    residuals = torch.zeros(1, len(COORDINATES))
    for before, told in enumerate([40.0, 9.0][:position]):
        draws.see(before, np.full(ROWS, told))
        latent = (COORDINATES[before].scale(np.array(told)) - scaling.target_centre[before]).item()
        off = (latent / scaling.target_width[before] - location[0, before]) / spread[0, before]
        residuals[0, before] = off.clamp(-LARGEST_RESIDUAL, LARGEST_RESIDUAL)
    drawn = draws.settle(position, np.full(ROWS, low), np.full(ROWS, high))

    with torch.no_grad():
        pushes = network.pushes(residuals, regimes)
    mean = float((location + spread * pushes)[0, position])
    coordinate, width = COORDINATES[position], scaling.target_width[position]
    cells = np.arange(low, min(high, drawn.max() + 50.0))
    edges = coordinate.scale(cells + 0.5) - scaling.target_centre[position]
    reached = norm.cdf((edges / width - mean) / float(spread[0, position]))
    expected = ROWS * np.diff(np.concatenate([[0.0], reached, [1.0]]))
    seen = np.bincount((drawn - low).astype(int), minlength=len(expected))
    often = expected >= 10.0
    expected, seen = (
        np.append(counts[often][1:], counts[often][0] + counts[~often].sum())
        for counts in (expected, seen)
    )
    statistic = (np.square(seen - expected) / expected).sum()
    assert len(expected) > 4
    assert statistic < chi2.ppf(0.999, len(expected) - 1)
