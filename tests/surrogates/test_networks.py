import numpy as np
import pytest
import torch

from surrogates.networks import Network, softplus


def test_a_network_gives_what_torch_gives() -> None:
    """What was trained with torch must answer the same when it is asked without; 1e-5 is rounding.

    More rows than pass at once, in a number that leaves a rest.
    """
    random = np.random.default_rng(0)
    sizes = [(7, 16), (16, 16), (16, 3)]
    layers = [(random.normal(size=s), random.normal(size=s[1])) for s in sizes]
    inputs = random.normal(size=(2500, 7))
    hidden = torch.from_numpy(inputs)
    for number, (weight, bias) in enumerate(layers):
        hidden = hidden @ torch.from_numpy(weight) + torch.from_numpy(bias)
        hidden = torch.nn.functional.silu(hidden) if number < 2 else hidden
    network = Network([(w.astype(np.float32), b.astype(np.float32)) for w, b in layers])
    found = network(inputs.T.astype(np.float32)).T
    assert found == pytest.approx(hidden.numpy(), rel=1e-5, abs=1e-4)


def test_a_network_leaves_its_inputs_as_they_are() -> None:
    """The caller's matrix is read by other models after it."""
    network = Network([(np.ones((2, 1), np.float32), np.zeros(1, np.float32))])
    inputs = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    before = inputs.copy()
    assert network(inputs)[0] == pytest.approx([3.0, 5.0, 7.0])
    assert np.array_equal(inputs, before)


def test_softplus_holds_in_both_tails() -> None:
    """A spread must neither overflow nor become negative, however odd the question."""
    values = np.array([-1e4, -80.0, -3.0, 0.0, 2.0, 80.0, 1e4], np.float32)
    exact = np.logaddexp(0.0, values.astype(float))
    assert softplus(values) == pytest.approx(exact, rel=1e-6, abs=2e-7)
