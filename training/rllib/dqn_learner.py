"""The DQN update on arrays, and the network that it is of."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from ray.rllib.algorithms.dqn.dqn_learner import (
    QF_LOSS_KEY,
    QF_MEAN_KEY,
    QF_NEXT_PREDS,
    QF_PREDS,
    QF_TARGET_NEXT_PREDS,
)
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.algorithms.dqn.torch.dqn_torch_learner import DQNTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns

from training.heads import NOT_ALLOWED
from training.policies import NetworkPolicy
from training.rllib.batched_runner import MASK
from training.rllib.experience import ALLOWED_NEXT
from training.rllib.off_policy_learner import LeanModule, OffPolicyLearner, among, taken
from training.rllib.off_policy_weights import (
    rescaled_action_values,
    to_action_values,
    to_dqn_state,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DQNAnnealing:
    """What a caller sets anew at every iteration, in place of the schedules of the config."""

    learning_rate: float
    """Step size of the optimiser."""
    exploration: float
    """Chance of a random decision."""


class LeanDQNModule(LeanModule, DefaultDQNTorchRLModule):
    """RLlib's DQN network, which tells its policy as logits, the exploring one as well.

    The chance of a random decision is part of the weights, so it travels with them; RLlib's has a
    schedule of its own in every process. Where the batch has a mask, the best decision and the
    random one are of those allowed.
    """

    exploration: torch.Tensor

    def setup(self) -> None:
        """Build the networks."""
        build: Any = super().setup
        build()
        # Not a plain number, which RLlib would send as one of Python.
        self.register_buffer("exploration", torch.ones(1))

    def _forward_inference(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTION_DIST_INPUTS: self._values(batch)}

    def _forward_exploration(
        self, batch: dict[str, Any], t: int = 0, **kwargs: Any
    ) -> dict[str, Any]:
        values = among(self._values(batch), batch, MASK)
        allowed = batch.get(MASK, torch.ones_like(values, dtype=torch.bool))
        chances = self.exploration * allowed / allowed.sum(dim=1, keepdim=True)
        best = values.argmax(dim=1, keepdim=True)
        chances = chances.scatter_add(1, best, (1.0 - self.exploration).expand(best.shape))
        return {Columns.ACTION_DIST_INPUTS: chances.log().clamp_min(NOT_ALLOWED)}

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        outputs = {QF_PREDS: self._values(batch)}
        following = {Columns.OBS: batch[Columns.NEXT_OBS]}
        # Apart from the present observations, because no gradient is wanted of these.
        with torch.no_grad():
            target: Any = self.forward_target(following)[QF_PREDS]
            outputs[QF_TARGET_NEXT_PREDS] = target
            if self.uses_double_q:
                outputs[QF_NEXT_PREDS] = self._values(following)
        return outputs

    def _values(self, batch: dict[str, Any]) -> torch.Tensor:
        values: Any = self.compute_q_values(batch)[QF_PREDS]
        return cast(torch.Tensor, values)


class LeanDQNLearner(OffPolicyLearner, DQNTorchLearner):
    """RLlib's DQN learner on batches of arrays; see `OffPolicyLearner` for what is bypassed."""

    module_class = LeanDQNModule

    def obey(self, annealing: DQNAnnealing | None) -> None:
        """Let this step size rule until the next call; None leaves it to the config."""
        for optimizer in self._optimisers():
            rate = annealing.learning_rate if annealing else self._scheduled_rate(optimizer)
            self._set_optimizer_lr(optimizer, rate)

    def explore(self, exploration: float) -> None:
        """Let so large a share of decisions be random from the next collection on."""
        self._network.exploration.fill_(exploration)

    def load_policy(self, policy: NetworkPolicy) -> None:
        """Take over a policy of action values, for the target network as well."""
        module = self.module[DEFAULT_MODULE_ID]
        scale = self.reward_scale or 1.0
        module.set_state(to_dqn_state(policy, self._weights(), reward_scale=scale))
        self._has_learned_values = True

    def to_policy(self, name: str) -> NetworkPolicy:
        """The present action values as a policy; its logits are in the units of the reward."""
        return to_action_values(self._weights(), name=name, reward_scale=self.reward_scale or 1.0)

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> torch.Tensor:
        """Error of the values of what was decided against the best that can follow it."""
        predicted = taken(fwd_out[QF_PREDS], batch[Columns.ACTIONS])
        values = among(fwd_out[QF_TARGET_NEXT_PREDS], batch, ALLOWED_NEXT)
        chooser = values
        if config.double_q:
            chooser = among(fwd_out[QF_NEXT_PREDS], batch, ALLOWED_NEXT)
        loss = self._regression(predicted, batch, taken(values, chooser.argmax(dim=1)))
        self._losses |= {QF_LOSS_KEY: loss.detach(), QF_MEAN_KEY: predicted.detach().mean()}
        return loss

    def _error(self, predicted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.config.td_error_loss_fn == "mse":
            return torch.nn.functional.mse_loss(predicted, targets)
        return super()._error(predicted, targets)

    def _networks(self) -> list[list[torch.nn.Parameter]]:
        return [[weight for weight in self._network.parameters() if weight.requires_grad]]

    def _rescale_values(self, factor: float) -> None:
        module = self.module[DEFAULT_MODULE_ID]
        state = module.get_state()
        module.set_state({**state, **rescaled_action_values(state, factor)})
