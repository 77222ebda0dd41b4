"""The SAC update on arrays, of choices and of numbers."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from ray.rllib.algorithms.sac.sac_learner import QF_LOSS_KEY, QF_MEAN_KEY, QF_TWIN_LOSS_KEY
from ray.rllib.algorithms.sac.torch.sac_torch_learner import SACTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.learner import ENTROPY_KEY, POLICY_LOSS_KEY

from training.policies import NetworkPolicy
from training.rllib.off_policy_learner import OffPolicyLearner
from training.rllib.off_policy_weights import to_sac_policy, to_sac_state
from training.rllib.sac_networks import NOISE, NOISE_NEXT, LeanSACModule, Outlook, sac_distribution

TEMPERATURE = "alpha"
LOG_TEMPERATURE, TEMPERATURE_LOSS, TEMPERATURE_VALUE = "log_alpha", "alpha_loss", "alpha_value"
DRAWN = "drawn_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class SACAnnealing:
    """What a caller sets anew at every iteration, in place of the schedules of the config."""

    learning_rate: float
    """Step size of the optimisers of policy and values."""
    trains_policy: bool = True
    """False fits the values alone and leaves policy and temperature untouched."""


# RLlib's own learners disagree on the arguments of `remove_module`.
class LeanSACLearner(OffPolicyLearner, SACTorchLearner):  # type: ignore[misc]
    """RLlib's SAC learner on batches of arrays; see `OffPolicyLearner` for what is bypassed.

    The temperature keeps the entropy of choices at a share of what choosing evenly among those
    allowed would have, which differs from row to row. RLlib's own `target_entropy="auto"` is -1
    for them, which no policy can reach, so the temperature would only ever fall. Of numbers it is
    the entropy of an even draw from that share of their range; RLlib's -1 each is a share of 0.18.
    The temperature is kept in checkpoints, which RLlib's learner forgets, and so is what numbers
    are drawn by.
    """

    module_class = LeanSACModule

    def build(self) -> None:
        """Build networks, their targets, the temperature and optimisers."""
        super().build()
        self._trains_policy = True
        self._head = sac_distribution(self._network.action_space).head(())
        self._generator = torch.Generator().manual_seed(self.config.seed or 0)

    def obey(self, annealing: SACAnnealing | None) -> None:
        """Let this step size rule until the next call; None leaves it to the config."""
        self._trains_policy = annealing is None or annealing.trains_policy
        for name, optimizer in self.get_optimizers_for_module(DEFAULT_MODULE_ID):
            rate = self._scheduled_rate(optimizer)
            if annealing is not None and name != TEMPERATURE:
                rate = annealing.learning_rate
            self._set_optimizer_lr(optimizer, rate)

    def load_policy(self, policy: NetworkPolicy) -> None:
        """Take over what a policy decides by; what judges it stays fresh."""
        state = to_sac_state(policy, self._weights(), head=self._head)
        self.module[DEFAULT_MODULE_ID].set_state(state)

    def to_policy(self, name: str) -> NetworkPolicy:
        """The present policy, without what judges it, which no value network could hold."""
        return to_sac_policy(self._weights(), name=name, head=self._head)

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> torch.Tensor:
        """Errors of the values, and losses of policy and temperature unless those must wait."""
        outlook: Outlook = self._network.form.outlook(batch, fwd_out, float(config.entropy_share))
        loss = self._value_loss(batch, outlook)
        if not self._trains_policy:
            return loss
        temperature = self._log_temperature.exp().detach()
        policy_loss = (temperature * -outlook.entropy - outlook.value).mean()
        wanted = outlook.wanted_entropy
        if config.target_entropy != "auto":
            wanted = float(config.target_entropy)
        temperature_loss = (self._log_temperature * (outlook.entropy.detach() - wanted)).mean()
        self._losses |= {
            POLICY_LOSS_KEY: policy_loss.detach(),
            TEMPERATURE_LOSS: temperature_loss.detach(),
            TEMPERATURE_VALUE: temperature,
            ENTROPY_KEY: outlook.entropy.detach().mean(),
        }
        return loss + policy_loss + temperature_loss

    def get_state(self, *args: Any, **kwargs: Any) -> Any:
        """RLlib's state with the temperature, which it forgets, and what numbers are drawn by."""
        return {
            **super().get_state(*args, **kwargs),
            LOG_TEMPERATURE: float(self._log_temperature.detach()),
            DRAWN: self._generator.get_state().numpy(),
        }

    def set_state(self, state: Any) -> None:
        """Restore what `get_state` gave."""
        super().set_state(state)
        if LOG_TEMPERATURE in state:
            self._log_temperature.data.fill_(state[LOG_TEMPERATURE])
        if DRAWN in state:
            self._generator.set_state(torch.from_numpy(state[DRAWN].copy()))

    @property
    def _log_temperature(self) -> torch.Tensor:
        logarithm: Any = self.curr_log_alpha[DEFAULT_MODULE_ID]
        return cast(torch.Tensor, logarithm)

    def _prepared(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """With the noise that numbers are drawn by; choices need none."""
        actions = batch[Columns.ACTIONS]
        if actions.ndim == 1:
            return batch
        noise = torch.randn(2, *actions.shape, generator=self._generator)
        return batch | {NOISE: noise[0], NOISE_NEXT: noise[1]}

    def _value_loss(self, batch: dict[str, Any], outlook: Outlook) -> torch.Tensor:
        temperature = self._log_temperature.exp().detach()
        following = outlook.following_value + temperature * outlook.following_entropy
        losses = [self._regression(each, batch, following) for each in outlook.predicted]
        names = (QF_LOSS_KEY, QF_TWIN_LOSS_KEY)
        self._losses |= {name: loss.detach() for name, loss in zip(names, losses, strict=False)}
        self._losses[QF_MEAN_KEY] = outlook.predicted[0].detach().mean()
        total: torch.Tensor = torch.stack(losses).sum()
        return total

    def _networks(self) -> list[list[torch.nn.Parameter]]:
        # The temperature is one number, whose step Adam bounds by itself.
        optimizers = self.get_optimizers_for_module(DEFAULT_MODULE_ID)
        return [
            [weight for group in optimizer.param_groups for weight in group["params"]]
            for name, optimizer in optimizers
            if name != TEMPERATURE
        ]
