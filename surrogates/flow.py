"""The flow surrogate: count likelihoods in the coordinates of the flow balance.

One network gives every free number of an epoch (see `balance`) a location, a spread and the
weight of the numbers before it, so the joint law is a chain of normals on the modelling scale. It
starts from a linear regression and learns what is left; for arrivals from outside it keeps to the
regression on what the calendar expected and today's surprises, because a flexible fit to the few
hundred days of a data set would forget how persistent a busy day is.

Whole numbers have the probability of their rounding cell, and the cells at a bound take the whole
tail: an empty queue or a fully busy team is an atom, not a density. Sampling draws the chain,
rounds and clips, and the balance does the rest, so customers are never lost or made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sim.description import Description
from surrogates.balance import FlowBalance
from surrogates.coordinates import Coordinates
from surrogates.dataset import Transitions
from surrogates.features import SystemFeatures
from surrogates.given import GivenArrivals, names_of_arrivals
from surrogates.interface import Epochs

_SMALLEST_SPREAD = 0.02
_LARGEST_RESIDUAL = 4.0
_LARGEST_EXPONENT = 80.0
_MEASURE_CELL = 0.1
"""Width in minutes of the cell that stands for a measure; its probability becomes a density."""
_NARROW_CELL = 0.1
"""Below this width, in spreads, a cell's probability is its middle density times its width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """How the network is trained."""

    hidden: int = 96
    """Width of the two hidden layers."""
    learning_rate: float = 3e-3
    """Peak of a one-cycle schedule."""
    batch_size: int = 256
    """Transitions per step."""
    passes: int = 60
    """Passes over the data; the best by held-out likelihood is kept."""
    held_out: float = 0.1
    """Share of episodes kept aside to choose the best pass."""
    weight_decay: float = 1e-4
    """Decoupled decay of all weights."""


