"""The law of epochs that last a known time: count likelihoods in the flow balance's coordinates.

Sampling is plain numpy on the network's weights. It draws the chain of free numbers, rounds and
clips, and the balance does the rest, so customers are never lost or made. Arrays have a row a name
and a column an epoch; the network works in single precision, the balance in double.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32

from sim.description import SystemDescription
from surrogates.ahead import rows_of
from surrogates.coordinates import Coordinate, FlowBalance
from surrogates.dataset import Transitions
from surrogates.features import SystemFeatures
from surrogates.flow.ascent import climb, set_aside
from surrogates.flow.chain import (
    LARGEST_RESIDUAL,
    SMALLEST_SPREAD,
    Cells,
    Chain,
    Scaling,
    refresh_arrivals,
    start,
)
from surrogates.flow.settings import FlowSettings
from surrogates.given import names_of_arrivals
from surrogates.interface import Epochs

Rows = Float32[np.ndarray, "_ batch"]
_BLOCK = 1024
"""Epochs whose hidden layers fit into the caches of one core."""
_MOST_IDLE = np.float32(12.0)
_FARTHEST = np.float32(LARGEST_RESIDUAL)


class IntervalLaw:
    """A fitted network over the coordinates of a system's flow balance."""

    def __init__(self, balance: FlowBalance, scaling: Scaling, network: Chain) -> None:
        self._balance, self._scaling, self._network = balance, scaling, network.eval()
        self._features = SystemFeatures(balance.description)
        self._scales = [_FastScale(c) for c in balance.coordinates]
        self._fold()

    def _fold(self) -> None:
        """Bring the weights into the form in which sampling uses them."""
        w = {name: value.numpy() for name, value in self._network.state_dict().items()}
        scaling, count = self._scaling, len(w["skip.bias"])
        self._inner = w["body.2.weight"], w["body.2.bias"][:, None]
        width = scaling.target_width.astype(np.float32)[:, None]
        outer = np.concatenate(
            [w["learns"][:, None] * width, np.ones_like(w["head.bias"][count:, None])]
        )
        self._head = w["head.weight"] * outer, w["head.bias"][:, None] * outer
        shift = scaling.target_centre.astype(np.float32)[:, None]
        skip = w["skip.weight"] * width, w["skip.bias"][:, None] * width + shift
        # The scaling of the features goes into the weights of all that looks at them.
        first = np.concatenate([w["body.0.weight"], skip[0]]) / scaling.feature_width
        bias = np.concatenate([w["body.0.bias"][:, None], skip[1]])
        bias = bias - first @ scaling.feature_centre[:, None]
        self._first = first.astype(np.float32), bias.astype(np.float32)
        self._width, self._count = width, count
        chain = np.tril(w["chain"], -1)
        self._chain = [np.ascontiguousarray(chain[:, p, :p]) for p in range(count)]

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row, customers conserved exactly."""
        return self._sample(states, decisions, parameters, random, {})

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        """Names of the outputs that count those who come, whatever is decided."""
        return names_of_arrivals(self._balance)

    def sample_given_arrivals(
        self, transitions: Transitions, random: np.random.Generator
    ) -> Epochs:
        """Draw one epoch for each transition, its arrivals from outside as they were seen."""
        t = transitions
        seen, _, _ = self._balance.encode(t)
        kinds = [c.kind for c in self._balance.coordinates]
        held = {i: seen[:, i] for i, kind in enumerate(kinds) if kind == "exogenous"}
        return self._sample(t.state, t.decision, t.parameters, random, held)

    def _sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
        held: Mapping[int, Float[np.ndarray, "batch"]],
    ) -> Epochs:
        inputs = rows_of(states), rows_of(decisions), rows_of(parameters)
        outlook = self._balance.ahead.look(*inputs)
        seen = self._features.rows(*inputs, outlook, np.float32)
        location, spread, regimes = self._forward(seen)
        noise = _normals(random, location.shape)
        residuals = np.empty_like(location)

        def draw(
            position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            push, middle, scale = noise[position], location[position], self._scales[position]
            if position:
                moved = self._chain[position] @ residuals[:position]
                moved[1:] *= regimes
                push += moved.sum(axis=0)
            push *= spread[position]
            push += middle
            if position in held:
                low = high = held[position]
            values: Float[np.ndarray, "batch"] = np.maximum(scale.settle(push), low)
            np.minimum(values, high, out=values)
            residual = residuals[position]
            np.subtract(scale.scale(values), middle, out=residual)
            residual /= spread[position]
            np.maximum(residual, -_FARTHEST, out=residual)
            np.minimum(residual, _FARTHEST, out=residual)
            return values

        return self._balance.close(inputs[0], outlook, draw)

    def _forward(self, seen: Rows) -> tuple[Rows, Rows, Rows]:
        """Location and spread on the modelling scale, and the weights of the regimes."""
        count, batch, width = self._count, seen.shape[1], len(self._inner[0])
        out = np.empty((len(self._head[0]), batch), dtype=np.float32)
        location = np.empty((count, batch), dtype=np.float32)
        for begin in range(0, batch, _BLOCK):
            block = slice(begin, min(begin + _BLOCK, batch))
            both = self._first[0] @ seen[:, block]
            both += self._first[1]
            location[:, block] = both[width:]
            hidden = np.maximum(both[:width], 0.0, out=both[:width])
            hidden = self._inner[0] @ hidden
            hidden += self._inner[1]
            np.maximum(hidden, 0.0, out=hidden)
            np.matmul(self._head[0], hidden, out=out[:, block])
        out += self._head[1]
        location += out[:count]
        spread = out[count : 2 * count]
        root = spread * spread
        root += np.float32(4.0)
        np.sqrt(root, out=root)
        spread += root
        spread *= np.float32(0.5)
        spread += np.float32(SMALLEST_SPREAD)
        spread *= self._width
        return location, spread, out[2 * count :]

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats."""
        cells = Cells.of(transitions, self._balance, self._scaling)
        with torch.inference_mode():
            likelihood = cells.log_prob(self._network, slice(None))
        return np.asarray(likelihood.numpy(), dtype=float)

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """The empty system at opening on each kind of day."""
        return self._balance.openings

    def updated(
        self,
        transitions: Transitions,
        settings: FlowSettings,
        random: np.random.Generator,
        on_progress: Callable[[float], None],
    ) -> IntervalLaw:
        """Learn on from here on all these transitions."""
        kept, held = set_aside(transitions, settings.held_out, random)
        train = Cells.of(kept, self._balance, self._scaling)
        test = Cells.of(held, self._balance, self._scaling)
        network = _network(self._network.state_dict())
        refresh_arrivals(network, train, self._balance)
        best = climb(network, train, test, settings, settings.update_passes, random, on_progress)
        return IntervalLaw(self._balance, self._scaling, _network(best))

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        weights = {name: value.numpy() for name, value in self._network.state_dict().items()}
        return {**weights, **self._scaling.to_tensors(), **self._balance.to_tensors()}

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: SystemDescription
    ) -> IntervalLaw:
        """The law that `to_tensors` was asked of."""
        balance = FlowBalance.from_tensors(tensors, description)
        return cls(balance, Scaling.from_tensors(tensors), _network(tensors))


