"""The network of an interval's free numbers, its start and its likelihood.

The network gives every free number of an epoch (see `balance`) a location and a spread. How a
number depends on those before it is a mixture of a few matrices that the state weighs: their
surprises, in spreads, move its location. It starts from linear regressions and the covariance of
what they leave; arrivals from outside keep to the regression on what the calendar expected and
today's surprises, because a flexible fit to the few hundred days of a data set would forget how
persistent a busy day is.

Whole numbers have the probability of their rounding cell, and the cells at a bound take the whole
tail: an empty queue or a fully busy team is an atom, not a density. A measure has a density where
it is above its bound, and there the mass of all that is clipped to it. The root of a time spent is
measured from that of what the trapezoid rule says of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from surrogates.coordinates import FlowBalance
from surrogates.dataset import Transitions
from surrogates.features import SystemFeatures
from surrogates.ridge import ridge

SMALLEST_SPREAD = 0.02
LARGEST_RESIDUAL = 4.0
_NARROW_CELL = 0.1
"""Below this width, in spreads, a cell's probability is its middle density times its width."""
_LOG_ROOT = 0.5 * math.log(2.0 * math.pi)
_EDGE = 30.0
"""Spreads beyond which a cell at a bound reaches."""


class Chain(nn.Module):
    """Features to location, spread and weights of the regimes."""

    learns: Tensor
    """1 for coordinates that the network may move, 0 for those kept to the regression."""
    below: Tensor

    def __init__(self, features: int, coordinates: int, hidden: int, regimes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.head = nn.Linear(hidden, 2 * coordinates + regimes)
        self.skip = nn.Linear(features, coordinates)
        self.chain = nn.Parameter(torch.zeros(1 + regimes, coordinates, coordinates))
        self.register_buffer("learns", torch.ones(coordinates))
        self.register_buffer("below", torch.ones(coordinates, coordinates).tril(-1), False)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()
            self.chain[1:].normal_(0.0, 0.01)

    def keep(self, learns: Tensor) -> None:
        """Leave the linear part of some coordinates, and all else of their location, as it is."""
        with torch.no_grad():
            self.learns.copy_(learns)
        self.skip.weight.register_hook(lambda gradient: gradient * learns[:, None])
        self.skip.bias.register_hook(lambda gradient: gradient * learns)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Location, spread and regimes, a row an epoch."""
        count = self.skip.out_features
        out = self.head(self.body(inputs))
        location = out[:, :count] * self.learns + self.skip(inputs)
        spread = squareplus(out[:, count : 2 * count]) + SMALLEST_SPREAD
        return location, spread, out[:, 2 * count :]

    def pushes(self, residuals: Tensor, regimes: Tensor) -> Tensor:
        """How far the numbers before it move each location, in its spreads."""
        moved = torch.einsum("bk,rpk->brp", residuals, self.chain * self.below)
        return moved[:, 0] + (moved[:, 1:] * regimes[:, :, None]).sum(dim=1)


def squareplus(values: Tensor) -> Tensor:
    """A smooth positive part, cheap to compute: 1 at 0."""
    return (values + torch.sqrt(values * values + 4.0)) / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Where features and coordinates lie, to bring them to even scales."""

    feature_centre: Float[np.ndarray, "feature"]
    feature_width: Float[np.ndarray, "feature"]
    target_centre: Float[np.ndarray, "coordinate"]
    target_width: Float[np.ndarray, "coordinate"]

    @classmethod
    def of(cls, transitions: Transitions, balance: FlowBalance) -> Scaling:
        """As the data lie; what never varies keeps its unit."""
        inputs = _inputs(transitions, balance)
        values, _, _, told = balance.encode_told(transitions)
        targets = _scaled(values, balance) - np.sqrt(told)
        spread = inputs.std(axis=0)
        return cls(
            feature_centre=inputs.mean(axis=0),
            feature_width=np.where(spread > 1e-6, spread, 1.0),
            target_centre=targets.mean(axis=0),
            target_width=np.maximum(targets.std(axis=0), 1e-3),
        )

    def to_tensors(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray]) -> Scaling:
        """What `to_tensors` gave."""
        return cls(**{name: tensors[name] for name in cls.__slots__})


def _inputs(transitions: Transitions, balance: FlowBalance) -> Float[np.ndarray, "row feature"]:
    return SystemFeatures(balance.description).matrix(
        transitions.state, transitions.decision, transitions.parameters
    )


