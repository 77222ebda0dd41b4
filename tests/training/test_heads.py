"""What the numbers that a network ends with mean, and what is stored of it."""

import numpy as np
import pytest

from tests.training.test_policies import build_policy
from training.heads import (
    GaussianNumbers,
    Head,
    JointChoice,
    LeverChoices,
    SquashedNumbers,
    UnknownHead,
    head_of,
)
from training.policies import InconsistentNetwork, NetworkPolicy

BOX = GaussianNumbers(low=(0.0, -np.inf), high=(10.0, 3.0), log_deviations=(-1.0, 0.5))
SQUASHED = SquashedNumbers(low=(0.0,), high=(10.0,))
HEADS = [JointChoice(), LeverChoices(sizes=(3, 2)), BOX, SQUASHED]


def test_levers_are_decided_each_for_itself() -> None:
    """The likeliest joint decision of independent levers is the likeliest of each."""
    head = LeverChoices(sizes=(3, 2))
    outputs = np.array([[0.0, 2.0, 1.0, 5.0, 4.0], [3.0, 2.0, 1.0, 0.0, 0.0]])
    assert head.decide(outputs).tolist() == [[1, 0], [0, 0]]
    allowed = np.array([[True, False, True, False, True], [False, False, True, True, True]])
    assert head.decide(outputs, allowed).tolist() == [[2, 1], [2, 0]]


def test_numbers_are_scaled_by_bounds_and_clipped_at_them() -> None:
    """Between 0 and 10, -1 means 0 and 1 means 10; without a bound a number means itself."""
    outputs = np.array([[0.0, -50.0], [1.0, 2.5], [-0.5, 4.0], [9.0, 0.0], [-9.0, 0.0]])
    expected = [[5.0, -50.0], [10.0, 2.5], [2.5, 3.0], [10.0, 0.0], [0.0, 0.0]]
    assert BOX.decide(outputs).tolist() == expected
    with pytest.raises(UnknownHead, match="cannot be masked"):
        BOX.decide(outputs, np.ones((5, 2), dtype=bool))


def test_exploration_is_stored_with_the_numbers() -> None:
    """Training that goes on must draw as widely as it last did."""
    spread = BOX.spread(np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32))
    assert spread.tolist() == [[1.0, 2.0, -1.0, 0.5], [3.0, 4.0, -1.0, 0.5]]


def test_squashed_numbers_near_their_bounds_and_never_pass_them() -> None:
    """The means count; deviations behind them are for exploring alone."""
    outputs = np.array([[0.0, 2.0], [np.arctanh(0.5), -3.0], [50.0, 0.0], [-50.0, 0.0]])
    np.testing.assert_allclose(SQUASHED.decide(outputs)[:, 0], [5.0, 7.5, 10.0, 0.0])
    assert SQUASHED.spread(outputs) is outputs
    with pytest.raises(UnknownHead, match="cannot be masked"):
        SQUASHED.decide(outputs, np.ones((4, 2), dtype=bool))
    assert SQUASHED.fits(2)
    assert not SQUASHED.fits(1)
    assert not SquashedNumbers(low=(0.0,), high=(np.inf,)).fits(2)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_a_policy_comes_back_with_its_head(head: Head) -> None:
    """Outputs read in another way would be other decisions, without any error."""
    two = build_policy()
    outputs = 5 if head.form == "levers" else 2
    last = np.random.default_rng(0).normal(size=(outputs, 4)).astype(np.float32)
    policy = NetworkPolicy(
        name="small",
        weights=(two.weights[0], last),
        biases=(two.biases[0], np.zeros(outputs, dtype=np.float32)),
        head=head,
    )
    tensors = policy.to_tensors()
    again = NetworkPolicy.from_tensors(tensors, name="small")
    assert again.head == head
    assert again.to_tensors().keys() == tensors.keys()
    seen = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_array_equal(again.act(seen), policy.act(seen))
    if isinstance(again.head, GaussianNumbers):
        assert again.head.log_deviations == BOX.log_deviations


def test_policies_stored_without_a_head_choose_jointly() -> None:
    """Files from before there were others hold weights alone, and must act as they did."""
    tensors = build_policy().to_tensors()
    assert not any(name.startswith("head") for name in tensors)
    assert head_of(tensors) == JointChoice()


def test_a_head_that_does_not_fit_is_refused() -> None:
    """Part of one, another's, or one for other outputs than the network has."""
    policy = build_policy()
    with pytest.raises(UnknownHead, match=r"head\.low"):
        NetworkPolicy.from_tensors({**policy.to_tensors(), "head.low": np.zeros(2)}, name="x")
    with pytest.raises(InconsistentNetwork, match="ends with 2 outputs"):
        NetworkPolicy.from_tensors(
            {**policy.to_tensors(), "head.sizes": np.array([2, 2])}, name="x"
        )
