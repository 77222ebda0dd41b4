"""The networks of SAC, and what they say of a batch: of choices, or of numbers in a box."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import torch
from ray.rllib.algorithms.sac.sac_learner import (
    ACTION_DIST_INPUTS_NEXT,
    QF_PREDS,
    QF_TARGET_NEXT,
    QF_TWIN_PREDS,
)
from ray.rllib.algorithms.sac.torch.default_sac_torch_rl_module import DefaultSACTorchRLModule
from ray.rllib.core.columns import Columns

from envs.actions import choices_in
from training.rllib.distributions import Distribution, SquashedNormal, distribution_over
from training.rllib.experience import ALLOWED, ALLOWED_NEXT
from training.rllib.off_policy_learner import LeanModule, among, taken

NOISE, NOISE_NEXT = "noise", "noise_next"
"""Standard normal numbers that numbers are drawn by, now and next."""
VALUE, LOG_CHANCE = "q_curr", "logp_resampled"
VALUE_NEXT, LOG_CHANCE_NEXT = "q_target_next", "logp_next_resampled"
"""RLlib's names of what is said of drawn numbers."""

_LEAST_SHARE = 1e-3
"""Of a range, below which no entropy could be that of an even draw."""
Outputs = dict[str, torch.Tensor]


def sac_distribution(space: gym.Space[Any]) -> Distribution:
    """Decisions as SAC explores them: numbers are squashed, all else as by other algorithms."""
    if isinstance(space, gym.spaces.Box):
        return SquashedNormal(space.low, space.high)
    return distribution_over(space)


def entropy_to_keep(space: gym.Space[Any], share: float) -> float:
    """Entropy to keep: that share of what choosing evenly has.

    Of numbers, that of an even draw from so large a share of the range of each, which is 2 wide.
    """
    if isinstance(space, gym.spaces.Box):
        return _entropy_of_numbers(int(np.prod(space.shape)), share)
    return share * float(np.log(choices_in(space)))


