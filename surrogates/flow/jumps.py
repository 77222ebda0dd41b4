"""The law of epochs that end with events: rates of events, as in a race, and what they bring.

Every event that may happen has a rate, which a network gives; the first to happen ends the epoch,
and the network gives the chances of the patterns that it may bring. Where all times are
exponential that is exact: the chance of an event is its share of the total rate, and the epoch
lasts an exponential time of the total. Where they are not, the network also learns how much longer
than that an epoch lasts and how regular it is (a gamma law). The rates start from events counted
over the time in which they could have happened, and from what is known of parameters: that they
multiply arrival rates and divide those of services.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sim.description import SystemDescription
from surrogates.ahead import rows_of
from surrogates.dataset import Transitions
from surrogates.flow.ascent import climb, set_aside
from surrogates.flow.patterns import Patterns, inputs_of, rows_asked
from surrogates.flow.settings import FlowSettings
from surrogates.interface import Epochs

_IMPOSSIBLE = -1e9
_MOST_LOGIT, _MOST_RATE = 15.0, 40.0
_SHORTEST = 1e-9
"""Minutes; events at the same moment have a density of their own."""
_SHAPES = (-3.0, 5.0)
"""Logarithms of the least and most regular gamma law."""


class Race(nn.Module):
    """Inputs to weights of patterns, log rates of events, log stretch and shape of the duration."""

    centre: Tensor
    width: Tensor
    powers: Tensor
    """Of the parameters, whose logarithms are the last inputs, in the rate of each event."""
    members: Tensor
    """1 where a pattern is one of an event."""

    def __init__(self, inputs: int, members: Tensor, powers: Tensor, hidden: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("width", torch.ones(inputs))
        self.register_buffer("members", members)
        self.register_buffer("powers", powers)
        self.body = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.head = nn.Linear(hidden, sum(members.shape) + 2)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log weights of patterns, log rates of events, log stretch and log shape."""
        out = self.head(self.body((inputs - self.centre) / self.width))
        patterns = self.members.shape[1]
        scales = inputs[:, inputs.shape[1] - self.powers.shape[1] :]
        rates = out[:, patterns:-2] + scales @ self.powers.T
        weights = out[:, :patterns].clamp(-_MOST_LOGIT, _MOST_LOGIT)
        return weights, rates, out[:, -2], out[:, -1].clamp(*_SHAPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Observed epochs as tensors."""

    inputs: Tensor
    feasible: Tensor
    which: Tensor
    """Numbers of their patterns; 0 where the pattern is none that may happen."""
    is_known: Tensor
    duration: Tensor
    surprise: float
    """Log probability that something happens that is not in the table."""

    @classmethod
    def of(cls, transitions: Transitions, patterns: Patterns) -> Events:
        """The events of observed epochs."""
        asked = rows_asked(transitions)
        which, feasible = patterns.find(transitions), patterns.feasible(asked[0])
        is_known = (which >= 0) & feasible[which, np.arange(len(which))]
        inputs = inputs_of(*asked, patterns.description)
        return cls(
            inputs=torch.from_numpy(inputs.T.astype(np.float32)),
            feasible=torch.from_numpy(np.ascontiguousarray(feasible.T)),
            which=torch.from_numpy(np.where(is_known, which, 0)),
            is_known=torch.from_numpy(is_known),
            duration=torch.from_numpy(np.maximum(transitions.duration, _SHORTEST)).float(),
            surprise=-math.log(patterns.seen.sum() + 1.0),
        )

    def __len__(self) -> int:
        return len(self.inputs)

    def log_prob(self, network: nn.Module, rows: Tensor | slice) -> Tensor:
        """Log probability of the pattern plus log density of the duration."""
        assert isinstance(network, Race)
        weights, rates, stretch, shape = network(self.inputs[rows])
        sums = (torch.exp(weights) * self.feasible[rows]) @ network.members.T
        total = torch.logsumexp(rates.masked_fill(sums <= 0.0, _IMPOSSIBLE), dim=1)
        which = self.which[rows][:, None]
        event = network.members.argmax(dim=0)[which]
        share = weights.gather(1, which) - torch.log(sums.gather(1, event).clamp_min(1e-30))
        chosen = (rates.gather(1, event) + share)[:, 0] - total
        usual = math.log1p(-math.exp(self.surprise))
        pattern: Tensor = torch.where(self.is_known[rows], chosen + usual, self.surprise)
        # A state in which nothing known may happen tells nothing of how long it lasts.
        pace = torch.where(total > _IMPOSSIBLE / 2, total, 0.0) - stretch + shape
        minutes, power = self.duration[rows], torch.exp(shape)
        duration: Tensor = (
            power * pace
            + (power - 1.0) * torch.log(minutes)
            - minutes * torch.exp(pace)
            - torch.lgamma(power)
        )
        return pattern + duration


class JumpLaw:
    """A fitted race between the patterns of a system's events."""

    def __init__(self, patterns: Patterns, network: Race) -> None:
        self._patterns, self._network = patterns, network.eval()
        w = {name: value.numpy() for name, value in network.state_dict().items()}
        self._powers, self._members = w["powers"], w["members"]
        self._centre, self._width = w["centre"][:, None], w["width"][:, None]
        self._layers = [
            (w[f"{name}.weight"], w[f"{name}.bias"][:, None])
            for name in ("body.0", "body.2", "head")
        ]

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one event for each row, and the time until it."""
        asked = rows_of(states), rows_of(decisions), rows_of(parameters)
        rates, stretch, shape = self._rates(*asked)
        reached = np.cumsum(rates, axis=0)
        total = reached[-1]
        # Of a number below 1 the product is below the total, so a pattern with a rate is found.
        drawn = random.random(len(total), dtype=np.float32) * total
        which = np.where(total > 0.0, (reached <= drawn).sum(axis=0), -1)
        which = np.minimum(which, len(rates) - 1)
        mean = np.exp(stretch) / np.where(total > 0.0, total, 1.0)
        power = np.exp(np.clip(shape, *_SHAPES)).astype(float)
        durations = random.standard_gamma(power) * mean / power
        return self._patterns.complete(*asked, which, durations)

    def rates(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch pattern"]:
        """How often each pattern happens in these states, per minute."""
        asked = rows_of(states), rows_of(decisions), rows_of(parameters)
        rates, stretch, _ = self._rates(*asked)
        return np.asarray((rates / np.exp(stretch)).T, dtype=float)

    def _rates(
        self,
        states: Float[np.ndarray, "state batch"],
        decisions: Float[np.ndarray, "lever batch"],
        parameters: Float[np.ndarray, "parameter batch"],
    ) -> tuple[
        Float[np.ndarray, "pattern batch"], Float[np.ndarray, "batch"], Float[np.ndarray, "batch"]
    ]:
        seen = inputs_of(states, decisions, parameters, self._patterns.description)
        hidden = ((seen - self._centre) / self._width).astype(np.float32)
        for weight, bias in self._layers[:-1]:
            hidden = np.maximum(weight @ hidden + bias, 0.0)
        weight, bias = self._layers[-1]
        out = weight @ hidden + bias
        patterns = self._members.shape[1]
        weights = np.clip(out[:patterns], -_MOST_LOGIT, _MOST_LOGIT)
        np.exp(weights, out=weights)
        weights *= self._patterns.feasible(states)
        sums = self._members @ weights
        rates = out[patterns:-2] + self._powers @ np.log(parameters).astype(np.float32)
        rates = np.exp(np.clip(rates, -_MOST_RATE, _MOST_RATE))
        rates /= np.where(sums > 0.0, sums, 1.0)
        weights *= rates[self._members.argmax(axis=0)]
        return weights, np.clip(out[-2], -_MOST_LOGIT, _MOST_LOGIT), out[-1]

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        """None: which event comes is one throw, of which an arrival is no part of its own."""
        return ()

    def sample_given_arrivals(
        self, transitions: Transitions, random: np.random.Generator
    ) -> Epochs:
        """Draw one epoch for each transition; nothing of it can be held."""
        t = transitions
        return self.sample(t.state, t.decision, t.parameters, random)

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats; what follows from the event adds nothing."""
        events = Events.of(transitions, self._patterns)
        with torch.inference_mode():
            likelihood = events.log_prob(self._network, slice(None))
        return np.asarray(likelihood.numpy(), dtype=float)

    @property
    def patterns(self) -> Patterns:
        """What may happen."""
        return self._patterns

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """The empty system at opening on each kind of day."""
        description = self._patterns.description
        days = description.calendar.values.shape[0]
        return np.array([description.initial_state(day) for day in range(days)])

    def updated(
        self,
        transitions: Transitions,
        settings: FlowSettings,
        random: np.random.Generator,
        on_progress: Callable[[float], None],
    ) -> JumpLaw:
        """Learn on from here on all these transitions, new patterns among them."""
        patterns = Patterns.learn(self._patterns.description, transitions)
        network = _network(self._weights_for(patterns, transitions))
        train, test = _parts(transitions, patterns, settings, random)
        passes = settings.update_passes_over(len(train))
        best = climb(network, train, test, settings, passes, random, on_progress)
        return JumpLaw(patterns, _network(best))

    def _weights_for(self, patterns: Patterns, transitions: Transitions) -> dict[str, np.ndarray]:
        weights = {name: v.numpy() for name, v in self._network.state_dict().items()}
        mine, members = patterns.match(self._patterns), _members(patterns)
        was = self._patterns.events
        # An event is an old one when any of its patterns is.
        event = np.full(len(members), -1)
        event[patterns.events[mine >= 0]] = was[mine[mine >= 0]]
        rows = np.concatenate(
            [mine, np.where(event < 0, -1, len(self._patterns) + event), [-2, -1]]
        )
        is_new = np.concatenate([mine < 0, event < 0, [False, False]])
        weights["head.weight"] = weights["head.weight"][rows] * ~is_new[:, None]
        bias = weights["head.bias"][rows]
        bias[is_new] = _start(transitions, patterns)[is_new]
        return {
            **weights,
            "head.bias": bias,
            "members": members,
            "powers": patterns.powers().astype(np.float32),
        }

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        weights = {name: v.numpy() for name, v in self._network.state_dict().items()}
        return {**weights, **self._patterns.to_tensors()}

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: SystemDescription
    ) -> JumpLaw:
        """The law that `to_tensors` was asked of."""
        return cls(Patterns.from_tensors(tensors, description), _network(tensors))