class _Chain(nn.Module):
    """Features to location, log spread and chain weights of every coordinate."""

    learns: Tensor
    """1 for coordinates that the network may move, 0 for those kept to the regression."""

    def __init__(self, features: int, coordinates: int, hidden: int) -> None:
        super().__init__()
        width = 2 * coordinates + coordinates * (coordinates - 1) // 2
        self.body = nn.Sequential(
            nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        self.head = nn.Linear(hidden, width)
        self.skip = nn.Linear(features, coordinates)
        self.register_buffer("learns", torch.ones(coordinates))
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.weight.mul_(0.1)

    def start_from(self, regression: Tensor, learns: Tensor) -> None:
        """Set the linear part, a row a coordinate with its intercept last; fix it where told."""
        with torch.no_grad():
            self.skip.weight.copy_(regression[:, :-1])
            self.skip.bias.copy_(regression[:, -1])
            self.learns.copy_(learns)
        self.skip.weight.register_hook(lambda gradient: gradient * learns[:, None])
        self.skip.bias.register_hook(lambda gradient: gradient * learns)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count = self.skip.out_features
        out = self.head(self.body(inputs))
        location = out[:, :count] * self.learns + self.skip(inputs)
        spread = nn.functional.softplus(out[:, count : 2 * count] - 1.0) + _SMALLEST_SPREAD
        return location, spread, out[:, 2 * count :]


@dataclass(frozen=True, kw_only=True)
class FlowSurrogate:
    """A fitted flow surrogate; sampling is plain numpy on the network's weights."""

    description: Description
    weights: dict[str, np.ndarray]
    """Network weights and the scaling of features and coordinates, by name."""
    name: str = "flow"

    @cached_property
    def _balance(self) -> FlowBalance:
        return FlowBalance(self.description)

    @cached_property
    def _features(self) -> SystemFeatures:
        return SystemFeatures(self._balance.description)

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """The empty system at opening on each kind of day."""
        return self._balance.openings

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row, customers conserved exactly."""
        return self._sample(self._balance, states, decisions, parameters, random)

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        """Names of the outputs that count those who come, whatever is decided."""
        return names_of_arrivals(self._balance)

    def sample_given_arrivals(
        self, transitions: Transitions, random: np.random.Generator
    ) -> Epochs:
        """Draw one epoch for each transition, its arrivals from outside as they were seen."""
        t = transitions
        given = GivenArrivals(self._balance, t)
        return self._sample(given, t.state, t.decision, t.parameters, random)

    def _sample(
        self,
        balance: Coordinates,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        inputs = self._features.matrix(states, decisions, parameters)
        location, spread, chain = self._forward(inputs)
        count = len(balance.coordinates)
        noise = random.standard_normal((count, len(states)), dtype=np.float32)
        residuals = np.zeros((count, len(states)), dtype=np.float32)
        centre, width = self.weights["target_centre"], self.weights["target_width"]

        def draw(
            position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            coordinate = balance.coordinates[position]
            mean = location[position]
            if position:
                first = position * (position - 1) // 2
                weights = chain[first : first + position]
                mean = mean + np.einsum("kb,kb->b", weights, residuals[:position])
            latent = (mean + spread[position] * noise[position]).astype(float)
            values = coordinate.settle(latent * width[position] + centre[position], low, high)
            seen = (coordinate.scale(values) - centre[position]) / width[position]
            residuals[position] = np.clip(
                (seen - mean) / spread[position], -_LARGEST_RESIDUAL, _LARGEST_RESIDUAL
            )
            return values

        return balance.complete(states, decisions, parameters, draw)

    def _forward(
        self, inputs: Float[np.ndarray, "batch feature"]
    ) -> tuple[
        Float[np.ndarray, "coordinate batch"],
        Float[np.ndarray, "coordinate batch"],
        Float[np.ndarray, "pair batch"],
    ]:
        w = self.weights
        x = ((inputs - w["feature_centre"]) / w["feature_width"]).astype(np.float32)
        hidden = x
        for layer in ("body.0", "body.2"):
            hidden = hidden @ w[f"{layer}.weight"].T + w[f"{layer}.bias"]
            hidden = hidden / (1.0 + np.exp(np.minimum(-hidden, _LARGEST_EXPONENT)))
        out = w["head.weight"] @ hidden.T + w["head.bias"][:, None]
        count = len(w["skip.bias"])
        learnt = out[:count] * w["learns"][:, None]
        location = learnt + w["skip.weight"] @ x.T + w["skip.bias"][:, None]
        spread = np.logaddexp(0.0, out[count : 2 * count] - 1.0) + np.float32(_SMALLEST_SPREAD)
        return location, spread, out[2 * count :]

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats."""
        problem = _Problem.of(transitions, self.description, self.weights)
        with torch.inference_mode():
            likelihood = problem.log_prob(self.network(), problem.inputs, slice(None))
        return np.asarray(likelihood.numpy(), dtype=float)

    def network(self) -> nn.Module:
        """The trained network as a torch module, for gradients with respect to the inputs."""
        network = _Chain(*self._shape())
        scaling = {"feature_centre", "feature_width", "target_centre", "target_width"}
        network.load_state_dict(
            {k: torch.from_numpy(v) for k, v in self.weights.items() if k not in scaling}
        )
        return network.eval()

    def _shape(self) -> tuple[int, int, int]:
        hidden, features = self.weights["body.0.weight"].shape
        return features, len(self.weights["skip.bias"]), hidden

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to rebuild it with `from_tensors`."""
        return dict(self.weights)

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: Description
    ) -> FlowSurrogate:
        """Rebuild a saved surrogate for the system it was fitted on."""
        return cls(description=description, weights=dict(tensors))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    """Transitions as tensors: inputs, coordinates, and the edges of their rounding cells."""

    inputs: Tensor
    seen: Tensor
    lower: Tensor
    upper: Tensor
    at_low: Tensor
    at_high: Tensor
    log_cell: Tensor
    """Log width of the cells that stand for a density, 0 elsewhere."""

    @classmethod
    def of(
        cls, transitions: Transitions, description: Description, weights: dict[str, np.ndarray]
    ) -> _Problem:
        balance = FlowBalance(description)
        inputs = SystemFeatures(balance.description).matrix(
            transitions.state, transitions.decision, transitions.parameters
        )
        values, low, high = balance.encode(transitions)
        scaled = []
        for shift in (0.0, -0.5, 0.5):
            columns = [
                c.scale(values[:, i] + (shift if c.is_whole else _MEASURE_CELL * shift))
                for i, c in enumerate(balance.coordinates)
            ]
            scaled.append(
                (np.column_stack(columns) - weights["target_centre"]) / weights["target_width"]
            )
        is_density = np.array([not c.is_whole for c in balance.coordinates]) & (values > low)
        standard = (inputs - weights["feature_centre"]) / weights["feature_width"]
        return cls(
            inputs=torch.from_numpy(standard.astype(np.float32)),
            seen=torch.from_numpy(scaled[0].astype(np.float32)),
            lower=torch.from_numpy(scaled[1].astype(np.float32)),
            upper=torch.from_numpy(scaled[2].astype(np.float32)),
            at_low=torch.from_numpy(values <= low),
            at_high=torch.from_numpy(values >= high),
            log_cell=torch.from_numpy(np.float32(math.log(_MEASURE_CELL)) * is_density),
        )

    def log_prob(self, network: nn.Module, inputs: Tensor, rows: Tensor | slice) -> Tensor:
        """Log probability of the cells of the given rows, summed over coordinates."""
        location, spread, chain = network(inputs)
        seen = self.seen[rows]
        residuals: list[Tensor] = []
        means = []
        for position in range(seen.shape[1]):
            mean = location[:, position]
            if position:
                first = position * (position - 1) // 2
                weights = chain[:, first : first + position]
                mean = mean + (weights * torch.stack(residuals, dim=1)).sum(dim=1)
            means.append(mean)
            residual = (seen[:, position] - mean) / spread[:, position]
            residuals.append(residual.clamp(-_LARGEST_RESIDUAL, _LARGEST_RESIDUAL))
        mean = torch.stack(means, dim=1)
        cells = _cell_log_prob(
            (self.lower[rows] - mean) / spread,
            (self.upper[rows] - mean) / spread,
            self.at_low[rows],
            self.at_high[rows],
        )
        return (cells - self.log_cell[rows]).sum(dim=1)


def _cell_log_prob(lower: Tensor, upper: Tensor, at_low: Tensor, at_high: Tensor) -> Tensor:
    """Log normal probability of (lower, upper), with the tail beyond a bound added to its cell."""
    middle, width = (lower + upper) / 2, upper - lower
    density = -0.5 * middle**2 - 0.5 * math.log(2 * math.pi) + torch.log(width.clamp_min(1e-6))
    # Flipped to the left tail, where the logarithm of the distribution function is exact.
    sign = torch.where(middle > 0, -1.0, 1.0)
    far, near = torch.minimum(sign * lower, sign * upper), torch.maximum(sign * lower, sign * upper)
    log_near, log_far = torch.special.log_ndtr(near), torch.special.log_ndtr(far)
    gap = (log_far - log_near).clamp_max(-1e-4)
    exact = log_near + torch.log1p(-torch.exp(gap))
    inside = torch.where(width < _NARROW_CELL, density, exact)
    bounded = torch.where(at_high, torch.special.log_ndtr(-lower), inside)
    bounded = torch.where(at_low, torch.special.log_ndtr(upper), bounded)
    return torch.where(at_low & at_high, torch.zeros_like(bounded), bounded)


def fit_flow(
    transitions: Transitions,
    description: Description,
    settings: FlowSettings,
    random: np.random.Generator,
    on_progress: Callable[[float], None] | None = None,
) -> FlowSurrogate:
    """Fit by maximum likelihood, keeping the best pass by held-out likelihood."""
    weights = _scaling(transitions, description)
    kept, held = transitions.split(settings.held_out, random)
    train = _Problem.of(kept, description, weights)
    test = _Problem.of(held, description, weights)
    torch.manual_seed(int(random.integers(2**31)))
    network = _Chain(train.inputs.shape[1], train.seen.shape[1], settings.hidden)
    network.start_from(*_regression(train, description))
    best = _train(network, train, test, settings, random, on_progress or _unheard)
    weights |= {name: value.numpy() for name, value in best.items()}
    return FlowSurrogate(description=description, weights=weights)


def _unheard(share: float) -> None:
    """For those who do not watch."""


def _scaling(transitions: Transitions, description: Description) -> dict[str, np.ndarray]:
    balance = FlowBalance(description)
    inputs = SystemFeatures(balance.description).matrix(
        transitions.state, transitions.decision, transitions.parameters
    )
    values, _, _ = balance.encode(transitions)
    targets = np.column_stack([c.scale(values[:, i]) for i, c in enumerate(balance.coordinates)])
    return {
        "feature_centre": inputs.mean(axis=0),
        "feature_width": np.maximum(inputs.std(axis=0), 1e-6),
        "target_centre": targets.mean(axis=0),
        "target_width": np.maximum(targets.std(axis=0), 1e-3),
    }


def _regression(problem: _Problem, description: Description) -> tuple[Tensor, Tensor]:
    """Ridge regressions of all coordinates, those from outside on expectations alone."""
    balance = FlowBalance(description)
    features, coordinates = SystemFeatures(balance.description), balance.coordinates
    learns = torch.tensor([float(c.kind != "exogenous") for c in coordinates])
    inputs = torch.cat([problem.inputs, torch.ones(len(problem.inputs), 1)], dim=1).double()
    result = torch.zeros(len(coordinates), inputs.shape[1], dtype=torch.float64)
    every = list(range(inputs.shape[1]))
    outside = [*features.exogenous, inputs.shape[1] - 1]
    for position, is_inside in enumerate(learns.bool().tolist()):
        chosen = every if is_inside else outside
        x, y = inputs[:, chosen], problem.seen[:, position].double()
        gram = x.T @ x + 1e-3 * len(x) ** 0.5 * torch.eye(len(chosen), dtype=torch.float64)
        result[position, chosen] = torch.linalg.solve(gram, x.T @ y)
    return result.float(), learns


def _train(
    network: _Chain,
    train: _Problem,
    test: _Problem,
    settings: FlowSettings,
    random: np.random.Generator,
    on_progress: Callable[[float], None],
) -> dict[str, Tensor]:
    steps = math.ceil(len(train.inputs) / settings.batch_size)
    linear = [p for name, p in network.named_parameters() if name.startswith("skip")]
    learnt = [p for name, p in network.named_parameters() if not name.startswith("skip")]
    optimiser = torch.optim.AdamW(
        [
            {"params": learnt, "weight_decay": settings.weight_decay},
            {"params": linear, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps * settings.passes, pct_start=0.15
    )
    best, best_value = {k: v.clone() for k, v in network.state_dict().items()}, -math.inf
    for done in range(settings.passes):
        order = torch.from_numpy(random.permutation(len(train.inputs)))
        for rows in order.split(settings.batch_size):
            loss = -train.log_prob(network, train.inputs[rows], rows).mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
        with torch.inference_mode():
            value = float(test.log_prob(network, test.inputs, slice(None)).mean())
        if value > best_value:
            best_value = value
            best = {k: v.detach().clone() for k, v in network.state_dict().items()}
        on_progress((done + 1) / settings.passes)
    return best
