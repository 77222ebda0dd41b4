"""Decisions are drawn and judged as probability theory has it."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Independent, Normal, TransformedDistribution, kl_divergence
from torch.distributions.transforms import TanhTransform

from training.rllib.distributions import (
    Categorical,
    DiagonalNormal,
    Distribution,
    SeveralCategoricals,
    SquashedNormal,
    UnsupportedActions,
    distribution_over,
    with_mask,
)

ROWS = 6


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(inputs: torch.Tensor) -> Any:
    mean, log_deviation = inputs.chunk(2, dim=1)
    return Independent(Normal(mean, log_deviation.exp()), 1)


def test_one_choice_is_torch_s_categorical() -> None:
    """Torch has the same distribution, written by others."""
    ours, inputs = Categorical(4), torch.randn(ROWS, 4, generator=random())
    theirs, old = TorchCategorical(logits=inputs), torch.randn(ROWS, 4, generator=random(1))
    decided = ours.draw(inputs, random(2))
    judged = ours.judge(inputs, decided)
    torch.testing.assert_close(judged.log_probability, theirs.log_prob(decided))
    torch.testing.assert_close(judged.entropy, theirs.entropy())
    expected = kl_divergence(TorchCategorical(logits=old), theirs)
    torch.testing.assert_close(ours.divergence(old, inputs), expected)


def test_several_choices_are_independent() -> None:
    """The joint chance is the product over levers: so logarithms, entropies and KL add up."""
    ours, inputs = SeveralCategoricals((3, 2)), torch.randn(ROWS, 5, generator=random())
    old = torch.randn(ROWS, 5, generator=random(1))
    decided = ours.draw(inputs, random(2))
    judged = ours.judge(inputs, decided)
    parts = [
        (TorchCategorical(logits=old[:, cut]), TorchCategorical(logits=inputs[:, cut]))
        for cut in (slice(0, 3), slice(3, 5))
    ]
    chances = sum(new.log_prob(decided[:, k]) for k, (_, new) in enumerate(parts))
    torch.testing.assert_close(judged.log_probability, chances)
    torch.testing.assert_close(judged.entropy, sum(new.entropy() for _, new in parts))
    expected = sum(kl_divergence(before, new) for before, new in parts)
    torch.testing.assert_close(ours.divergence(old, inputs), expected)


def test_numbers_are_torch_s_normal() -> None:
    """Judged as drawn, before anything was clipped."""
    ours = DiagonalNormal(np.array([-1.0, 0.0]), np.array([1.0, 5.0]))
    inputs, old = torch.randn(ROWS, 4, generator=random()), torch.randn(ROWS, 4)
    decided = ours.draw(inputs, random(2))
    judged = ours.judge(inputs, decided)
    torch.testing.assert_close(judged.log_probability, normal(inputs).log_prob(decided))
    torch.testing.assert_close(judged.entropy, normal(inputs).entropy())
    expected = kl_divergence(normal(old), normal(inputs))
    torch.testing.assert_close(ours.divergence(old, inputs), expected)


@pytest.mark.parametrize(
    "ours", [Categorical(4), SeveralCategoricals((3, 2))], ids=["joint", "levers"]
)
def test_decisions_come_as_often_as_their_chance_says(ours: Distribution) -> None:
    """Of 40,000 draws the share is within 3.3 standard errors of the chance, at 99.9 %."""
    inputs = torch.randn(1, sum(ours.sizes), generator=random(3)).repeat(40_000, 1)
    drawn = ours.draw(inputs, random(4))
    decided, counts = torch.unique(drawn, dim=0, return_counts=True)
    chances = ours.judge(inputs[: len(decided)], decided).log_probability.exp()
    assert chances.sum().item() == pytest.approx(1.0, abs=1e-5)
    errors = (chances * (1 - chances) / 40_000).sqrt()
    assert ((counts / 40_000 - chances).abs() < 3.3 * errors).all()


def test_numbers_are_spread_as_their_deviation_says() -> None:
    """Mean and deviation of 40,000 draws, within 3.3 standard errors."""
    ours = DiagonalNormal(np.array([-1.0]), np.array([1.0]))
    drawn = ours.draw(torch.tensor([[0.5, -1.0]]).repeat(40_000, 1), random())
    deviation = np.exp(-1.0)
    assert abs(drawn.mean().item() - 0.5) < 3.3 * deviation / np.sqrt(40_000)
    assert abs(drawn.std().item() - deviation) < 3.3 * deviation / np.sqrt(80_000)


def test_squashed_numbers_have_the_density_of_what_is_done() -> None:
    """Torch has the same distribution, as a normal one that is transformed.

    Ours is held to it at its own draws, where gradients come from, and when judged afterwards.
    """
    ours = SquashedNormal(np.array([-1.0, 0.0]), np.array([1.0, 5.0]))
    # Not far out, where the inverse of the hyperbolic tangent loses digits.
    inputs, old = 0.5 * torch.randn(ROWS, 4, generator=random()), torch.randn(ROWS, 4)
    theirs: Any = TransformedDistribution(normal(inputs), TanhTransform(cache_size=1))
    drawn = ours.explore(inputs, torch.randn(ROWS, 2, generator=random(2)))
    expected = theirs.log_prob(drawn.decided)
    torch.testing.assert_close(drawn.log_probability, expected, rtol=1e-3, atol=1e-4)
    judged = ours.judge(inputs, drawn.decided)
    torch.testing.assert_close(judged.log_probability, drawn.log_probability, rtol=1e-3, atol=1e-4)
    expected = kl_divergence(normal(old), normal(inputs))
    torch.testing.assert_close(ours.divergence(old, inputs), expected)
    again = ours.draw(inputs, random(2))
    torch.testing.assert_close(again, drawn.decided)


def test_squashed_numbers_stay_finite_far_out() -> None:
    """Where the hyperbolic tangent is 1 in single precision its slope would be 0.

    The logarithm of that is no number. What a network says of deviations is bounded, too.
    """
    ours = SquashedNormal(np.array([15.0]), np.array([30.0]))
    inputs = torch.tensor([[40.0, 9.0], [-40.0, -90.0]], requires_grad=True)
    drawn = ours.explore(inputs, torch.tensor([[1.0], [-1.0]]))
    (drawn.log_probability.sum() + drawn.decided.sum()).backward()
    assert inputs.grad is not None
    for numbers in (drawn.decided, drawn.log_probability, inputs.grad):
        assert bool(torch.isfinite(numbers).all())
    assert ours.action(drawn.decided.detach().numpy()).tolist() == [[30.0], [15.0]]
    with pytest.raises(UnsupportedActions, match="finite bounds"):
        SquashedNormal(np.array([0.0]), np.array([np.inf]))


def test_nothing_is_drawn_that_is_not_allowed() -> None:
    """However likely it would be otherwise: at the ends as in the middle."""
    inputs = torch.tensor([[40.0, 0.0, 0.0, 40.0]]).repeat(5_000, 1)
    allowed = torch.tensor([[False, True, True, False]]).repeat(5_000, 1)
    drawn = Categorical(4).draw(with_mask(inputs, allowed), random())
    assert set(drawn.tolist()) == {1, 2}


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Discrete(3, start=1),
        gym.spaces.MultiDiscrete(np.full((2, 2), 2)),
        gym.spaces.MultiDiscrete([2, 2], start=[1, 0]),
        gym.spaces.Box(0, 5, (2,), np.int64),
        gym.spaces.Box(0.0, 1.0, (2, 2)),
        gym.spaces.MultiBinary(3),
        gym.spaces.Dict(one=gym.spaces.Discrete(2)),
    ],
    ids=str,
)
def test_other_spaces_are_refused(space: gym.Space[object]) -> None:
    """Some of them stock learners accept and act outside of."""
    with pytest.raises(UnsupportedActions, match="give Discrete"):
        distribution_over(space)
