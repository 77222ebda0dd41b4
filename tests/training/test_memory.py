"""A memory in numpy is torch's, and a policy is stored with it."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.systems import unchecked
from training.heads import LeverChoices
from training.memory import GatedMemory, InconsistentMemory, memory_of
from training.policies import InconsistentNetwork, NetworkPolicy

FEATURES, HIDDEN, UNITS, ROWS = 3, 5, 4, 6


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def some_memory() -> GatedMemory:
    return GatedMemory(
        input_weight=normal(3 * UNITS, HIDDEN, seed=1),
        state_weight=normal(3 * UNITS, UNITS, seed=2),
        input_bias=normal(3 * UNITS, seed=3),
        state_bias=normal(3 * UNITS, seed=4),
    )


def some_policy(**changes: Any) -> NetworkPolicy:
    given = {
        "name": "remembering",
        "weights": (normal(HIDDEN, FEATURES, seed=5), normal(5, UNITS, seed=6)),
        "biases": (normal(HIDDEN, seed=7), normal(5, seed=8)),
        "value_weights": (normal(2, FEATURES + UNITS, seed=9), normal(1, 2, seed=10)),
        "value_biases": (normal(2, seed=11), normal(1, seed=12)),
        "head": LeverChoices(sizes=(3, 2)),
        "memory": some_memory(),
    }
    return NetworkPolicy(**{**given, **changes})


def test_the_memory_is_torch_s() -> None:
    """What was trained in torch must be remembered alike in numpy, to single precision."""
    ours, theirs = some_memory(), torch.nn.GRUCell(HIDDEN, UNITS)
    given = (ours.input_weight, ours.state_weight, ours.input_bias, ours.state_bias)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    theirs.load_state_dict(
        {name: torch.from_numpy(array) for name, array in zip(names, given, strict=True)}
    )
    inputs, state = 3.0 * normal(ROWS, HIDDEN, seed=13), normal(ROWS, UNITS, seed=14)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(inputs), torch.from_numpy(state)).numpy()
    np.testing.assert_allclose(ours.advance(inputs, state), expected, atol=1e-6)


def test_what_was_seen_before_tells_on_what_is_decided() -> None:
    """The same observation after another past has other logits; no past is nothing remembered."""
    policy = some_policy()
    now, past = normal(ROWS, FEATURES, seed=15), normal(ROWS, FEATURES, seed=16)
    nothing = policy.begin(ROWS)
    assert not nothing.any()
    remembered = policy.remember(past, nothing)
    assert not np.allclose(policy.logits(now, remembered), policy.logits(now, nothing))
    assert not np.allclose(policy.values(now, remembered), policy.values(now, nothing))
    with pytest.raises(InconsistentNetwork, match="'remembering' remembers"):
        policy.act(now)


def test_a_policy_comes_back_with_its_memory() -> None:
    """And with its head: what is stored beside the weights is told apart by name."""
    policy = some_policy()
    again = NetworkPolicy.from_tensors(policy.to_tensors(), name="remembering")
    seen, before = normal(ROWS, FEATURES, seed=17), normal(ROWS, UNITS, seed=18)
    np.testing.assert_array_equal(again.logits(seen, before), policy.logits(seen, before))
    np.testing.assert_array_equal(again.act(seen, None, before), policy.act(seen, None, before))
    np.testing.assert_array_equal(again.values(seen, before), policy.values(seen, before))
    assert again.to_tensors().keys() == policy.to_tensors().keys()


def test_a_memory_that_does_not_fit_is_refused() -> None:
    """In itself, before or behind: the message has the sizes."""
    tensors = some_policy().to_tensors()
    del tensors["memory.state.bias"]
    with pytest.raises(InconsistentMemory, match=r"memory\.input\.bias"):
        memory_of(tensors)
    with pytest.raises(InconsistentNetwork, match="5 inputs behind hidden layers of widths"):
        some_policy(weights=(normal(6, FEATURES), normal(5, UNITS)), biases=(normal(6), normal(5)))
    with pytest.raises(InconsistentNetwork, match=r"\(5, 9\)"):
        some_policy(weights=(normal(HIDDEN, FEATURES), normal(5, 9)))
    with pytest.raises(InconsistentNetwork, match="sees and remembers, 7 features"):
        some_policy(value_weights=(normal(2, FEATURES), normal(1, 2)))
    with unchecked(), pytest.raises(InconsistentMemory, match="three rows for each of 4"):
        GatedMemory(
            input_weight=normal(11, HIDDEN),
            state_weight=normal(11, UNITS),
            input_bias=normal(11),
            state_bias=normal(11),
        )
