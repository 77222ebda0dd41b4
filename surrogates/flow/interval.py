"""The law of epochs that last a known time: count likelihoods in the flow balance's coordinates.

The folded chain draws the free numbers, the balance does the rest, so customers are never lost or
made. Arrays have a row a name and a column an epoch; the chain works in single precision, the
balance in double.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float

from sim.description import SystemDescription
from surrogates.ahead import rows_of
from surrogates.coordinates import FlowBalance
from surrogates.dataset import Transitions
from surrogates.features import SystemFeatures
from surrogates.flow.ascent import climb
from surrogates.flow.chain import (
    Cells,
    Chain,
    Scaling,
    refresh_arrivals,
    start,
)
from surrogates.flow.folded import FoldedChain
from surrogates.flow.settings import FlowSettings
from surrogates.given import names_of_arrivals
from surrogates.interface import Epochs


class IntervalLaw:
    """A fitted network over the coordinates of a system's flow balance."""

    def __init__(self, balance: FlowBalance, scaling: Scaling, network: Chain) -> None:
        self._balance, self._scaling, self._network = balance, scaling, network.eval()
        self._features = SystemFeatures(balance.description)
        self._folded = FoldedChain(balance.coordinates, scaling, _arrays(self._network))

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
        seen = np.empty((self._features.count + 1, len(states)), dtype=np.float32)
        self._features.write(*inputs, outlook, seen[:-1])
        seen[-1] = 1.0
        draws = self._folded.draws(seen, random)

        def draw(
            position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            if position not in held:
                return draws.settle(position, low, high)
            draws.see(position, held[position])
            return held[position]

        return self._balance.close(inputs[0], outlook, draw, draws.hear)

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
        """Learn on from here on all these transitions.

        Where another way out of a team is the largest by now, or servers are shared, other
        numbers are free and the network begins anew.
        """
        balance = self._balance.learnt_on(transitions)
        if balance.coordinates != self._balance.coordinates:
            return fit_intervals(transitions, balance.description, settings, random, on_progress)
        kept, held = transitions.set_aside(settings.held_out)
        train, test = (Cells.of(part, balance, self._scaling) for part in (kept, held))
        network = _network(self._network.state_dict())
        refresh_arrivals(network, train, balance)
        passes = settings.update_passes_over(len(train))
        best = climb(network, train, test, settings, passes, random, on_progress)
        return IntervalLaw(balance, self._scaling, _network(best))

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        return {
            **_arrays(self._network),
            **self._scaling.to_tensors(),
            **self._balance.to_tensors(),
        }

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: SystemDescription
    ) -> IntervalLaw:
        """The law that `to_tensors` was asked of."""
        balance = FlowBalance.from_tensors(tensors, description)
        return cls(balance, Scaling.from_tensors(tensors), _network(tensors))


def _arrays(network: Chain) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


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
    kept, held = transitions.set_aside(settings.held_out)
    train, test = (Cells.of(part, balance, scaling) for part in (kept, held))
    torch.manual_seed(int(random.integers(2**31)))
    features, coordinates = train.inputs.shape[1], len(balance.coordinates)
    network = Chain(features, coordinates, settings.hidden, settings.regimes)
    start(network, train, balance)
    passes = settings.passes_over(len(train))
    best = climb(network, train, test, settings, passes, random, on_progress)
    return IntervalLaw(balance, scaling, _network(best))
