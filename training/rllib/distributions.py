"""How exploring decisions are drawn and judged, for each space of actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
import torch
from jaxtyping import Shaped

from envs.actions import WHAT_CAN_BE_DECIDED, can_be_decided, choices_in
from sim.errors import SurrogymError
from training.heads import (
    NOT_ALLOWED,
    GaussianNumbers,
    Head,
    JointChoice,
    LeverChoices,
    SquashedNumbers,
    into_box,
)

LEAST_LOG_DEVIATION, MOST_LOG_DEVIATION = -5.0, 2.0
"""Bounds on what a network says of squashed numbers, as in RLlib."""
_LOG_ROOT_TAU = 0.5 * float(np.log(2.0 * np.pi))
_LOG_TWO = float(np.log(2.0))
_ALMOST_ONE = 1.0 - 1e-6


class UnsupportedActions(SurrogymError):
    """A space of actions, or a mask on one, that no policy here can decide in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a policy thinks of decisions that were taken."""

    log_probability: torch.Tensor
    """Of each row's decision."""
    entropy: torch.Tensor
    """Of each row's distribution."""


@runtime_checkable
class Distribution(Protocol):
    """Decisions of a batch of rows, by the numbers that the policy network gave for each."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the parts in which at least one decision must be allowed; none cannot be masked."""
        ...

    def draw(self, inputs: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """A decision for each row, by its chance."""
        ...

    def likeliest(self, inputs: torch.Tensor) -> torch.Tensor:
        """The decision to take when nothing is to be explored."""
        ...

    def judge(self, inputs: torch.Tensor, decided: torch.Tensor) -> Judged:
        """Chances of decisions."""
        ...

    def divergence(self, reference: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Kullback-Leibler divergence of each row from its reference."""
        ...

    def action(
        self, decided: Shaped[np.ndarray, "batch *action"]
    ) -> Shaped[np.ndarray, "batch *action"]:
        """What the environment is given for a decision."""
        ...

    def head(self, log_deviations: tuple[float, ...]) -> Head:
        """The same decisions without torch; only numbers have deviations."""
        ...


class Categorical:
    """One of several decisions."""

    def __init__(self, choices: int) -> None:
        self.sizes = (choices,)

    def draw(self, inputs: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """By the inverse of the cumulated chances, much quicker than `torch.multinomial`."""
        cumulated = torch.softmax(inputs, dim=1).cumsum(dim=1)
        # In (0, 1], so that neither a chance of 0 nor a rounded sum can be drawn.
        level = 1.0 - torch.rand(len(inputs), 1, generator=random)
        return (cumulated < level * cumulated[:, -1:]).sum(dim=1)

    def likeliest(self, inputs: torch.Tensor) -> torch.Tensor:
        """The decision of largest logit, the first one on ties."""
        return inputs.argmax(dim=1)

    def judge(self, inputs: torch.Tensor, decided: torch.Tensor) -> Judged:
        """Chances of decisions."""
        logarithms = torch.log_softmax(inputs, dim=1)
        return Judged(
            log_probability=logarithms.gather(1, decided[:, None]).squeeze(1),
            entropy=-(logarithms.exp() * logarithms).sum(dim=1),
        )

    def divergence(self, reference: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Kullback-Leibler divergence of each row from its reference."""
        before = torch.log_softmax(reference, dim=1)
        return (before.exp() * (before - torch.log_softmax(inputs, dim=1))).sum(dim=1)

    def action(self, decided: Shaped[np.ndarray, "batch"]) -> Shaped[np.ndarray, "batch"]:
        """The decision itself."""
        return decided.copy()

    def head(self, log_deviations: tuple[float, ...]) -> Head:
        """A joint choice."""
        return JointChoice()


class SeveralCategoricals:
    """One of several decisions for each of several levers, independent given what is seen."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.sizes = sizes
        self._parts = [Categorical(size) for size in sizes]

    def draw(self, inputs: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """One after another."""
        pairs = zip(self._parts, self._split(inputs), strict=True)
        return torch.stack([part.draw(mine, random) for part, mine in pairs], dim=1)

    def likeliest(self, inputs: torch.Tensor) -> torch.Tensor:
        """Of each lever."""
        return torch.stack([mine.argmax(dim=1) for mine in self._split(inputs)], dim=1)

    def judge(self, inputs: torch.Tensor, decided: torch.Tensor) -> Judged:
        """Independent decisions: logarithms of chances add up, and so do entropies."""
        parts = zip(self._parts, self._split(inputs), decided.T, strict=True)
        judged = [part.judge(mine, taken) for part, mine, taken in parts]
        return Judged(
            log_probability=torch.stack([each.log_probability for each in judged]).sum(dim=0),
            entropy=torch.stack([each.entropy for each in judged]).sum(dim=0),
        )

    def divergence(self, reference: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """The sum over levers."""
        parts = zip(self._parts, self._split(reference), self._split(inputs), strict=True)
        return torch.stack([part.divergence(old, new) for part, old, new in parts]).sum(dim=0)

    def action(
        self, decided: Shaped[np.ndarray, "batch lever"]
    ) -> Shaped[np.ndarray, "batch lever"]:
        """The decisions themselves."""
        return decided.copy()

    def head(self, log_deviations: tuple[float, ...]) -> Head:
        """A choice for each lever."""
        return LeverChoices(sizes=self.sizes)

    def _split(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.split(inputs, list(self.sizes), dim=1)


class DiagonalNormal:
    """Independent normal numbers, of which -1 and 1 stand for the bounds of a box.

    What was drawn is judged, not what became of it when it was clipped into the box.
    """

    sizes = ()

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        self._low, self._high = low, high

    def draw(self, inputs: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Mean and deviation times a standard normal number."""
        mean, log_deviation = inputs.chunk(2, dim=1)
        return mean + log_deviation.exp() * torch.randn(mean.shape, generator=random)

    def likeliest(self, inputs: torch.Tensor) -> torch.Tensor:
        """The means."""
        return inputs.chunk(2, dim=1)[0]

    def judge(self, inputs: torch.Tensor, decided: torch.Tensor) -> Judged:
        """Densities of what was drawn."""
        mean, log_deviation = inputs.chunk(2, dim=1)
        away = (decided - mean) / log_deviation.exp()
        densities = -0.5 * away.square() - log_deviation - _LOG_ROOT_TAU
        return Judged(
            log_probability=densities.sum(dim=1),
            entropy=(log_deviation + 0.5 + _LOG_ROOT_TAU).sum(dim=1),
        )

    def divergence(self, reference: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """The closed form, summed over the numbers."""
        old_mean, old_log = reference.chunk(2, dim=1)
        mean, log_deviation = inputs.chunk(2, dim=1)
        spread = (2.0 * (old_log - log_deviation)).exp()
        away = ((old_mean - mean) / log_deviation.exp()).square()
        return (log_deviation - old_log + 0.5 * (spread + away - 1.0)).sum(dim=1)

    def action(
        self, decided: Shaped[np.ndarray, "batch number"]
    ) -> Shaped[np.ndarray, "batch number"]:
        """Scaled and clipped into the box."""
        return into_box(decided, self._low, self._high)

    def head(self, log_deviations: tuple[float, ...]) -> Head:
        """Numbers in the same box."""
        return GaussianNumbers(
            low=tuple(self._low.tolist()),
            high=tuple(self._high.tolist()),
            log_deviations=log_deviations,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Decisions that gradients flow through, and what they say of their distribution."""

    decided: torch.Tensor
    log_probability: torch.Tensor
    """Of each row's decision."""


class SquashedNormal(DiagonalNormal):
    """Independent numbers strictly between -1 and 1, which stand for the bounds of a box.

    Each is the hyperbolic tangent of a normal number, so that nothing is clipped and densities are
    those of what is done. Raises UnsupportedActions for a box without bounds.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        if not (np.isfinite(low) & np.isfinite(high)).all():
            raise UnsupportedActions(
                f"actions lie from {low} to {high}: squashed numbers need finite bounds"
            )
        super().__init__(low, high)

    def explore(self, inputs: torch.Tensor, noise: torch.Tensor) -> Drawn:
        """The decisions that standard normal numbers stand for, row by row."""
        mean, log_deviation = _normal(inputs)
        number = mean + log_deviation.exp() * noise
        density = -0.5 * noise.square() - log_deviation - _LOG_ROOT_TAU - _log_slope(number)
        return Drawn(decided=torch.tanh(number), log_probability=density.sum(dim=1))

    def draw(self, inputs: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Squashed mean and deviation times a standard normal number."""
        noise = torch.randn(inputs.shape[0], inputs.shape[1] // 2, generator=random)
        return self.explore(inputs, noise).decided

    def likeliest(self, inputs: torch.Tensor) -> torch.Tensor:
        """The squashed means, which are the medians."""
        return torch.tanh(_normal(inputs)[0])

    def judge(self, inputs: torch.Tensor, decided: torch.Tensor) -> Judged:
        """Densities of decisions; of the entropy, which has no closed form, one draw's estimate."""
        mean, log_deviation = _normal(inputs)
        number = torch.atanh(decided.clamp(-_ALMOST_ONE, _ALMOST_ONE))
        away = (number - mean) / log_deviation.exp()
        density = -0.5 * away.square() - log_deviation - _LOG_ROOT_TAU - _log_slope(number)
        log_probability = density.sum(dim=1)
        return Judged(log_probability=log_probability, entropy=-log_probability)

    def divergence(self, reference: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """That of the normal numbers, which squashing does not change."""
        told = (torch.cat(_normal(each), dim=1) for each in (reference, inputs))
        return super().divergence(*told)

    def head(self, log_deviations: tuple[float, ...]) -> Head:
        """Squashed numbers in the same box."""
        return SquashedNumbers(low=tuple(self._low.tolist()), high=tuple(self._high.tolist()))


def _normal(inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean, log_deviation = inputs.chunk(2, dim=1)
    return mean, log_deviation.clamp(LEAST_LOG_DEVIATION, MOST_LOG_DEVIATION)


def _log_slope(number: torch.Tensor) -> torch.Tensor:
    """Logarithm of 1 - tanh(u)^2, also where that is nothing in single precision."""
    softened: torch.Tensor = torch.nn.functional.softplus(-2.0 * number)
    return 2.0 * (_LOG_TWO - number - softened)


def distribution_over(space: gym.Space[Any]) -> Distribution:
    """The distribution of decisions in a space. Raises UnsupportedActions where there is none."""
    if not can_be_decided(space):
        raise UnsupportedActions(f"actions are of {space}: {WHAT_CAN_BE_DECIDED}")
    if isinstance(space, gym.spaces.Box):
        return DiagonalNormal(space.low, space.high)
    if isinstance(space, gym.spaces.MultiDiscrete):
        return SeveralCategoricals(tuple(space.nvec.tolist()))
    return Categorical(choices_in(space))


def with_mask(inputs: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
    """Logits of the decisions that are allowed; of the others, chances of 0."""
    return inputs if allowed is None else inputs.masked_fill(~allowed, NOT_ALLOWED)
