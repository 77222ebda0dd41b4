"""The one place that knows how the weights of a PPO network are named in RLlib."""

from collections.abc import Iterator, Mapping

import numpy as np

from training.heads import GaussianNumbers, Head, JointChoice
from training.memory import GatedMemory
from training.policies import InconsistentNetwork, NetworkPolicy
from training.rllib.distributions import Distribution

POLICY_PARTS = (
    "encoder.actor_encoder.net.mlp.", "policy_layers.", "pi.net.mlp.", "policy_head."
)  # fmt: skip
VALUE_PARTS = (
    "encoder.critic_encoder.net.mlp.", "value_layers.", "vf.net.mlp.", "value_head."
)  # fmt: skip
"""Of RLlib's network and of the one with a memory, the last layer last."""
VALUE_HEADS = ("vf.net.mlp.", "value_head.")
LOG_DEVIATIONS = ("pi.log_std", "log_std")
CELL = ("cell.weight_ih", "cell.weight_hh", "cell.bias_ih", "cell.bias_hh")


def is_value_weight(name: str) -> bool:
    """Whether a weight of RLlib's PPO network belongs to the separate value network."""
    return name.startswith(VALUE_PARTS)


def to_network_policy(
    state: Mapping[str, np.ndarray], *, name: str, reward_scale: float, head: Head | None = None
) -> NetworkPolicy:
    """RLlib's weights as a policy that acts with numpy; the arrays are copies.

    `reward_scale` is what rewards were multiplied by in training: it is divided out of the value
    network's last layer, so that values come in the units of the reward.
    """
    readable = {**state, **rescaled_values(state, 1.0 / reward_scale)}
    weights, biases = layers_of(readable, POLICY_PARTS)
    value_weights, value_biases = layers_of(readable, VALUE_PARTS)
    return NetworkPolicy(
        name=name,
        weights=weights,
        biases=biases,
        value_weights=value_weights,
        value_biases=value_biases,
        head=head or JointChoice(),
        memory=_memory_in(state),
    )


def head_in(state: Mapping[str, np.ndarray], distribution: Distribution) -> Head:
    """The head of RLlib's network, which decides by this distribution."""
    found = [state[name].tolist() for name in LOG_DEVIATIONS if name in state]
    return distribution.head(tuple(found[0]) if found else ())


def _memory_in(state: Mapping[str, np.ndarray]) -> GatedMemory | None:
    if CELL[0] not in state:
        return None
    input_weight, state_weight, input_bias, state_bias = (np.array(state[name]) for name in CELL)
    return GatedMemory(
        input_weight=input_weight,
        state_weight=state_weight,
        input_bias=input_bias,
        state_bias=state_bias,
    )


def to_module_state(
    policy: NetworkPolicy, state: Mapping[str, np.ndarray], *, reward_scale: float
) -> dict[str, np.ndarray]:
    """RLlib's `state` with the policy's weights in it, and its value network's if it has one.

    Raises InconsistentNetwork when the policy's layers or memory are not those of `state`.
    """
    loaded = _replaced_memory(state, policy.memory)
    loaded = replaced_layers(loaded, POLICY_PARTS, policy.weights, policy.biases)
    if isinstance(policy.head, GaussianNumbers):
        deviations = np.array(policy.head.log_deviations, dtype=np.float32)
        loaded |= {name: deviations for name in LOG_DEVIATIONS if name in state}
    if policy.has_values:
        loaded = replaced_layers(loaded, VALUE_PARTS, policy.value_weights, policy.value_biases)
        loaded |= rescaled_values(loaded, reward_scale)
    return loaded


def rescaled_values(state: Mapping[str, np.ndarray], factor: float) -> dict[str, np.ndarray]:
    """The value network's last layer, changed so that every value is multiplied by `factor`."""
    return {
        name: (array * factor).astype(array.dtype)
        for name, array in state.items()
        if name.startswith(VALUE_HEADS)
    }


def _replaced_memory(
    state: Mapping[str, np.ndarray], memory: GatedMemory | None
) -> dict[str, np.ndarray]:
    given = [] if memory is None else list(memory.to_tensors().values())
    wanted = [state[name].shape for name in CELL if name in state]
    if wanted != [array.shape for array in given]:
        raise InconsistentNetwork(
            f"cannot start from a memory of {0 if memory is None else memory.units} units: the "
            f"settings need weights of shapes {wanted}"
        )
    return {**state, **dict(zip(CELL, given, strict=False))}


def _layer_names(state: Mapping[str, np.ndarray], parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        numbers = {
            int(name.removeprefix(part).split(".")[0]) for name in state if name.startswith(part)
        }
        yield from (f"{part}{number}" for number in sorted(numbers))


def layers_of(
    state: Mapping[str, np.ndarray], parts: tuple[str, ...]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Copies of the weights and of the biases of these parts of a network, in their order."""
    names = list(_layer_names(state, parts))
    weights = tuple(np.array(state[f"{name}.weight"]) for name in names)
    return weights, tuple(np.array(state[f"{name}.bias"]) for name in names)


def replaced_layers(
    state: Mapping[str, np.ndarray],
    parts: tuple[str, ...],
    weights: tuple[np.ndarray, ...],
    biases: tuple[np.ndarray, ...],
) -> dict[str, np.ndarray]:
    """`state` with other weights in these parts of the network.

    Raises InconsistentNetwork where they have another shape.
    """
    names = list(_layer_names(state, parts))
    wanted = [state[f"{name}.weight"].shape for name in names]
    given = [weight.shape for weight in weights]
    if wanted != given:
        raise InconsistentNetwork(
            f"cannot start from layers of shape {given}: the environment and settings need {wanted}"
        )
    replaced = dict(state)
    for name, weight, bias in zip(names, weights, biases, strict=True):
        replaced[f"{name}.weight"], replaced[f"{name}.bias"] = weight, bias
    return replaced