def _scaled(
    values: Float[np.ndarray, "row coordinate"], balance: FlowBalance
) -> Float[np.ndarray, "row coordinate"]:
    return np.column_stack([c.scale(values[:, i]) for i, c in enumerate(balance.coordinates)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Transitions as tensors: inputs, coordinates, and the edges of their cells.

    Where there is a density the edges are both at the value.
    """

    inputs: Tensor
    seen: Tensor
    lower: Tensor
    upper: Tensor
    at_low: Tensor
    at_high: Tensor
    is_density: Tensor
    log_slope: Tensor
    """Log of how fast the scale on which a density is modelled grows with its number."""

    @classmethod
    def of(cls, transitions: Transitions, balance: FlowBalance, scaling: Scaling) -> Cells:
        """The cells in which observed epochs lie."""
        values, low, high, told = balance.encode_told(transitions)
        is_whole = np.array([c.is_whole for c in balance.coordinates])
        half = np.where(is_whole, 0.5, 0.0)
        centre = scaling.target_centre + np.sqrt(told)
        seen, lower, upper = (
            (_scaled(values + shift * half, balance) - centre) / scaling.target_width
            for shift in (0.0, -1.0, 1.0)
        )
        inputs = _inputs(transitions, balance)
        standard = (inputs - scaling.feature_centre) / scaling.feature_width
        is_density = ~is_whole & (values > low)
        return cls(
            inputs=_tensor(standard),
            seen=_tensor(seen),
            lower=_tensor(lower),
            upper=_tensor(upper),
            at_low=torch.from_numpy(values <= low),
            at_high=torch.from_numpy(values >= high),
            is_density=torch.from_numpy(is_density),
            # d sqrt(v) / dv = 1 / (2 sqrt(v)), in widths.
            log_slope=_tensor(
                -np.log(2.0 * np.sqrt(np.where(is_density, values, 1.0)) * scaling.target_width)
            ),
        )

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Tensor) -> Cells:
        """Those of the given rows, in their order."""
        return Cells(**{f.name: getattr(self, f.name).index_select(0, rows) for f in fields(self)})

    def log_prob(self, network: nn.Module, rows: slice) -> Tensor:
        """Log probability of the given rows, summed over coordinates."""
        return self.log_probs(network, rows).sum(dim=1)

    def log_probs(self, network: nn.Module, rows: slice) -> Tensor:
        """Log probability or density of each coordinate of the given rows, given those before."""
        assert isinstance(network, Chain)
        location, spread, regimes = network(self.inputs[rows])
        residuals = ((self.seen[rows] - location) / spread).clamp(
            -LARGEST_RESIDUAL, LARGEST_RESIDUAL
        )
        mean = location + spread * network.pushes(residuals, regimes)
        lower = ((self.lower[rows] - mean) / spread).masked_fill(self.at_low[rows], -_EDGE)
        upper = ((self.upper[rows] - mean) / spread).masked_fill(self.at_high[rows], _EDGE)
        score = (self.seen[rows] - mean) / spread
        density = self.log_slope[rows] - torch.log(spread) - 0.5 * score**2 - _LOG_ROOT
        return torch.where(self.is_density[rows], density, _log_mass(lower, upper))


def _tensor(values: Float[np.ndarray, "..."]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _log_mass(lower: Tensor, upper: Tensor) -> Tensor:
    """Log normal probability of (lower, upper)."""
    middle, width = (lower + upper) / 2, upper - lower
    density = -0.5 * middle**2 - _LOG_ROOT + torch.log(width.clamp_min(1e-6))
    # Flipped to the left tail, where the logarithm of the distribution function is exact.
    is_right = middle > 0
    near, far = torch.where(is_right, -lower, upper), torch.where(is_right, -upper, lower)
    log_near = torch.special.log_ndtr(near)
    gap = (torch.special.log_ndtr(far) - log_near).clamp_max(-1e-4)
    return torch.where(width < _NARROW_CELL, density, log_near + torch.log1p(-torch.exp(gap)))


def start(network: Chain, cells: Cells, balance: FlowBalance) -> None:
    """Set the linear part, the spreads and the first matrix from regressions."""
    exogenous = [c.kind == "exogenous" for c in balance.coordinates]
    regression, left = _regression(cells, balance, exogenous)
    weights, spread = _sequential(left)
    with torch.no_grad():
        network.skip.weight.copy_(_tensor(regression[:, :-1]))
        network.skip.bias.copy_(_tensor(regression[:, -1]))
        network.head.bias[len(spread) : 2 * len(spread)] = _tensor(spread - 1.0 / spread)
        network.chain[0].copy_(_tensor(weights))
    network.keep(torch.tensor([float(not outside) for outside in exogenous]))


def refresh_arrivals(network: Chain, cells: Cells, balance: FlowBalance) -> None:
    """Fit the regressions of arrivals from outside again, which training leaves as they are."""
    exogenous = [c.kind == "exogenous" for c in balance.coordinates]
    regression = _tensor(_regression(cells, balance, exogenous)[0][exogenous])
    with torch.no_grad():
        network.skip.weight[exogenous] = regression[:, :-1]
        network.skip.bias[exogenous] = regression[:, -1]
    network.keep(network.learns.clone())


def _regression(
    cells: Cells, balance: FlowBalance, exogenous: list[bool]
) -> tuple[Float[np.ndarray, "coordinate _"], Float[np.ndarray, "row coordinate"]]:
    """Regressions of all coordinates, intercept last; arrivals on expectations alone.

    With what each leaves in rows it has not seen.
    """
    inputs = np.column_stack([cells.inputs.numpy(), np.ones(len(cells))]).astype(float)
    seen = cells.seen.numpy().astype(float)
    result, left = np.zeros((len(exogenous), inputs.shape[1])), np.zeros_like(seen)
    every = list(range(inputs.shape[1]))
    outside = [*SystemFeatures(balance.description).exogenous, inputs.shape[1] - 1]
    for chosen, mine in ((outside, True), (every, False)):
        rows = [i for i, is_outside in enumerate(exogenous) if is_outside == mine]
        slopes, left[:, rows] = ridge(inputs[:, chosen], seen[:, rows])
        result[np.ix_(rows, chosen)] = slopes.T
    return result, left


def _sequential(
    left: Float[np.ndarray, "row coordinate"],
) -> tuple[Float[np.ndarray, "coordinate before"], Float[np.ndarray, "coordinate"]]:
    """Regressions of each column on those before it, and what they leave, all in spreads."""
    count = left.shape[1]
    slopes, spread = np.zeros((count, count)), np.zeros(count)
    for position in range(count):
        rest = left[:, position, None]
        if position:
            found, rest = ridge(left[:, :position], rest)
            slopes[position, :position] = found[:, 0]
        spread[position] = np.clip(rest.std(ddof=1), 2 * SMALLEST_SPREAD, 2.0)
    return slopes * spread[None, :] / spread[:, None], spread