def _network(weights: Mapping[str, np.ndarray | torch.Tensor]) -> Chain:
    hidden, features = weights["body.0.weight"].shape
    regimes, coordinates, _ = weights["chain"].shape
    network = Chain(features, coordinates, hidden, regimes - 1)
    network.load_state_dict(
        {name: torch.as_tensor(weights[name]).clone() for name in network.state_dict()}
    )
    return network


def fit_intervals(
    transitions: Transitions,
    description: SystemDescription,
    settings: FlowSettings,
    random: np.random.Generator,
    on_progress: Callable[[float], None],
) -> IntervalLaw:
    """Fit by maximum likelihood, keeping the best pass by held-out likelihood."""
    balance = FlowBalance.learn(description, transitions)
    scaling = Scaling.of(transitions, balance)
    kept, held = set_aside(transitions, settings.held_out, random)
    train, test = (Cells.of(part, balance, scaling) for part in (kept, held))
    torch.manual_seed(int(random.integers(2**31)))
    features, coordinates = train.inputs.shape[1], len(balance.coordinates)
    network = Chain(features, coordinates, settings.hidden, settings.regimes)
    start(network, train, balance)
    best = climb(network, train, test, settings, settings.passes, random, on_progress)
    return IntervalLaw(balance, scaling, _network(best))


def _normals(random: np.random.Generator, shape: tuple[int, ...]) -> Rows:
    """Standard normals by pairs (Box and Muller), faster in single precision than one by one."""
    count = math.prod(shape)
    half = -(-count // 2)
    pairs = np.empty((2, half), dtype=np.float32)
    drawn = random.random((2, half), dtype=np.float32)
    # From [0, 1) to (0, 1], whose logarithm is finite.
    size = np.subtract(np.float32(1.0), drawn[0], out=drawn[0])
    np.log(size, out=size)
    size *= np.float32(-2.0)
    np.sqrt(size, out=size)
    turn = drawn[1]
    turn *= np.float32(2.0 * math.pi)
    np.cos(turn, out=pairs[0])
    np.sin(turn, out=pairs[1])
    pairs *= size
    return pairs.reshape(-1)[:count].reshape(shape)


class _FastScale:
    """A coordinate's scale in single precision, from its latent number to whole values and back."""

    def __init__(self, coordinate: Coordinate) -> None:
        self._is_idle, self._is_whole = coordinate.kind == "idle", coordinate.is_whole

    def settle(self, latent: Float32[np.ndarray, "batch"]) -> Float[np.ndarray, "batch"]:
        """Unscaled in place, whole where it counts, in double precision."""
        if self._is_idle:
            np.maximum(latent, -_MOST_IDLE, out=latent)
            np.minimum(latent, _MOST_IDLE, out=latent)
            np.exp(latent, out=latent)
            latent -= 1.0 / latent
            latent *= np.float32(0.5)
        else:
            np.maximum(latent, np.float32(0.0), out=latent)
            latent *= latent
        if self._is_whole:
            np.rint(latent, out=latent)
        return latent.astype(float)

    def scale(self, values: Float[np.ndarray, "batch"]) -> Float32[np.ndarray, "batch"]:
        """Onto the modelling scale."""
        single = values.astype(np.float32)
        if not self._is_idle:
            return np.sqrt(single, out=single)
        size = np.abs(single)
        root = size * size
        root += np.float32(1.0)
        size += np.sqrt(root, out=root)
        return np.copysign(np.log(size, out=size), single)
