"""What training leaves behind: a policy that acts with numpy alone.

A policy answers a batch of observations with a batch of decisions. Nothing here knows of
simulators, surrogates or Ray, so a policy can be stored, served and compared anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Shaped

from sim.errors import SurrogymError
from training.heads import Head, JointChoice, head_of
from training.memory import GatedMemory, memory_of

POLICY = "policy"
VALUE = "value"


class InconsistentNetwork(SurrogymError):
    """The layers of a network do not fit each other; the message shows their shapes."""


@runtime_checkable
class Policy(Protocol):
    """Anything that decides: deterministic, so the same observation gets the same decision."""

    @property
    def name(self) -> str:
        """How reports and figures call this policy."""
        ...

    def act(
        self, observation: Float[np.ndarray, "batch features"]
    ) -> Shaped[np.ndarray, "batch *action"]:
        """The decision for each row of observations."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkPolicy:
    """A multilayer perceptron with tanh hidden layers that takes its likeliest decision.

    Weights are `[outputs, inputs]` as in torch. A policy with a memory has it before its last
    layer, and never changes: what it remembers of episodes is kept by whoever runs them, who has
    it from `begin` and `remember` and gives it back with the next observation.

    The value network, of the same form with one output, is not needed to act; it is kept so that
    later training can start from both. It sees what the policy sees and then remembers. Values are
    discounted returns in the units of the reward.
    """

    name: str
    """How reports and figures call this policy."""
    weights: tuple[Float[np.ndarray, "_ _"], ...]
    """Weight matrices of the policy network, first layer first."""
    biases: tuple[Float[np.ndarray, " _"], ...]
    """Bias vectors of the policy network, first layer first."""
    value_weights: tuple[Float[np.ndarray, "_ _"], ...] = ()
    """Weight matrices of the value network; empty when it was not kept."""
    value_biases: tuple[Float[np.ndarray, " _"], ...] = ()
    """Bias vectors of the value network; empty when it was not kept."""
    head: Head = field(default_factory=JointChoice)
    """What the outputs of the policy network mean."""
    memory: GatedMemory | None = None
    """What comes between the hidden layers and the last one; None acts on what is seen alone."""

    def __post_init__(self) -> None:
        """Raise InconsistentNetwork unless both networks chain from the same features."""
        if not self.weights:
            raise InconsistentNetwork("the policy network has no layers: give at least one")
        _check_chain(POLICY, self.weights, self.biases, self.memory)
        _check_chain(VALUE, self.value_weights, self.value_biases)
        if self.has_values:
            self._check_value_network()
        if not self.head.fits(self.decisions):
            raise InconsistentNetwork(
                f"the policy network ends with {self.decisions} outputs, not those of {self.head}"
            )

    @property
    def features(self) -> int:
        """Length of the observation."""
        return int(self.weights[0].shape[1])

    @property
    def decisions(self) -> int:
        """Number of outputs: of decisions to choose from, where they are chosen jointly."""
        return int(self.weights[-1].shape[0])

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers of the policy network."""
        return tuple(int(weight.shape[0]) for weight in self.weights[:-1])

    @property
    def units(self) -> int:
        """Numbers that it remembers of an episode; 0 without a memory."""
        return 0 if self.memory is None else self.memory.units

    @property
    def has_values(self) -> bool:
        """Whether the value network was kept."""
        return bool(self.value_weights)

    def act(
        self,
        observation: Float[np.ndarray, "batch features"],
        allowed: Bool[np.ndarray, "batch decisions"] | None = None,
        memory: Float[np.ndarray, "batch units"] | None = None,
    ) -> Shaped[np.ndarray, "batch *action"]:
        """The likeliest decision for each row, of those allowed; the first one on ties."""
        return self.head.decide(self.logits(observation, memory), allowed)

    def begin(self, rows: int) -> Float[np.ndarray, "rows units"]:
        """What is remembered at the beginning of so many episodes: nothing."""
        return np.zeros((rows, self.units), dtype=self.weights[0].dtype)

    def remember(
        self,
        observation: Float[np.ndarray, "batch features"],
        memory: Float[np.ndarray, "batch units"] | None = None,
    ) -> Float[np.ndarray, "batch units"]:
        """What is remembered after an observation, of what was before it.

        Raises InconsistentNetwork where a policy with a memory is not told what was before.
        """
        if self.memory is None:
            return self.begin(len(observation))
        if memory is None:
            raise InconsistentNetwork(
                f"policy '{self.name}' remembers: begin() episodes and give back what remember() "
                "told of each epoch"
            )
        hidden = _tanh_layers(self.weights[:-1], self.biases[:-1], observation)
        return self.memory.advance(hidden, memory)

    def logits(
        self,
        observation: Float[np.ndarray, "batch features"],
        memory: Float[np.ndarray, "batch units"] | None = None,
    ) -> Float[np.ndarray, "batch decisions"]:
        """What the policy network ends with.

        Unnormalised log probabilities of decisions, as trained with exploration; of numbers, means.
        """
        if self.memory is None:
            return _forward(self.weights, self.biases, observation)
        remembered = self.remember(observation, memory)
        return _forward(self.weights[-1:], self.biases[-1:], remembered)

    def values(
        self,
        observation: Float[np.ndarray, "batch features"],
        memory: Float[np.ndarray, "batch units"] | None = None,
    ) -> Float[np.ndarray, " batch"]:
        """Predicted discounted return. Raises InconsistentNetwork without a value network."""
        if not self.has_values:
            raise InconsistentNetwork(f"policy '{self.name}' was kept without a value network")
        known = np.concatenate([observation, self.remember(observation, memory)], axis=1)
        return _forward(self.value_weights, self.value_biases, known)[:, 0]

    def to_tensors(self) -> dict[str, np.ndarray]:
        """A flat mapping such as `policy.0.weight` -> array, ready for safetensors."""
        return {
            **_named(POLICY, self.weights, self.biases),
            **_named(VALUE, self.value_weights, self.value_biases),
            **self.head.to_tensors(),
            **({} if self.memory is None else self.memory.to_tensors()),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], *, name: str) -> "NetworkPolicy":
        """The inverse of `to_tensors`; raises InconsistentNetwork on missing or foreign names."""
        head, memory = head_of(tensors), memory_of(tensors)
        networks = {prefix: _layers(prefix, tensors) for prefix in (POLICY, VALUE)}
        beside = (*head.to_tensors(), *({} if memory is None else memory.to_tensors()))
        known = 2 * sum(len(weights) for weights, _ in networks.values()) + len(beside)
        if known != len(tensors):
            raise InconsistentNetwork(
                f"tensor names {sorted(tensors)} are not whole layers of '{POLICY}' and '{VALUE}'"
            )
        weights, biases = networks[POLICY]
        value_weights, value_biases = networks[VALUE]
        return cls(
            name=name,
            weights=weights,
            biases=biases,
            value_weights=value_weights,
            value_biases=value_biases,
            head=head,
            memory=memory,
        )

    def _check_value_network(self) -> None:
        features, outputs = self.value_weights[0].shape[1], self.value_weights[-1].shape[0]
        known = self.features + self.units
        if features != known or outputs != 1:
            raise InconsistentNetwork(
                f"the value network maps {features} features to {outputs} outputs, but must map "
                f"what the policy sees and remembers, {known} features, to 1"
            )


def _forward(
    weights: tuple[np.ndarray, ...],
    biases: tuple[np.ndarray, ...],
    inputs: np.ndarray,
) -> np.ndarray:
    layer = _tanh_layers(weights[:-1], biases[:-1], np.asarray(inputs, dtype=weights[0].dtype))
    outputs: np.ndarray = layer @ weights[-1].T + biases[-1]
    return outputs


def _tanh_layers(
    weights: tuple[np.ndarray, ...],
    biases: tuple[np.ndarray, ...],
    inputs: np.ndarray,
) -> np.ndarray:
    layer = inputs
    for weight, bias in zip(weights, biases, strict=True):
        layer = np.tanh(layer @ weight.T + bias)
    return layer


def _check_chain(
    network: str,
    weights: tuple[np.ndarray, ...],
    biases: tuple[np.ndarray, ...],
    memory: GatedMemory | None = None,
) -> None:
    widths = [weight.shape[0] for weight in weights]
    if memory is not None and memory.inputs != (widths[-2] if widths[1:] else None):
        raise InconsistentNetwork(
            f"a memory of {memory.inputs} inputs behind hidden layers of widths {widths[:-1]}: "
            "it must be fed by the last of them"
        )
    carried = [*widths[:-2], memory.units] if memory is not None else widths
    chained = all(
        weight.ndim == 2 and weight.shape[1] == width
        for weight, width in zip(weights[1:], carried, strict=False)
    )
    fits = [bias.shape for bias in biases] == [(width,) for width in widths]
    if not (chained and fits):
        raise InconsistentNetwork(
            f"the {network} network has weights {[weight.shape for weight in weights]} and "
            f"biases {[bias.shape for bias in biases]}: each layer's inputs must equal "
            "the outputs before it, and each bias its layer's outputs"
        )


def _named(
    network: str, weights: tuple[np.ndarray, ...], biases: tuple[np.ndarray, ...]
) -> dict[str, np.ndarray]:
    named: dict[str, np.ndarray] = {}
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        named[f"{network}.{index}.weight"] = weight
        named[f"{network}.{index}.bias"] = bias
    return named


def _layers(
    network: str, tensors: Mapping[str, np.ndarray]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    weights: list[np.ndarray] = []
    biases: list[np.ndarray] = []
    while (weight := tensors.get(f"{network}.{len(weights)}.weight")) is not None:
        bias = tensors.get(f"{network}.{len(weights)}.bias")
        if bias is None:
            raise InconsistentNetwork(f"'{network}.{len(weights)}.weight' has no bias beside it")
        weights.append(weight)
        biases.append(bias)
    return tuple(weights), tuple(biases)