def fit_jumps(
    transitions: Transitions,
    description: SystemDescription,
    settings: FlowSettings,
    random: np.random.Generator,
    on_progress: Callable[[float], None],
) -> JumpLaw:
    """Fit by maximum likelihood, keeping the best pass by held-out likelihood."""
    patterns = Patterns.learn(description, transitions)
    train, test = _parts(transitions, patterns, settings, random)
    torch.manual_seed(int(random.integers(2**31)))
    members = torch.from_numpy(_members(patterns))
    powers = torch.from_numpy(patterns.powers()).float()
    network = Race(train.inputs.shape[1], members, powers, settings.hidden)
    with torch.no_grad():
        network.centre.copy_(train.inputs.mean(dim=0))
        spread = train.inputs.std(dim=0)
        network.width.copy_(torch.where(spread > 1e-6, spread, 1.0))
        network.head.bias.copy_(torch.from_numpy(_start(transitions, patterns)))
    passes = settings.passes_over(len(train))
    best = climb(network, train, test, settings, passes, random, on_progress)
    return JumpLaw(patterns, _network(best))


def _parts(
    transitions: Transitions,
    patterns: Patterns,
    settings: FlowSettings,
    random: np.random.Generator,
) -> tuple[Events, Events]:
    kept, held = set_aside(transitions, settings.held_out, random)
    return Events.of(kept, patterns), Events.of(held, patterns)


