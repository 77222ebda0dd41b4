"""The law of epochs that end with events: rates of events, as in a race, and what they bring.

Every event that may happen has a rate; the first to happen ends the epoch, and brings one of the
patterns that it may bring. Where all times are exponential that is exact: the chance of an event
is its share of the total rate, and the epoch lasts an exponential time of the total.

Rates come from trees (`routing`), for who is at work has sharp edges: somebody waits or nobody
does, a server helps or does not. A network gives the chances of the patterns that an event may
bring, and, where times are not exponential, how much longer than the race an epoch lasts and how
regular it is (a gamma law).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sim.description import SystemDescription
from surrogates.ahead import rows_of
from surrogates.dataset import Transitions
from surrogates.flow.ascent import climb
from surrogates.flow.patterns import Patterns
from surrogates.flow.questions import Asked, smooth_inputs
from surrogates.flow.routing import SHORTEST, Routing
from surrogates.flow.settings import FlowSettings
from surrogates.interface import Epochs

_IMPOSSIBLE = -1e9
_MOST_LOGIT, _MOST_RATE = 15.0, 40.0
_SHAPES = (-3.0, 5.0)
"""Logarithms of the least and most regular gamma law."""


class Race(nn.Module):
    """Inputs to weights of patterns, log stretch and log shape of the duration."""

    centre: Tensor
    width: Tensor

    def __init__(self, inputs: int, patterns: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("width", torch.ones(inputs))
        self.body = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.head = nn.Linear(hidden, patterns + 2)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights of patterns, log stretch and log shape."""
        out = self.head(self.body((inputs - self.centre) / self.width))
        weights = out[:, :-2].clamp(-_MOST_LOGIT, _MOST_LOGIT)
        return weights, out[:, -2], out[:, -1].clamp(*_SHAPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Observed epochs as tensors."""

    inputs: Tensor
    rates: Tensor
    """Log rates of events; impossible ones by a number that says so."""
    feasible: Tensor
    events: Tensor
    """Which event each pattern is one of."""
    which: Tensor
    """Numbers of their patterns; 0 where the pattern is none that may happen."""
    is_known: Tensor
    duration: Tensor
    surprise: float
    """Log probability that something happens that is not in the table."""

    @classmethod
    def of(cls, transitions: Transitions, routing: Routing) -> Events:
        """The events of observed epochs."""
        patterns = routing.patterns
        asked, which = patterns.ask_again(transitions), patterns.find(transitions)
        feasible = patterns.feasible(asked.states)
        is_known = (which >= 0) & feasible[which, np.arange(len(which))]
        rates = np.where(patterns.members @ feasible > 0.0, routing.rates(asked), _IMPOSSIBLE)
        inputs = smooth_inputs(asked, patterns.description)
        return cls(
            inputs=torch.from_numpy(inputs.T.astype(np.float32)),
            rates=torch.from_numpy(rates.T.astype(np.float32)),
            feasible=torch.from_numpy(np.ascontiguousarray(feasible.T)),
            events=torch.from_numpy(patterns.events),
            which=torch.from_numpy(np.where(is_known, which, 0)),
            is_known=torch.from_numpy(is_known),
            duration=torch.from_numpy(np.maximum(transitions.duration, SHORTEST)).float(),
            surprise=-math.log(patterns.seen.sum() + 1.0),
        )

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Tensor) -> Events:
        """Those of the given rows, in their order."""
        by_row = ("inputs", "rates", "feasible", "which", "is_known", "duration")
        return replace(self, **{name: getattr(self, name).index_select(0, rows) for name in by_row})

    def log_prob(self, network: nn.Module, rows: slice) -> Tensor:
        """Log probability of the pattern plus log density of the duration."""
        assert isinstance(network, Race)
        weights, stretch, shape = network(self.inputs[rows])
        rates, which = self.rates[rows], self.which[rows][:, None]
        total, event = torch.logsumexp(rates, dim=1), self.events[which]
        may = self.feasible[rows] & (self.events == event)
        alike = torch.logsumexp(weights.masked_fill(~may, _IMPOSSIBLE), dim=1)
        chosen = rates.gather(1, event)[:, 0] - total + weights.gather(1, which)[:, 0] - alike
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
    """A fitted race between a system's events, and the patterns that these bring."""

    def __init__(self, routing: Routing, network: Race) -> None:
        self._routing, self._network = routing, network.eval()
        self._patterns = patterns = routing.patterns
        self._members, self._events = patterns.members, patterns.events[:, None]
        w = {name: value.numpy() for name, value in network.state_dict().items()}
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
        asked = self._patterns.ask(states, decisions, parameters)
        feasible = self._patterns.feasible(asked.states)
        event, total = _draw(self._race(asked, feasible), random)
        out = self._answer(asked)
        weights = self._weights(out, feasible & (self._events == event))
        which, _ = _draw(weights, random)
        mean = self._stretch(out) / np.where(total > 0.0, total, 1.0)
        power = np.exp(np.clip(out[-1], *_SHAPES)).astype(float)
        durations = random.standard_gamma(power) * mean / power
        return self._patterns.complete(asked, np.where(total > 0.0, which, -1), durations)

    def rates(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch event"]:
        """How often each event happens in these states, per minute."""
        rates = self.pattern_rates(states, decisions, parameters)
        return np.asarray(rates @ self._members.T, dtype=float)

    def pattern_rates(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch pattern"]:
        """How often each pattern happens, per minute; those of an event share its rate."""
        asked = self._patterns.ask(states, decisions, parameters)
        feasible = self._patterns.feasible(asked.states)
        out = self._answer(asked)
        weights, events = self._weights(out, feasible), self._patterns.events
        alike = (self._members @ weights)[events]
        chances = weights / np.where(alike > 0.0, alike, 1.0)
        rates = self._race(asked, feasible)[events] * chances / self._stretch(out)
        return np.asarray(rates.T, dtype=float)

    def _race(
        self, asked: Asked, feasible: Bool[np.ndarray, "pattern batch"]
    ) -> Float[np.ndarray, "event batch"]:
        """Rates of events before durations are stretched."""
        rates = np.exp(np.clip(self._routing.rates(asked), -_MOST_RATE, _MOST_RATE))
        return np.asarray(rates * (self._members @ feasible > 0.0))

    def _answer(self, asked: Asked) -> Float[np.ndarray, "out batch"]:
        """The network's weights of patterns, log stretch and log shape."""
        seen = smooth_inputs(asked, self._patterns.description)
        hidden = ((seen - self._centre) / self._width).astype(np.float32)
        for weight, bias in self._layers[:-1]:
            hidden = np.maximum(weight @ hidden + bias, 0.0)
        weight, bias = self._layers[-1]
        return np.asarray(weight @ hidden + bias)

    @staticmethod
    def _weights(
        out: Float[np.ndarray, "out batch"], may: Bool[np.ndarray, "pattern batch"]
    ) -> Float[np.ndarray, "pattern batch"]:
        return np.asarray(np.exp(np.clip(out[:-2], -_MOST_LOGIT, _MOST_LOGIT)) * may)

    @staticmethod
    def _stretch(out: Float[np.ndarray, "out batch"]) -> Float[np.ndarray, "batch"]:
        return np.asarray(np.exp(np.clip(out[-2], -_MOST_LOGIT, _MOST_LOGIT)))

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
        events = Events.of(transitions, self._routing)
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
        """Learn on from here on all these transitions, new patterns among them.

        The trees, which are quick to grow, are grown afresh.
        """
        patterns = Patterns.learn(self._patterns.description, transitions)
        network = _network(self._weights_for(patterns, transitions))
        routing = Routing.learn(transitions, patterns)
        train, test = _sides(transitions, routing, settings)
        passes = settings.update_passes_over(len(train))
        best = climb(network, train, test, settings, passes, random, on_progress)
        return JumpLaw(routing, _plainest(_network(best), test))

    def _weights_for(self, patterns: Patterns, transitions: Transitions) -> dict[str, np.ndarray]:
        """The network's weights with rows for other patterns, new ones as they start."""
        weights = {name: v.numpy() for name, v in self._network.state_dict().items()}
        mine = patterns.match(self._patterns)
        rows, is_new = np.concatenate([mine, [-2, -1]]), np.concatenate([mine < 0, [False, False]])
        weights["head.weight"] = weights["head.weight"][rows] * ~is_new[:, None]
        weights["head.bias"] = weights["head.bias"][rows]
        weights["head.bias"][is_new] = _start(transitions, patterns)[is_new]
        return weights

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        weights = {name: v.numpy() for name, v in self._network.state_dict().items()}
        return {**weights, **self._patterns.to_tensors(), **self._routing.to_tensors()}

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: SystemDescription
    ) -> JumpLaw:
        """The law that `to_tensors` was asked of."""
        patterns = Patterns.from_tensors(tensors, description)
        return cls(Routing.from_tensors(tensors, patterns), _network(tensors))


def fit_jumps(
    transitions: Transitions,
    description: SystemDescription,
    settings: FlowSettings,
    random: np.random.Generator,
    on_progress: Callable[[float], None],
) -> JumpLaw:
    """Fit by maximum likelihood, keeping the best pass by held-out likelihood."""
    patterns = Patterns.learn(description, transitions)
    routing = Routing.learn(transitions, patterns)
    train, test = _sides(transitions, routing, settings)
    torch.manual_seed(int(random.integers(2**31)))
    network = Race(train.inputs.shape[1], len(patterns), settings.hidden)
    spread = train.inputs.std(dim=0)
    with torch.no_grad():
        network.centre.copy_(train.inputs.mean(dim=0))
        network.width.copy_(torch.where(spread > 1e-6, spread, 1.0))
        network.head.bias.copy_(torch.from_numpy(_start(transitions, patterns)))
    passes = settings.passes_over(len(train))
    best = climb(network, train, test, settings, passes, random, on_progress)
    return JumpLaw(routing, _plainest(_network(best), test))


def _plainest(network: Race, held: Events) -> Race:
    """The network without its word on durations where held-out epochs are told as well by the race.

    As well is: within two standard errors. Where all times are exponential nothing is left to say,
    and noise in how long states last is taken by a policy for what its decisions bring.
    """
    plain = _network(network.state_dict())
    with torch.inference_mode():
        for values in (plain.head.weight, plain.head.bias):
            values[-2:] = 0.0
        gain = held.log_prob(network, slice(None)) - held.log_prob(plain, slice(None))
    doubt = 2.0 * float(gain.std(correction=0)) / math.sqrt(len(gain))
    return plain if float(gain.mean()) <= doubt else network


def _sides(
    transitions: Transitions, routing: Routing, settings: FlowSettings
) -> tuple[Events, Events]:
    """The rows that a network learns from, and those that choose the best pass."""
    kept, held = transitions.set_aside(settings.held_out)
    return Events.of(kept, routing), Events.of(held, routing)


def _start(transitions: Transitions, patterns: Patterns) -> Float[np.ndarray, "out"]:
    """Logarithms of patterns counted over when they could have happened; durations as they are."""
    possible = patterns.feasible(rows_of(transitions.state)).sum(axis=1)
    weights = np.log(patterns.seen / np.maximum(possible, 1.0))
    return np.concatenate([weights, [0.0, 0.0]]).astype(np.float32)


def _draw(
    weights: Float[np.ndarray, "choice batch"], random: np.random.Generator
) -> tuple[Int[np.ndarray, "batch"], Float[np.ndarray, "batch"]]:
    """One choice for each column by its weights, and their sum; where that is 0 any."""
    reached = np.cumsum(weights, axis=0)
    total = reached[-1]
    # Of a number below 1 the product is below the total, so a choice with a weight is found.
    drawn = random.random(len(total), dtype=np.float32) * total
    return np.minimum((reached <= drawn).sum(axis=0), len(weights) - 1), total


def _network(weights: Mapping[str, np.ndarray | Tensor]) -> Race:
    hidden, inputs = weights["body.0.weight"].shape
    network = Race(inputs, len(weights["head.bias"]) - 2, hidden)
    network.load_state_dict(
        {name: torch.as_tensor(weights[name]).clone() for name in network.state_dict()}
    )
    return network