def _entropy_of_numbers(count: int, share: float) -> float:
    return count * float(np.log(2.0 * max(share, _LEAST_SHARE)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is expected of decisions, row by row."""

    predicted: tuple[torch.Tensor, ...]
    """By each of the value networks, of the decision that was taken."""
    value: torch.Tensor
    """Of the present policy's decisions, by the lesser of the networks."""
    entropy: torch.Tensor
    """Of the present policy."""
    wanted_entropy: torch.Tensor | float
    following_value: torch.Tensor
    """The same of what follows, by the target networks."""
    following_entropy: torch.Tensor


class Form(Protocol):
    """How decisions of one kind are looked at."""

    def look(self, module: Any, batch: dict[str, Any]) -> Outputs:
        """What the networks say, with RLlib's names."""
        ...

    def outlook(self, batch: dict[str, Any], outputs: Mapping[str, Any], share: float) -> Outlook:
        """What that means for the losses."""
        ...


class LeanSACModule(LeanModule, DefaultSACTorchRLModule):
    """RLlib's SAC networks for the learner here.

    Of choices they tell logits where RLlib's tell chances: those can be masked before they become
    chances, and their logarithms stay finite. Numbers are drawn by noise in the batch.
    """

    form: Form
    decides = "among Discrete actions from 0 or in a flat Box with finite bounds"

    @staticmethod
    def can_decide(space: gym.Space[Any] | None) -> bool:
        """Choices by their number from 0, or numbers between finite bounds."""
        if isinstance(space, gym.spaces.Box):
            return len(space.shape) == 1 and space.is_bounded()
        return LeanModule.can_decide(space)

    def setup(self) -> None:
        """Build the networks."""
        build: Any = super().setup
        build()
        space = self.action_space
        if isinstance(space, gym.spaces.Box):
            self.form = _Numbers(SquashedNormal(space.low, space.high))
        else:
            self.form = _Choices()

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return self.form.look(self, batch)

    def decided_by(self, observations: torch.Tensor) -> torch.Tensor:
        """What the policy network ends with."""
        told: torch.Tensor = self._forward_inference({Columns.OBS: observations})[
            Columns.ACTION_DIST_INPUTS
        ]
        return told

    def predictions(self, batch: dict[str, Any], *, squeeze: bool) -> Outputs:
        """By each of the value networks."""
        value: Any = self._qf_forward_train_helper
        outputs = {QF_PREDS: value(batch, self.qf_encoder, self.qf, squeeze=squeeze)}
        if self.twin_q:
            outputs[QF_TWIN_PREDS] = value(
                batch, self.qf_twin_encoder, self.qf_twin, squeeze=squeeze
            )
        return outputs

    @contextmanager
    def values_held(self) -> Iterator[None]:
        """Let gradients go through the value networks and not to their weights."""
        networks = [self.qf_encoder, self.qf]
        if self.twin_q:
            networks += [self.qf_twin_encoder, self.qf_twin]
        for network in networks:
            network.requires_grad_(False)
        try:
            yield
        finally:
            for network in networks:
                network.requires_grad_(True)


class _Choices:
    """All choices are valued at once, so expectations are sums."""

    def look(self, module: LeanSACModule, batch: dict[str, Any]) -> Outputs:
        present = {Columns.OBS: batch[Columns.OBS]}
        following = {Columns.OBS: batch[Columns.NEXT_OBS]}
        outputs = module.predictions(present, squeeze=False)
        outputs[Columns.ACTION_DIST_INPUTS] = module.decided_by(batch[Columns.OBS])
        with torch.no_grad():
            outputs[ACTION_DIST_INPUTS_NEXT] = module.decided_by(batch[Columns.NEXT_OBS])
            target: Any = module.forward_target(following, squeeze=False)
            outputs[QF_TARGET_NEXT] = target
        return outputs

    def outlook(self, batch: dict[str, Any], outputs: Mapping[str, Any], share: float) -> Outlook:
        decided = _Chances.of(outputs[Columns.ACTION_DIST_INPUTS], batch, ALLOWED)
        following = _Chances.of(outputs[ACTION_DIST_INPUTS_NEXT], batch, ALLOWED_NEXT)
        values = [outputs[name] for name in (QF_PREDS, QF_TWIN_PREDS) if name in outputs]
        lesser = values[0] if len(values) == 1 else torch.min(*values)
        return Outlook(
            predicted=tuple(taken(each, batch[Columns.ACTIONS]) for each in values),
            value=decided.mean(lesser.detach()),
            entropy=decided.entropy,
            wanted_entropy=share * decided.most_entropy,
            following_value=following.mean(outputs[QF_TARGET_NEXT]),
            following_entropy=following.entropy,
        )


class _Numbers:
    """One draw stands for all that could be decided."""

    def __init__(self, distribution: SquashedNormal) -> None:
        self._distribution = distribution

    def look(self, module: LeanSACModule, batch: dict[str, Any]) -> Outputs:
        seen, following = batch[Columns.OBS], batch[Columns.NEXT_OBS]
        done = {Columns.OBS: seen, Columns.ACTIONS: batch[Columns.ACTIONS]}
        outputs = module.predictions(done, squeeze=True)
        drawn = self._distribution.explore(module.decided_by(seen), batch[NOISE])
        outputs[LOG_CHANCE] = drawn.log_probability
        with module.values_held():
            asked = {Columns.OBS: seen, Columns.ACTIONS: drawn.decided}
            value: Any = module.compute_q_values(asked)
            outputs[VALUE] = value
        with torch.no_grad():
            then = self._distribution.explore(module.decided_by(following), batch[NOISE_NEXT])
            asked = {Columns.OBS: following, Columns.ACTIONS: then.decided}
            target: Any = module.forward_target(asked)
            outputs[VALUE_NEXT], outputs[LOG_CHANCE_NEXT] = target, then.log_probability
        return outputs

    def outlook(self, batch: dict[str, Any], outputs: Mapping[str, Any], share: float) -> Outlook:
        numbers = batch[Columns.ACTIONS].shape[1]
        return Outlook(
            predicted=tuple(outputs[n] for n in (QF_PREDS, QF_TWIN_PREDS) if n in outputs),
            value=outputs[VALUE],
            entropy=-outputs[LOG_CHANCE],
            wanted_entropy=_entropy_of_numbers(numbers, share),
            following_value=outputs[VALUE_NEXT],
            following_entropy=-outputs[LOG_CHANCE_NEXT],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chances:
    """Chances of choices, row by row."""

    chances: torch.Tensor
    entropy: torch.Tensor
    most_entropy: torch.Tensor
    """That of choosing evenly among what is allowed."""

    @classmethod
    def of(cls, logits: torch.Tensor, batch: dict[str, torch.Tensor], mask: str) -> _Chances:
        logarithms = torch.log_softmax(among(logits, batch, mask), dim=1)
        chances = logarithms.exp()
        choices = batch[mask].sum(dim=1) if mask in batch else torch.tensor(logits.shape[1])
        return cls(
            chances=chances,
            entropy=-(chances * logarithms).sum(dim=1),
            most_entropy=choices.float().log(),
        )

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """What is to be expected of values of the choices."""
        return (self.chances * values).sum(dim=1)
