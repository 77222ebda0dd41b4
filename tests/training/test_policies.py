import subprocess
import sys

import numpy as np
import pytest

from training.policies import InconsistentNetwork, NetworkPolicy, Policy


def build_policy(*, hidden: int = 4, with_values: bool = True) -> NetworkPolicy:
    generator = np.random.default_rng(1)

    def layers(outputs: int) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        shapes = [(hidden, 3), (outputs, hidden)]
        weights = tuple(generator.normal(size=shape).astype(np.float32) for shape in shapes)
        return weights, tuple(generator.normal(size=len(w)).astype(np.float32) for w in weights)

    weights, biases = layers(2)
    value_weights, value_biases = layers(1) if with_values else ((), ())
    return NetworkPolicy(
        name="small",
        weights=weights,
        biases=biases,
        value_weights=value_weights,
        value_biases=value_biases,
    )


def test_a_policy_takes_the_decision_of_largest_logit() -> None:
    """Acting is greedy, so it must agree with the network written out by hand."""
    policy = build_policy()
    observation = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    hidden = np.tanh(observation @ policy.weights[0].T + policy.biases[0])
    logits = hidden @ policy.weights[1].T + policy.biases[1]
    np.testing.assert_allclose(policy.logits(observation), logits, rtol=1e-6)
    np.testing.assert_array_equal(policy.act(observation), logits.argmax(axis=1))
    assert isinstance(policy, Policy)


@pytest.mark.parametrize("with_values", [True, False])
def test_tensors_hold_the_whole_policy(with_values: bool) -> None:
    """A stored policy must come back bit for bit, with its value network if it had one."""
    policy = build_policy(with_values=with_values)
    tensors = policy.to_tensors()
    restored = NetworkPolicy.from_tensors(tensors, name="small")
    assert "policy.0.weight" in tensors
    assert restored.has_values is with_values
    for name, tensor in restored.to_tensors().items():
        np.testing.assert_array_equal(tensor, tensors[name])
    assert len(restored.to_tensors()) == len(tensors)


def test_layers_that_do_not_fit_are_refused_with_their_shapes() -> None:
    """A network put together wrongly would fail at some later call, far from its cause."""
    tensors = build_policy().to_tensors()
    tensors["policy.1.weight"] = np.zeros((2, 9), dtype=np.float32)
    with pytest.raises(InconsistentNetwork, match=r"\(2, 9\)"):
        NetworkPolicy.from_tensors(tensors, name="broken")


@pytest.mark.parametrize("missing", ["policy.0.weight", "policy.0.bias", "value.1.weight"])
def test_a_missing_tensor_is_refused(missing: str) -> None:
    """A truncated file must not become a shallower network."""
    tensors = build_policy().to_tensors()
    del tensors[missing]
    with pytest.raises(InconsistentNetwork):
        NetworkPolicy.from_tensors(tensors, name="broken")


def test_values_need_a_value_network() -> None:
    """Asking for values that were not kept is the caller's mistake and must be said so."""
    with pytest.raises(InconsistentNetwork, match="small"):
        build_policy(with_values=False).values(np.zeros((1, 3), dtype=np.float32))


def test_a_policy_acts_without_ray_or_torch() -> None:
    """Serving must not carry the training stack."""
    code = "import sys, training.policies; print({'ray', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
