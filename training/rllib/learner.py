"""The PPO update on arrays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.learner import ENTROPY_KEY, POLICY_LOSS_KEY, VF_LOSS_KEY
from ray.rllib.evaluation.postprocessing import Postprocessing

from training.policies import InconsistentNetwork, NetworkPolicy
from training.rllib.advantages import evaluate_rollout
from training.rllib.distributions import distribution_over, with_mask
from training.rllib.lean_learner import LeanLearner
from training.rllib.recurrent import BEFORE, KNOWN, RESTARTS
from training.rllib.rollout import Rollout
from training.rllib.weights import (
    head_in,
    is_value_weight,
    rescaled_values,
    to_module_state,
    to_network_policy,
)

REFERENCE, REFERENCE_KL, ALLOWED = "reference_logits", "reference_kl", "allowed"
ORDERED = "ordered_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annealing:
    """What a caller sets anew at every iteration, in place of the schedules of the config."""

    learning_rate: float
    """Step size of the optimiser."""
    entropy_coefficient: float
    """Weight of the bonus for keeping decisions random."""
    trains_policy: bool = True
    """False fits the value network alone and leaves the policy untouched."""
    reference_weight: float = 0.0
    """Weight of the KL divergence from the policy that was loaded."""


class LeanPPOLearner(LeanLearner, PPOTorchLearner):
    """RLlib's PPO learner fed with rollouts instead of episodes.

    `learn` replaces `update`: advantages come from arrays, minibatches from one permutation per
    epoch. Bypassed, beside what `LeanLearner` says: the KL penalty and clipping of the value
    loss. Policy and value networks are clipped apart, so that a large value error cannot stop
    the policy.

    The value network learns rewards times `reward_scale`. With a scale of None in the config it
    is chosen from the first rollout, and a value network loaded before that is rescaled to match.
    """

    def build(self) -> None:
        """Build networks and optimiser."""
        super().build()
        self._distribution = distribution_over(self._network.action_space)
        self._annealing: Annealing | None = None
        self._reference: NetworkPolicy | None = None
        self._generator = torch.Generator().manual_seed(self.config.seed or 0)

    def learn(
        self,
        rollouts: Sequence[Rollout],
        *,
        timesteps: Mapping[str, Any],
        annealing: Annealing | None = None,
    ) -> Any:
        """Fit both networks to the rollouts; returns RLlib's metrics.

        Without `annealing` the schedules of the config rule, by `timesteps` as in RLlib. Raises
        TrainingDiverged at the first gradient that is not finite.
        """
        self._annealing = annealing
        for optimizer in self._optimisers():
            # Before the first step too: a restored optimiser brings along the rate it last had.
            rate = annealing.learning_rate if annealing else self._scheduled_rate(optimizer)
            self._set_optimizer_lr(optimizer, rate)
        batch = self._to_batch(rollouts)
        if annealing is not None and annealing.reference_weight > 0.0 and self._reference:
            inputs = self._reference.head.spread(self._reference.logits(batch[Columns.OBS].numpy()))
            batch[REFERENCE] = torch.from_numpy(inputs)
        for _ in range(self.config.num_epochs):
            for minibatch in self._minibatches(batch):
                self._step(minibatch)
        self._weights_seq_no += 1
        if annealing is None:
            self.after_gradient_based_update(timesteps=dict(timesteps))
        rows = sum(rollout.transitions for rollout in rollouts)
        return self._measure(rows * self.config.num_epochs)

    def load_policy(self, policy: NetworkPolicy) -> None:
        """Take over a policy's weights, and its value network's if it has one.

        Raises InconsistentNetwork when the shapes differ from those of the config.
        """
        module = self.module[DEFAULT_MODULE_ID]
        scale = self.reward_scale or 1.0
        state = self._weights()
        head = head_in(state, self._distribution)
        if policy.head != head:
            raise InconsistentNetwork(f"cannot start from {policy.head}: actions are {head}")
        module.set_state(to_module_state(policy, state, reward_scale=scale))
        self._has_learned_values = policy.has_values
        self._reference = policy

    def to_policy(self, name: str) -> NetworkPolicy:
        """The present weights as a policy that acts with numpy."""
        state = self._weights()
        return to_network_policy(
            state,
            name=name,
            reward_scale=self.reward_scale or 1.0,
            head=head_in(state, self._distribution),
        )

    def get_state(self, *args: Any, **kwargs: Any) -> Any:
        """The state of lean learners with what orders the rows of minibatches."""
        return {**super().get_state(*args, **kwargs), ORDERED: self._generator.get_state().numpy()}

    def set_state(self, state: Any) -> None:
        """Restore what `get_state` gave; without an order in it rows go on being ordered anew."""
        super().set_state(state)
        if ORDERED in state:
            self._generator.set_state(torch.from_numpy(state[ORDERED].copy()))

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> torch.Tensor:
        """Clipped surrogate, squared value error and entropy bonus."""
        module = self._network
        predicted = module.compute_values(batch, embeddings=fwd_out.get(Columns.EMBEDDINGS))
        value_loss = (predicted - batch[Postprocessing.VALUE_TARGETS]).square().mean()
        self._losses = {VF_LOSS_KEY: value_loss}
        loss: torch.Tensor = config.vf_loss_coeff * value_loss
        if self._annealing is not None and not self._annealing.trains_policy:
            return loss
        allowed = batch.get(ALLOWED)
        inputs = with_mask(fwd_out[Columns.ACTION_DIST_INPUTS], allowed)
        judged = self._distribution.judge(inputs, batch[Columns.ACTIONS])
        ratio = torch.exp(judged.log_probability - batch[Columns.ACTION_LOGP])
        advantages = batch[Postprocessing.ADVANTAGES]
        clipped = ratio.clamp(1 - config.clip_param, 1 + config.clip_param)
        policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
        entropy = judged.entropy.mean()
        self._losses |= {POLICY_LOSS_KEY: policy_loss, ENTROPY_KEY: entropy}
        loss += policy_loss - self._entropy_coefficient(module_id) * entropy
        if REFERENCE in batch and self._annealing is not None:
            reference = with_mask(batch[REFERENCE], allowed)
            divergence = self._distribution.divergence(reference, inputs).mean()
            self._losses[REFERENCE_KL] = divergence
            loss += self._annealing.reference_weight * divergence
        return loss

    def _to_batch(self, rollouts: Sequence[Rollout]) -> dict[str, torch.Tensor]:
        if self.reward_scale is None:
            self.choose_reward_scale(rollouts[0])
        estimated = [
            evaluate_rollout(
                rollout.with_memories(),
                value_of=self._values,
                reward_scale=self.reward_scale or 1.0,
                discount=self.config.gamma,
                discount_minutes=self.config.discount_minutes,
                gae_lambda=self.config.lambda_,
            )
            for rollout in rollouts
        ]
        columns = {
            Columns.OBS: [rollout.observations for rollout in rollouts],
            Columns.ACTIONS: [rollout.actions for rollout in rollouts],
            Columns.ACTION_LOGP: [rollout.log_probabilities for rollout in rollouts],
            Postprocessing.ADVANTAGES: [each.advantages for each in estimated],
            Postprocessing.VALUE_TARGETS: [each.targets for each in estimated],
        }
        masks = [rollout.allowed for rollout in rollouts if rollout.allowed is not None]
        if masks:
            columns[ALLOWED] = masks
        remembered = [each.memories for each in rollouts if each.memories is not None]
        if remembered:
            columns[BEFORE] = [memories.before[None] for memories in remembered]
            columns[RESTARTS] = [rollout.restarts for rollout in rollouts]
            columns[KNOWN] = [rollout.with_memories().observations for rollout in rollouts]
        join = _side_by_side if remembered else _flat
        batch = {name: join(arrays) for name, arrays in columns.items()}
        batch[Postprocessing.ADVANTAGES] = _standardised(batch[Postprocessing.ADVANTAGES])
        return batch

    def _rescale_values(self, factor: float) -> None:
        module = self.module[DEFAULT_MODULE_ID]
        state = module.get_state()
        module.set_state({**state, **rescaled_values(state, factor)})

    @torch.no_grad()
    def _values(self, observations: np.ndarray) -> np.ndarray:
        seen = torch.from_numpy(observations)
        batch = {Columns.OBS: seen, KNOWN: seen}
        values: np.ndarray = self._network.compute_values(batch).numpy()
        return values

    def _minibatches(self, batch: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
        has_sequences = BEFORE in batch
        rows, steps = batch[Columns.ACTION_LOGP].numel(), len(batch[Columns.ACTION_LOGP])
        order = torch.randperm(rows // steps if has_sequences else rows, generator=self._generator)
        # An uneven rest would be a noisier step of the same size, so minibatches are made even.
        count = min(len(order), max(1, round(rows / self.config.minibatch_size)))
        for chosen in torch.tensor_split(order, count):
            if has_sequences:
                yield {name: _sequences(name, column[:, chosen]) for name, column in batch.items()}
            else:
                yield {name: column[chosen] for name, column in batch.items()}

    def _networks(self) -> list[list[torch.nn.Parameter]]:
        named = list(self._network.named_parameters())
        value = [weight for name, weight in named if is_value_weight(name)]
        policy = [weight for name, weight in named if not is_value_weight(name)]
        return [policy, value]

    def _entropy_coefficient(self, module_id: str) -> float:
        if self._annealing is not None:
            return self._annealing.entropy_coefficient
        schedule = self.entropy_coeff_schedulers_per_module[module_id]
        return float(schedule.get_current_value())


def _flat(arrays: Sequence[np.ndarray]) -> torch.Tensor:
    """Rows of all rollouts, steps and environments, one after another."""
    return torch.from_numpy(
        np.concatenate([array.reshape(-1, *array.shape[2:]) for array in arrays])
    )


def _side_by_side(arrays: Sequence[np.ndarray]) -> torch.Tensor:
    """Environments of all rollouts beside each other, time first."""
    return torch.from_numpy(np.concatenate(arrays, axis=1))


def _sequences(name: str, column: torch.Tensor) -> torch.Tensor:
    """As it is what the memory goes through, all else a row for each step."""
    return column if name in (Columns.OBS, BEFORE, RESTARTS) else column.flatten(0, 1)


def _standardised(advantages: torch.Tensor) -> torch.Tensor:
    """Mean zero and unit deviation; all zero when the advantages are all equal."""
    centred = advantages - advantages.mean()
    return centred / centred.std(correction=0).clamp_min(1e-8)
