"""What all lean learners share: the step of the optimisers, and what they remember."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ray.rllib.core import ALL_MODULES, DEFAULT_MODULE_ID
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.utils.metrics import NUM_MODULE_STEPS_TRAINED_LIFETIME

from sim.errors import SurrogymError
from training.policies import InconsistentNetwork
from training.rllib.advantages import natural_reward_scale
from training.rllib.lean import UnsupportedConfig
from training.rllib.rollout import Rollout

REWARD_SCALE = "reward_scale"


class TrainingDiverged(SurrogymError):
    """A gradient, or a reward, was not finite; the weights are those from before it."""


class LeanLearner(TorchLearner):
    """Steps straight from a batch of tensors to new weights: inherit from it first.

    Bypassed: the learner connectors, gradient scalers, gradient clipping other than by the norm
    of each network, and the metrics of every single batch. `compute_loss_for_module` remains the
    place to add a loss term; it puts what is worth knowing into `_losses`.

    Rewards are learned times `reward_scale`, which None in the config leaves to be chosen.
    """

    # RLlib declares the base classes of these, which lack what algorithms add.
    config: Any
    _module: Any

    def build(self) -> None:
        """Build networks and optimisers."""
        super().build()
        self.reward_scale: float | None = self.config.reward_scale
        self._has_learned_values = False
        self._losses: dict[str, torch.Tensor] = {}
        self._clipped_apart = self._networks()
        for optimizer in self._optimisers():
            # One call for all weights: they are small, and most of Adam's time would go in Python.
            for group in optimizer.param_groups:
                group["fused"] = True

    def choose_reward_scale(self, rollout: Rollout) -> None:
        """Bring the discounted rewards of a rollout to unit spread, and values loaded before."""
        self.reward_scale = natural_reward_scale(
            rollout,
            discount=self.config.gamma,
            discount_minutes=self.config.discount_minutes,
        )
        if self._has_learned_values:
            self._rescale_values(self.reward_scale)

    def optimiser_tensors(self) -> dict[str, np.ndarray]:
        """What the optimisers remember, such as `0.exp_avg` -> array; empty before any step.

        Weights are numbered from the first optimiser's first to the last one's last.
        """
        tensors: dict[str, np.ndarray] = {}
        first = 0
        for optimizer in self._optimisers():
            for number, state in optimizer.state_dict()["state"].items():
                for name, value in state.items():
                    tensors[f"{first + number}.{name}"] = value.numpy(force=True).copy()
            first += len(_weights_of(optimizer))
        return tensors

    def load_optimiser(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Go on with what `optimiser_tensors` gave.

        Raises InconsistentNetwork when it remembers layers of other shapes, or something else.
        """
        remembered: dict[int, dict[str, torch.Tensor]] = {}
        for key, array in tensors.items():
            place, _, name = key.partition(".")
            if not (place.isdecimal() and name):
                raise InconsistentNetwork(
                    f"the optimiser has a tensor {key!r}, where `Training.optimiser` has names "
                    "such as '0.exp_avg': give that, or start without it"
                )
            remembered.setdefault(int(place), {})[name] = torch.tensor(array)
        _check_shapes(
            remembered, [weight for each in self._optimisers() for weight in _weights_of(each)]
        )
        first = 0
        for optimizer in self._optimisers():
            own = range(first, first + len(_weights_of(optimizer)))
            state = {place - first: remembered[place] for place in own if place in remembered}
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
            first = own.stop

    def postprocess_gradients(self, gradients_dict: dict[Any, Any]) -> dict[Any, Any]:
        """Clip each network by its own norm. Raises TrainingDiverged if that is not finite."""
        limit = self.config.grad_clip or float("inf")
        for network in self._clipped_apart:
            parameters = [weight for weight in network if weight.grad is not None]
            norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
            if not torch.isfinite(norm):
                raise TrainingDiverged(
                    f"gradient norm {float(norm)}: lower the learning rate, or look for rewards "
                    "and observations that are not finite"
                )
        return gradients_dict

    def apply_gradients(self, gradients_dict: dict[Any, Any]) -> None:
        """Step the optimisers; parameters without a gradient stay as they are."""
        for optimizer in self._optimisers():
            optimizer.step()

    def get_state(self, *args: Any, **kwargs: Any) -> Any:
        """RLlib's state with the reward scale, without which values cannot be read."""
        return {**super().get_state(*args, **kwargs), REWARD_SCALE: self.reward_scale}

    def set_state(self, state: Any) -> None:
        """Restore what `get_state` gave, also where this learner has learned for longer."""
        # RLlib keeps the weights that had more updates, even when an older state is asked for.
        self._weights_seq_no = 0
        super().set_state(state)
        if REWARD_SCALE in state:
            self.reward_scale = state[REWARD_SCALE]

    @property
    def _network(self) -> Any:
        return self.module[DEFAULT_MODULE_ID].unwrapped()

    def _weights(self) -> dict[str, np.ndarray]:
        """The networks' weights, to be read as a policy's layers.

        Raises UnsupportedConfig where those would mean something else.
        """
        told = self._network.model_config
        activation, head = told.get("fcnet_activation", "tanh"), told.get("head_fcnet_hiddens")
        if activation != "tanh" or head:
            raise UnsupportedConfig(
                f"fcnet_activation={activation!r} with head_fcnet_hiddens={head!r}: a "
                "NetworkPolicy has tanh layers and a linear head"
            )
        state: dict[str, np.ndarray] = self.module[DEFAULT_MODULE_ID].get_state()
        return state

    def _rescale_values(self, factor: float) -> None:
        """Multiply what the networks predict of rewards, which were those of a policy."""
        raise NotImplementedError

    def _networks(self) -> list[list[torch.nn.Parameter]]:
        """The parameters that are clipped together, network by network."""
        raise NotImplementedError

    def _optimisers(self) -> Sequence[torch.optim.Optimizer]:
        return [optimizer for _, optimizer in self.get_optimizers_for_module(DEFAULT_MODULE_ID)]

    def _scheduled_rate(self, optimizer: torch.optim.Optimizer) -> float:
        """By the config, which a restored optimiser knows nothing of: it brings along its last."""
        schedule: Any = self._optimizer_lr_schedules[optimizer]
        return float(schedule.get_current_value())

    def _step(self, minibatch: dict[str, torch.Tensor]) -> None:
        batch = {DEFAULT_MODULE_ID: minibatch}
        # Not by way of `forward_train`, which tells every layer anew that it is being trained.
        outputs = {DEFAULT_MODULE_ID: self._network._forward_train(minibatch)}
        losses = self.compute_losses(fwd_out=outputs, batch=batch)
        self.apply_gradients(self.postprocess_gradients(self.compute_gradients(losses)))

    def _measure(self, rows: int) -> Any:
        """RLlib's metrics after so many rows were learned from."""
        key = (ALL_MODULES, NUM_MODULE_STEPS_TRAINED_LIFETIME)
        self.metrics.log_value(key, rows, reduce="lifetime_sum")
        last = {name: loss.item() for name, loss in self._losses.items()}
        self.metrics.log_dict(last, key=DEFAULT_MODULE_ID, window=1)
        return self.metrics.reduce()


def _weights_of(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def _check_shapes(
    remembered: Mapping[int, Mapping[str, torch.Tensor]], weights: Sequence[torch.Tensor]
) -> None:
    for number, state in remembered.items():
        shapes = {tuple(value.shape) for value in state.values() if value.ndim}
        if number >= len(weights) or shapes - {tuple(weights[number].shape)}:
            raise InconsistentNetwork(
                f"the optimiser remembers a weight {number} of shape {sorted(shapes)}, which "
                "is none of this network's: start without it"
            )
