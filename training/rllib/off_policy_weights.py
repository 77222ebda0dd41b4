"""The one place that knows how RLlib names the weights of DQN and SAC networks."""

from collections.abc import Mapping

import numpy as np

from training.heads import Head, JointChoice
from training.policies import InconsistentNetwork, NetworkPolicy
from training.rllib.weights import layers_of, replaced_layers

DQN_ENCODER, ADVANTAGES, STATE_VALUE = "encoder.net.mlp.", "af.net.mlp.", "vf.net.mlp."
SAC_PARTS = ("pi_encoder.net.mlp.", "pi.net.mlp.")
TARGET = "_target_"


def to_action_values(
    state: Mapping[str, np.ndarray], *, name: str, reward_scale: float
) -> NetworkPolicy:
    """RLlib's DQN weights as a policy whose logits are action values; the arrays are copies.

    Values come in the units of the reward: `reward_scale` is divided out. A dueling network's two
    heads are linear in the same features, so one layer says the same.
    """
    weights, biases = layers_of(state, (DQN_ENCODER, ADVANTAGES))
    if is_dueling(state):
        (value,), (offset,) = layers_of(state, (STATE_VALUE,))
        weights = (*weights[:-1], weights[-1] - weights[-1].mean(axis=0) + value)
        biases = (*biases[:-1], biases[-1] - biases[-1].mean() + offset)
    scale = np.float32(reward_scale)
    return NetworkPolicy(
        name=name,
        weights=(*weights[:-1], weights[-1] / scale),
        biases=(*biases[:-1], biases[-1] / scale),
    )


def to_dqn_state(
    policy: NetworkPolicy, state: Mapping[str, np.ndarray], *, reward_scale: float
) -> dict[str, np.ndarray]:
    """RLlib's DQN `state` with the policy's action values in it, as present and as target.

    Raises InconsistentNetwork when the policy's layers are not those of `state`, for a policy that
    does not choose jointly or that remembers, and for one with a value network: its logits then
    are chances of decisions and not what they earn.
    """
    _check_form(policy, JointChoice())
    if policy.has_values:
        raise InconsistentNetwork(
            f"'{policy.name}' has a value network, so its logits are no action values: DQN starts "
            "from what DQN trained"
        )
    scale = np.float32(reward_scale)
    weights = (*policy.weights[:-1], policy.weights[-1] * scale)
    biases = (*policy.biases[:-1], policy.biases[-1] * scale)
    loaded = replaced_layers(state, (DQN_ENCODER, ADVANTAGES), weights, biases)
    if is_dueling(state):
        means = (weights[-1].mean(axis=0, keepdims=True),), (biases[-1].mean(keepdims=True),)
        loaded = replaced_layers(loaded, (STATE_VALUE,), *means)
    targets = {name: loaded[name.removeprefix(TARGET)] for name in state if name.startswith(TARGET)}
    return loaded | targets


def rescaled_action_values(state: Mapping[str, np.ndarray], factor: float) -> dict[str, np.ndarray]:
    """The last layers of DQN networks, changed so that every value is multiplied by `factor`."""
    return {
        name: (array * factor).astype(array.dtype)
        for name, array in state.items()
        if name.removeprefix(TARGET).startswith((ADVANTAGES, STATE_VALUE))
    }


def to_sac_policy(state: Mapping[str, np.ndarray], *, name: str, head: Head) -> NetworkPolicy:
    """RLlib's SAC policy network as a policy that acts with numpy; the arrays are copies."""
    weights, biases = layers_of(state, SAC_PARTS)
    return NetworkPolicy(name=name, weights=weights, biases=biases, head=head)


def to_sac_state(
    policy: NetworkPolicy, state: Mapping[str, np.ndarray], *, head: Head
) -> dict[str, np.ndarray]:
    """RLlib's SAC `state` with the policy's weights in it; what judges stays as it was.

    Raises InconsistentNetwork when the policy's layers are not those of `state`, and for a policy
    of another head or that remembers.
    """
    _check_form(policy, head)
    return replaced_layers(state, SAC_PARTS, policy.weights, policy.biases)


def _check_form(policy: NetworkPolicy, head: Head) -> None:
    """Refuse what layers of the same shapes would be loaded from and decide otherwise."""
    if policy.head != head or policy.memory is not None:
        raise InconsistentNetwork(
            f"'{policy.name}' has {policy.head} and remembers {policy.units} numbers: DQN and SAC "
            f"start here from {head} without a memory; go on from it by PPO"
        )


def is_dueling(state: Mapping[str, np.ndarray]) -> bool:
    """Whether a DQN network values the state apart from advantages."""
    return f"{STATE_VALUE}0.weight" in state
