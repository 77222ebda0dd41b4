"""Conditional quantiles of every free number: a law without a shape assumed beforehand.

A small network for each number gives its quantiles on a grid, trained by the pinball loss
(quantile-regression-based generative metamodelling, Hong et al. 2023). A draw is the quantile at a
uniform number, interpolated between levels; the numbers are drawn one after another, each network
seeing those before it. Quantiles cannot cross: each is the one below plus a positive step. Beyond
the outermost levels the tail falls exponentially, with the density that the last step has.

Draws and likelihood are of exactly this law, so the likelihood is one. Whole numbers are spread
over their rounding cells while the networks learn, so that rounding brings their masses back.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn

from sim.description import Description
from surrogates.coordinates import (
    Coordinate,
    Coordinates,
    learn_coordinates,
    relearn_coordinates,
    restore_coordinates,
)
from surrogates.dataset import Transitions, refuse_unusable
from surrogates.errors import InvalidDataset
from surrogates.lessons import Lessons, Scales, prepare
from surrogates.networks import Network, softplus
from surrogates.progress import Progress, unheard
from surrogates.quantile import interpolation
from surrogates.recorded import settings_from_tensors, settings_to_tensors
from surrogates.stepwise import LikelyStepwiseSurrogate

_SMALLEST_STEP = 1e-4
"""Between neighbouring quantiles, in spreads of the data: a law is never a point."""
_WARM_SHARE = 0.25
"""Share of a fit's passes that an update takes."""
Row = Float[np.ndarray, "batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileSettings:
    """How the networks are trained."""

    levels: int = 24
    """Quantiles on the grid, denser towards both ends."""
    outermost: float = 0.005
    """Probability beyond the last level at either end, where the tail is extrapolated."""
    hidden: int = 48
    """Width of the two hidden layers."""
    learning_rate: float = 3e-3
    """Peak of a one-cycle schedule (AdamW)."""
    batch_size: int = 256
    """Epochs a step looks at, for each number."""
    passes: int = 30
    """Passes over the data."""
    weight_decay: float = 1e-4
    """Decoupled decay of all weights."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (value > 0 or (field.name == "weight_decay" and value == 0)):
                raise InvalidDataset(f"{field.name} {value}: above 0")
        if self.levels < 3:
            raise InvalidDataset(f"levels {self.levels}: at least 3, a middle and two ends")
        if self.outermost >= 0.5:
            raise InvalidDataset(f"outermost {self.outermost}: below 0.5")

    @property
    def grid(self) -> Float[np.ndarray, "level"]:
        """The levels, evenly spaced in their logits."""
        edge = np.log(self.outermost / (1 - self.outermost))
        return np.asarray(1 / (1 + np.exp(-np.linspace(edge, -edge, self.levels))))


class QuantileSurrogate(LikelyStepwiseSurrogate):
    """Networks that give quantiles; see the module."""

    name = "quantile"

    def __init__(
        self,
        coordinates: Coordinates,
        scales: Scales,
        weights: dict[str, np.ndarray],
        settings: QuantileSettings,
    ) -> None:
        super().__init__(coordinates, scales)
        self.settings, self._weights = settings, weights
        self._levels = settings.grid.astype(np.float32)
        self._networks = [_network(weights, i) for i in range(len(coordinates.coordinates))]

    def quantiles(
        self, position: int, inputs: Float32[np.ndarray, "batch input"]
    ) -> Float32[np.ndarray, "batch level"]:
        """Quantiles of one number at the levels of the grid, standardised."""
        out = self._networks[position](inputs.T)
        out[0] += self._weights["skip"][position] @ inputs.T
        out[1:] = softplus(out[1:]) + np.float32(_SMALLEST_STEP)
        return np.cumsum(out, axis=0, out=out).T

    def _draw(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        random: np.random.Generator,
    ) -> Row:
        # Never 0, whose logarithm a tail asks for.
        uniform = 1.0 - random.random(len(inputs))
        drawn = interpolation.draw(self._levels, self.quantiles(position, inputs), uniform)
        return self.unscale(position, drawn)

    def _settled_log_prob(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        values: Row,
        low: Row,
        high: Row,
    ) -> Row:
        centre, spread = self._scales.coordinate[:, position]
        law = centre + spread * self.quantiles(position, inputs).astype(float)
        coordinate = self._coordinates.coordinates[position]
        return settled_log_prob(coordinate, values, low, high, self._levels.astype(float), law)

    def update(
        self,
        transitions: Transitions,
        random: np.random.Generator,
        on_progress: Progress | None = None,
    ) -> QuantileSurrogate:
        """Train the networks on from where they stand, in a quarter of the passes.

        Where the transitions have other free numbers, such as one that is negative for the first
        time, they begin anew.
        """
        refuse_unusable(transitions, self.description)
        free = relearn_coordinates(self._coordinates, transitions)
        if free.coordinates != self._coordinates.coordinates:
            return fit_quantile(transitions, self.description, self.settings, random, on_progress)
        targets = _Targets.of(transitions, free, self._scales)
        networks = _Networks.of(self._weights)
        passes = max(1, round(_WARM_SHARE * self.settings.passes))
        _train(networks, targets, self.settings, passes, random, on_progress or unheard)
        return QuantileSurrogate(free, self._scales, networks.arrays(), self.settings)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        return {
            **{f"networks.{name}": value for name, value in self._weights.items()},
            **self._scales.to_tensors(),
            **settings_to_tensors(self.settings),
            **self._coordinates.to_tensors(),
        }

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: Description
    ) -> QuantileSurrogate:
        """The surrogate that `to_tensors` was asked of."""
        prefix = "networks."
        return cls(
            restore_coordinates(description, tensors),
            Scales.from_tensors(tensors, description),
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)},
            settings_from_tensors(QuantileSettings, tensors),
        )


def settled_log_prob(
    coordinate: Coordinate,
    values: Row,
    low: Row,
    high: Row,
    levels: Float[np.ndarray, "level"],
    law: Float[np.ndarray, "batch level"],
) -> Row:
    """Log probability that a draw of the law settles at these values.

    As for latent normals: cells of whole numbers, with the tails in those at a bound; a mass at 0
    and a density above for measures; a density for other numbers.
    """
    if coordinate.is_whole:
        lower = interpolation.log_tails(levels, law, coordinate.scale(values - 0.5))
        upper = interpolation.log_tails(levels, law, coordinate.scale(values + 0.5))
        return _log_between(lower, upper, values <= low, values >= high)
    scaled = coordinate.scale(values)
    density = interpolation.log_density(levels, law, scaled)
    if coordinate.kind == "real":
        return density
    with np.errstate(divide="ignore"):
        # d sqrt(v) / dv = 1 / (2 sqrt(v)); the row of a value at 0 is replaced by its mass.
        steepness = -np.log(2.0) - 0.5 * np.log(values)
    mass, _ = interpolation.log_tails(levels, law, scaled)
    return np.asarray(np.where(values > 0.0, density + steepness, mass))


def _log_between(
    lower: tuple[Row, Row],
    upper: tuple[Row, Row],
    is_low: Bool[np.ndarray, "batch"],
    is_high: Bool[np.ndarray, "batch"],
) -> Row:
    """Log mass between two points, each given by its log tails (below, above)."""
    lower_below = np.where(is_low, -np.inf, lower[0])
    lower_above = np.where(is_low, 0.0, lower[1])
    upper_below = np.where(is_high, 0.0, upper[0])
    upper_above = np.where(is_high, -np.inf, upper[1])
    # The side on which both tails are small keeps the digits of their difference.
    is_left = upper_below < upper_above
    large = np.where(is_left, upper_below, lower_above)
    small = np.where(is_left, lower_below, upper_above)
    return np.asarray(large + np.log(-np.expm1(small - large)))


def _network(weights: dict[str, np.ndarray], number: int) -> Network:
    """One of the networks, to be asked without autograd."""
    return Network(
        [(weights[f"weights.{i}"][number], weights[f"biases.{i}"][number, 0]) for i in range(3)]
    )


class _Networks(nn.Module):
    """Inputs to quantiles of every number, all networks side by side."""

    def __init__(self, numbers: int, sizes: tuple[int, ...], seed: torch.Generator) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in pairwise(sizes):
            drawn = torch.randn(numbers, inputs, outputs, generator=seed) / inputs**0.5
            self.weights.append(nn.Parameter(drawn))
            self.biases.append(nn.Parameter(torch.zeros(numbers, 1, outputs)))
        self.skip = nn.Parameter(torch.zeros(numbers, sizes[0]))
        with torch.no_grad():
            self.weights[-1].mul_(0.1)

    @classmethod
    def of(cls, weights: dict[str, np.ndarray]) -> _Networks:
        """The networks whose arrays these are."""
        sizes = [weights[f"weights.{i}"].shape[1] for i in range(3)]
        levels = weights["weights.2"].shape[2]
        networks = cls(len(weights["skip"]), (*sizes, levels), torch.Generator())
        with torch.no_grad():
            for name, value in networks.named_parameters():
                value.copy_(torch.from_numpy(weights[name]))
        return networks

    def start_from(
        self, lines: Float[np.ndarray, "number weight"], around: Float[np.ndarray, "number level"]
    ) -> None:
        """Begin at lines with the quantiles of what they leave."""
        steps = np.maximum(np.diff(around, axis=1) - _SMALLEST_STEP, _SMALLEST_STEP)
        first = np.concatenate([lines[:, -1:] + around[:, :1], np.log(np.expm1(steps))], axis=1)
        with torch.no_grad():
            self.skip.copy_(torch.from_numpy(lines[:, :-1]))
            self.biases[-1].copy_(torch.from_numpy(first)[:, None])

    def forward(self, inputs: Tensor) -> Tensor:
        """Quantiles by number, row and level."""
        hidden = inputs
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = nn.functional.silu(torch.baddbmm(bias, hidden, weight))
        out = torch.baddbmm(self.biases[-1], hidden, self.weights[-1])
        base = out[..., :1] + torch.bmm(inputs, self.skip[..., None])
        steps = nn.functional.softplus(out[..., 1:]) + _SMALLEST_STEP
        return torch.cat([base, steps], dim=-1).cumsum(dim=-1)

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights by name, a network a row."""
        return {name: value.detach().numpy().copy() for name, value in self.named_parameters()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Targets:
    """What the networks learn from: inputs, and values spread over their cells."""

    lessons: Lessons
    values: Float[np.ndarray, "row coordinate"]
    coordinates: tuple[Coordinate, ...]
    scale: Float[np.ndarray, "2 coordinate"]

    @classmethod
    def of(
        cls,
        transitions: Transitions,
        free: Coordinates,
        scales: Scales,
        lessons: Lessons | None = None,
    ) -> _Targets:
        """Those of observed epochs."""
        return cls(
            lessons=lessons or prepare(transitions, free, scales)[1],
            values=free.encode(transitions)[0],
            coordinates=free.coordinates,
            scale=scales.coordinate,
        )

    def draw(
        self, rows: list[Int[np.ndarray, "chosen"]], random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Inputs of every network at its rows, and its targets, anywhere in their cells."""
        inputs = np.stack([self.lessons.inputs(i, r) for i, r in enumerate(rows)])
        targets = np.stack([self._target(i, r, random) for i, r in enumerate(rows)])
        return torch.from_numpy(inputs), torch.from_numpy(targets.astype(np.float32))

    def _target(
        self, position: int, rows: Int[np.ndarray, "chosen"], random: np.random.Generator
    ) -> Float[np.ndarray, "chosen"]:
        coordinate, (centre, spread) = self.coordinates[position], self.scale[:, position]
        place = random.random(len(rows)) - 0.5 if coordinate.is_whole else 0.0
        scaled = coordinate.scale(self.values[rows, position] + place)
        return np.asarray((scaled - centre) / spread)


def fit_quantile(
    transitions: Transitions,
    description: Description,
    settings: QuantileSettings,
    random: np.random.Generator,
    on_progress: Progress | None = None,
) -> QuantileSurrogate:
    """Train the networks from lines and the quantiles of what these leave."""
    refuse_unusable(transitions, description)
    free = learn_coordinates(description, transitions)
    scales, lessons = prepare(transitions, free)
    targets = _Targets.of(transitions, free, scales, lessons)
    lines = lessons.lines()
    seed = torch.Generator().manual_seed(int(random.integers(2**31)))
    sizes = (lines.shape[1] - 1, settings.hidden, settings.hidden, settings.levels)
    networks = _Networks(lessons.numbers, sizes, seed)
    networks.start_from(lines, _quantiles_around(lessons, lines, settings.grid))
    _train(networks, targets, settings, settings.passes, random, on_progress or unheard)
    return QuantileSurrogate(free, scales, networks.arrays(), settings)


def _quantiles_around(
    lessons: Lessons,
    lines: Float[np.ndarray, "number weight"],
    levels: Float[np.ndarray, "level"],
) -> Float[np.ndarray, "number level"]:
    found = []
    for position, line in enumerate(lines):
        rows = lessons.free_rows(position)
        straight = lessons.inputs(position, rows) @ line[:-1] + line[-1]
        found.append(np.quantile(lessons.targets[position, rows] - straight, levels))
    return np.array(found)


def _train(
    networks: _Networks,
    targets: _Targets,
    settings: QuantileSettings,
    passes: int,
    random: np.random.Generator,
    on_progress: Progress,
) -> None:
    free = [targets.lessons.free_rows(i) for i in range(targets.lessons.numbers)]
    steps = passes * int(np.ceil(len(targets.values) / settings.batch_size))
    optimiser = torch.optim.AdamW(
        networks.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps, pct_start=0.15
    )
    levels = torch.from_numpy(settings.grid.astype(np.float32))
    for step in range(steps):
        rows = [f[random.integers(len(f), size=settings.batch_size)] for f in free]
        inputs, seen = targets.draw(rows, random)
        off = seen[..., None] - networks(inputs)
        loss = torch.maximum(levels * off, (levels - 1.0) * off).mean(dim=(1, 2)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        on_progress((step + 1) / steps)
