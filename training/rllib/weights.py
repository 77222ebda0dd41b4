"""The one place that knows how RLlib names the weights of a PPO network."""

from collections.abc import Iterator, Mapping

import numpy as np

from training.policies import InconsistentNetwork, NetworkPolicy

POLICY_PARTS = ("encoder.actor_encoder.net.mlp.", "pi.net.mlp.")
VALUE_PARTS = ("encoder.critic_encoder.net.mlp.", "vf.net.mlp.")
VALUE_HEAD = "vf.net.mlp."


def is_value_weight(name: str) -> bool:
    """Whether a weight of RLlib's PPO network belongs to the separate value network."""
    return name.startswith(VALUE_PARTS)


def to_network_policy(
    state: Mapping[str, np.ndarray], *, name: str, reward_scale: float
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
    )


def to_module_state(
    policy: NetworkPolicy, state: Mapping[str, np.ndarray], *, reward_scale: float
) -> dict[str, np.ndarray]:
    """RLlib's `state` with the policy's weights in it, and its value network's if it has one.

    Raises InconsistentNetwork when the policy's layers are not those of `state`.
    """
    loaded = replaced_layers(state, POLICY_PARTS, policy.weights, policy.biases)
    if policy.has_values:
        loaded = replaced_layers(loaded, VALUE_PARTS, policy.value_weights, policy.value_biases)
        loaded |= rescaled_values(loaded, reward_scale)
    return loaded


def rescaled_values(state: Mapping[str, np.ndarray], factor: float) -> dict[str, np.ndarray]:
    """The value network's last layer, changed so that every value is multiplied by `factor`."""
    return {
        name: (array * factor).astype(array.dtype)
        for name, array in state.items()
        if name.startswith(VALUE_HEAD)
    }


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
