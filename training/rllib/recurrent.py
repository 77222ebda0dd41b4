"""A policy network that remembers, for the batched runner and the lean learner."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from gymnasium.spaces import Box
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI, ValueFunctionAPI
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import nn

from envs.actions import choices_in

MEMORY = "memory"
"""Key of the model config: units that are remembered."""
BEFORE, RESTARTS, KNOWN = "memory_before", "restarts", "known"
"""Columns of a batch of sequences: what was remembered before them, `[1, envs, units]`; where an
episode begins, `[steps, envs]`; what the value network sees, a row for each step."""


class RecurrentModule(TorchRLModule, InferenceOnlyAPI, ValueFunctionAPI):
    """Tanh layers, a gated recurrent unit and a last layer; a value network without a memory.

    The value network sees what is seen and what the policy then remembers. So only one memory has
    to be carried, and nothing that the value network learns disturbs it. RLlib does not know that
    the module has a state: the runner carries it, and the learner goes through whole rollouts.
    """

    # RLlib declares these as possibly None, which they are not once the module is set up.
    observation_space: Any
    action_space: Any
    model_config: Any

    def setup(self) -> None:
        """Build the networks by spaces and model config."""
        (features,) = self.observation_space.shape
        widths = [features, *self.model_config["fcnet_hiddens"]]
        self.units = int(self.model_config[MEMORY])
        is_box = isinstance(self.action_space, Box)
        outputs = self.action_space.shape[0] if is_box else choices_in(self.action_space)
        self.policy_layers = _layers(widths)
        self.cell = nn.GRUCell(widths[-1], self.units)
        self.policy_head = _layers([self.units, outputs])
        self.log_std = nn.Parameter(torch.zeros(outputs)) if is_box else None
        self.value_layers = _layers([features + self.units, *widths[1:]])
        self.value_head = _layers([widths[-1], 1])

    def get_non_inference_attributes(self) -> list[str]:
        """The value network."""
        return ["value_layers", "value_head"]

    def look(self, seen: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs of the distribution of decisions, and what is remembered after this epoch."""
        remembered = self.cell(_through(self.policy_layers, seen), memory)
        return self._spread(remembered), remembered

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Whole sequences `[steps, envs, features]`; a row for each step in the same order."""
        hidden = _through(self.policy_layers, batch[Columns.OBS])
        kept = (~batch[RESTARTS]).to(hidden.dtype)[:, :, None]
        memory, remembered = batch[BEFORE][0], []
        for step, keeps in zip(hidden, kept, strict=True):
            memory = self.cell(step, memory * keeps)
            remembered.append(memory)
        return {Columns.ACTION_DIST_INPUTS: self._spread(torch.cat(remembered))}

    def compute_values(self, batch: dict[str, Any], embeddings: Any = None) -> torch.Tensor:
        """Values of what is seen and remembered, a row each."""
        known = _through(self.value_layers, batch[KNOWN])
        values: torch.Tensor = self.value_head[0](known).squeeze(-1)
        return values

    def _spread(self, remembered: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.policy_head[0](remembered)
        if self.log_std is None:
            return outputs
        return torch.cat([outputs, self.log_std.expand_as(outputs)], dim=1)


def _layers(widths: list[int]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths))


def _through(layers: nn.ModuleList, inputs: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        inputs = torch.tanh(layer(inputs))
    return inputs
