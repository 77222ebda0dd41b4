"""What the updates of DQN and SAC share: batches from the replay, and targets that lag behind."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from gymnasium.spaces import Discrete, Space
from ray.rllib.algorithms.dqn.dqn_learner import TD_ERROR_MEAN_KEY
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.utils.metrics import NUM_ENV_STEPS_SAMPLED_LIFETIME

from training.policies import NetworkPolicy
from training.rllib.distributions import with_mask
from training.rllib.experience import WEIGHT
from training.rllib.lean import UnsupportedConfig
from training.rllib.lean_learner import LeanLearner

MOVED_TARGETS = "targets_moved_at"


class LeanModule(torch.nn.Module):
    """Networks for the learners here: inherit from it first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Build the networks. Raises UnsupportedConfig for actions that they cannot decide."""
        actions = kwargs.get("action_space")
        if not self.can_decide(actions):
            raise UnsupportedConfig(
                f"{type(self).__name__} decides {self.decides}, not in {actions}: "
                "choose jointly, or train by PPO"
            )
        super().__init__(*args, **kwargs)

    decides: ClassVar[str] = "among Discrete actions from 0"

    @staticmethod
    def can_decide(space: Space[Any] | None) -> bool:
        """Choices by their number from 0."""
        return isinstance(space, Discrete) and int(space.start) == 0


class OffPolicyLearner(LeanLearner):
    """Learns from batches of independent transitions: inherit from it before RLlib's learner.

    `learn` replaces `update`. Bypassed, beside what `LeanLearner` says: importance weights and
    the errors of single transitions, which only a prioritised replay needs.

    The present networks are stepped, and target networks follow them as `tau` and
    `target_network_update_freq` say. Batches hold what follows and its weight, so neither
    `gamma` nor `n_step` is known here.
    """

    module_class: type[Any]
    """What networks must inherit from, because the loss reads their outputs."""

    def build(self) -> None:
        """Build networks, their targets and optimisers."""
        super().build()
        network = self._network
        if not isinstance(network, self.module_class):
            raise UnsupportedConfig(
                f"networks of {type(network).__name__} do not tell {type(self).__name__} "
                f"what it learns from: inherit from {self.module_class.__name__}"
            )
        self._moved_targets = 0
        self._target_pairs = [
            pair
            for present, target in self._network.get_target_network_pairs()
            for pair in zip(target.parameters(), present.parameters(), strict=True)
        ]

    def learn(
        self,
        batches: Iterable[dict[str, torch.Tensor]],
        *,
        timesteps: Mapping[str, Any],
        annealing: Any = None,
    ) -> Any:
        """One update a batch; returns RLlib's metrics.

        Without `annealing` the schedules of the config rule, by `timesteps` as in RLlib. Raises
        TrainingDiverged at the first gradient that is not finite.
        """
        self.obey(annealing)
        rows = 0
        for batch in batches:
            batch[Columns.REWARDS] = batch[Columns.REWARDS] * (self.reward_scale or 1.0)
            self._step(self._prepared(batch))
            self._move_targets(int(timesteps[NUM_ENV_STEPS_SAMPLED_LIFETIME]))
            rows += len(batch[Columns.REWARDS])
        self._weights_seq_no += 1
        if annealing is None:
            # Not that of DQN, which would move the targets once more.
            TorchLearner.after_gradient_based_update(self, timesteps=dict(timesteps))
        return self._measure(rows)

    def obey(self, annealing: Any) -> None:
        """Let these step sizes rule until the next call; None leaves them to the config."""
        raise NotImplementedError

    def load_policy(self, policy: NetworkPolicy) -> None:
        """Take over a policy's weights.

        Raises InconsistentNetwork when the shapes differ from those of the config.
        """
        raise NotImplementedError

    def to_policy(self, name: str) -> NetworkPolicy:
        """The present weights as a policy that acts with numpy."""
        raise NotImplementedError

    def compute_gradients(self, loss_per_module: dict[str, Any], **kwargs: Any) -> Any:
        """By one pass back, also where RLlib's learner makes one for each optimiser."""
        return TorchLearner.compute_gradients(self, loss_per_module, **kwargs)

    def get_state(self, *args: Any, **kwargs: Any) -> Any:
        """RLlib's state with what it forgets: when target networks last moved."""
        return {**super().get_state(*args, **kwargs), MOVED_TARGETS: self._moved_targets}

    def set_state(self, state: Any) -> None:
        """Restore what `get_state` gave."""
        super().set_state(state)
        self._moved_targets = state.get(MOVED_TARGETS, self._moved_targets)

    def _prepared(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The batch with all that its losses depend on."""
        return batch

    def _regression(
        self, predicted: torch.Tensor, batch: dict[str, torch.Tensor], following: torch.Tensor
    ) -> torch.Tensor:
        """Loss of values of what was decided against rewards and the values of what follows."""
        targets = batch[Columns.REWARDS] + batch[WEIGHT] * following.detach()
        self._losses[TD_ERROR_MEAN_KEY] = (predicted - targets).detach().abs().mean()
        return self._error(predicted, targets)

    def _error(self, predicted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.huber_loss(predicted, targets)

    @torch.no_grad()
    def _move_targets(self, timestep: int) -> None:
        if timestep - self._moved_targets < self.config.target_network_update_freq:
            return
        self._moved_targets = timestep
        for target, present in self._target_pairs:
            target.lerp_(present, self.config.tau)


def taken(values: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Of the values of every decision in a row, that of the decision taken."""
    return values.gather(1, actions.long().unsqueeze(1)).squeeze(1)


def among(values: torch.Tensor, batch: dict[str, torch.Tensor], mask: str) -> torch.Tensor:
    """Values, or logits, of the decisions that are allowed; those of others are very low.

    Low and not infinite, because a chance of 0 is multiplied with it.
    """
    return with_mask(values, batch.get(mask))
