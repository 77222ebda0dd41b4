"""The SAC update on arrays for discrete decisions, and the network that it is of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from ray.rllib.algorithms.sac.sac_learner import (
    ACTION_DIST_INPUTS_NEXT,
    QF_LOSS_KEY,
    QF_MEAN_KEY,
    QF_PREDS,
    QF_TARGET_NEXT,
    QF_TWIN_LOSS_KEY,
    QF_TWIN_PREDS,
)
from ray.rllib.algorithms.sac.torch.default_sac_torch_rl_module import DefaultSACTorchRLModule
from ray.rllib.algorithms.sac.torch.sac_torch_learner import SACTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.learner import ENTROPY_KEY, POLICY_LOSS_KEY

from training.policies import NetworkPolicy
from training.rllib.experience import ALLOWED, ALLOWED_NEXT
from training.rllib.off_policy_learner import LeanModule, OffPolicyLearner, among, taken
from training.rllib.off_policy_weights import to_sac_policy, to_sac_state

TEMPERATURE = "alpha"
LOG_TEMPERATURE, TEMPERATURE_LOSS, TEMPERATURE_VALUE = "log_alpha", "alpha_loss", "alpha_value"


@dataclass(frozen=True, slots=True, kw_only=True)
class SACAnnealing:
    """What a caller sets anew at every iteration, in place of the schedules of the config."""

    learning_rate: float
    """Step size of the optimisers of policy and values."""
    trains_policy: bool = True
    """False fits the values alone and leaves policy and temperature untouched."""


class LeanSACModule(LeanModule, DefaultSACTorchRLModule):
    """RLlib's SAC networks for discrete decisions, which tell logits where those tell chances.

    Logits can be masked before they become chances, and their logarithms stay finite.
    """

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        present, following = ({Columns.OBS: batch[key]} for key in (Columns.OBS, Columns.NEXT_OBS))
        outputs = {
            Columns.ACTION_DIST_INPUTS: self._forward_inference(present)[
                Columns.ACTION_DIST_INPUTS
            ],
            QF_PREDS: self._qf_forward_train_helper(
                present, self.qf_encoder, self.qf, squeeze=False
            ),
        }
        if self.twin_q:
            outputs[QF_TWIN_PREDS] = self._qf_forward_train_helper(
                present, self.qf_twin_encoder, self.qf_twin, squeeze=False
            )
        with torch.no_grad():
            decided = self._forward_inference(following)
            outputs[ACTION_DIST_INPUTS_NEXT] = decided[Columns.ACTION_DIST_INPUTS]
            outputs[QF_TARGET_NEXT] = self.forward_target(following, squeeze=False)
        return outputs


# RLlib's own learners disagree on the arguments of `remove_module`.
class LeanSACLearner(OffPolicyLearner, SACTorchLearner):  # type: ignore[misc]
    """RLlib's SAC learner on batches of arrays; see `OffPolicyLearner` for what is bypassed.

    The temperature keeps the entropy of decisions at a share of what choosing evenly among those
    allowed would have, which differs from row to row. RLlib's own `target_entropy="auto"` is -1
    for discrete decisions, which no policy can reach, so the temperature would only ever fall.
    The temperature is kept in checkpoints; RLlib's learner forgets it.
    """

    module_class = LeanSACModule

    def build(self) -> None:
        """Build networks, their targets, the temperature and optimisers."""
        super().build()
        self._trains_policy = True

    def obey(self, annealing: SACAnnealing | None) -> None:
        """Let this step size rule until the next call; None leaves it to the config."""
        self._trains_policy = annealing is None or annealing.trains_policy
        if annealing is None:
            return
        for name, optimizer in self.get_optimizers_for_module(DEFAULT_MODULE_ID):
            if name != TEMPERATURE:
                self._set_optimizer_lr(optimizer, annealing.learning_rate)

    def load_policy(self, policy: NetworkPolicy) -> None:
        """Take over a policy's chances; what judges them stays fresh."""
        self.module[DEFAULT_MODULE_ID].set_state(to_sac_state(policy, self._weights()))

    def to_policy(self, name: str) -> NetworkPolicy:
        """The present policy, without what judges it, which no value network could hold."""
        return to_sac_policy(self._weights(), name=name)

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> torch.Tensor:
        """Errors of the values, and losses of policy and temperature unless those must wait."""
        loss = self._value_loss(batch, fwd_out)
        if not self._trains_policy:
            return loss
        decided = _Decisions.of(fwd_out[Columns.ACTION_DIST_INPUTS], batch, ALLOWED)
        values = fwd_out[QF_PREDS].detach()
        if config.twin_q:
            values = torch.min(values, fwd_out[QF_TWIN_PREDS].detach())
        temperature = self._log_temperature.exp().detach()
        policy_loss = (temperature * -decided.entropy - decided.mean(values)).mean()
        excess = decided.entropy.detach() - self._wanted_entropy(decided)
        temperature_loss = (self._log_temperature * excess).mean()
        self._losses |= {
            POLICY_LOSS_KEY: policy_loss.detach(),
            TEMPERATURE_LOSS: temperature_loss.detach(),
            TEMPERATURE_VALUE: temperature,
            ENTROPY_KEY: decided.entropy.detach().mean(),
        }
        return loss + policy_loss + temperature_loss

    def get_state(self, *args: Any, **kwargs: Any) -> Any:
        """RLlib's state with the temperature, which it forgets."""
        logarithm = float(self._log_temperature.detach())
        return {**super().get_state(*args, **kwargs), LOG_TEMPERATURE: logarithm}

    def set_state(self, state: Any) -> None:
        """Restore what `get_state` gave."""
        super().set_state(state)
        if LOG_TEMPERATURE in state:
            self._log_temperature.data.fill_(state[LOG_TEMPERATURE])

    @property
    def _log_temperature(self) -> torch.Tensor:
        logarithm: Any = self.curr_log_alpha[DEFAULT_MODULE_ID]
        return cast(torch.Tensor, logarithm)

    def _value_loss(
        self, batch: dict[str, Any], fwd_out: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        next_decided = _Decisions.of(fwd_out[ACTION_DIST_INPUTS_NEXT], batch, ALLOWED_NEXT)
        temperature = self._log_temperature.exp().detach()
        following = next_decided.mean(fwd_out[QF_TARGET_NEXT]) + temperature * next_decided.entropy
        predicted = taken(fwd_out[QF_PREDS], batch[Columns.ACTIONS])
        loss = self._regression(predicted, batch, following)
        self._losses |= {QF_LOSS_KEY: loss.detach(), QF_MEAN_KEY: predicted.detach().mean()}
        if QF_TWIN_PREDS in fwd_out:
            twin = taken(fwd_out[QF_TWIN_PREDS], batch[Columns.ACTIONS])
            twin_loss = self._regression(twin, batch, following)
            self._losses[QF_TWIN_LOSS_KEY] = twin_loss.detach()
            loss = loss + twin_loss
        return loss

    def _wanted_entropy(self, decided: "_Decisions") -> torch.Tensor | float:
        if self.config.target_entropy == "auto":
            return float(self.config.entropy_share) * decided.most_entropy
        return float(self.config.target_entropy)

    def _networks(self) -> list[list[torch.nn.Parameter]]:
        # The temperature is one number, whose step Adam bounds by itself.
        optimizers = self.get_optimizers_for_module(DEFAULT_MODULE_ID)
        return [
            [weight for group in optimizer.param_groups for weight in group["params"]]
            for name, optimizer in optimizers
            if name != TEMPERATURE
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decisions:
    """Chances of decisions, row by row."""

    chances: torch.Tensor
    entropy: torch.Tensor
    most_entropy: torch.Tensor
    """That of choosing evenly among what is allowed."""

    @classmethod
    def of(cls, logits: torch.Tensor, batch: dict[str, torch.Tensor], mask: str) -> "_Decisions":
        logarithms = torch.log_softmax(among(logits, batch, mask), dim=1)
        chances = logarithms.exp()
        choices = batch[mask].sum(dim=1) if mask in batch else torch.tensor(logits.shape[1])
        return cls(
            chances=chances,
            entropy=-(chances * logarithms).sum(dim=1),
            most_entropy=choices.float().log(),
        )

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """What is to be expected of values of the decisions."""
        return (self.chances * values).sum(dim=1)