def _members(patterns: Patterns) -> Float[np.ndarray, "event pattern"]:
    events = patterns.events
    matrix = events[None, :] == np.arange(events.max() + 1)[:, None]
    return np.asarray(matrix, dtype=np.float32)


def _start(transitions: Transitions, patterns: Patterns) -> Float[np.ndarray, "out"]:
    """Logarithms of patterns and of events counted over when they could have happened."""
    members, possible = _members(patterns), patterns.feasible(rows_of(transitions.state))
    scales = np.exp(patterns.powers() @ np.log(transitions.parameters.T))
    weights = np.log(patterns.seen / np.maximum(possible.sum(axis=1), 1.0))
    minutes = ((members @ possible > 0) * scales) @ transitions.duration
    rates = np.log(members @ patterns.seen / np.maximum(minutes, _SHORTEST))
    return np.concatenate([weights, rates, [0.0, 0.0]]).astype(np.float32)


def _network(weights: Mapping[str, np.ndarray | Tensor]) -> Race:
    hidden, inputs = weights["body.0.weight"].shape
    members, powers = (torch.as_tensor(weights[name]) for name in ("members", "powers"))
    network = Race(inputs, members, powers, hidden)
    network.load_state_dict(
        {name: torch.as_tensor(weights[name]).clone() for name in network.state_dict()}
    )
    return network
