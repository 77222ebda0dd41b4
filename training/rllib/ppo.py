"""Proximal policy optimisation in RLlib's frame, with arrays from the environment to the update."""

from typing import Any

from gymnasium.spaces import Box
from ray.rllib.algorithms.ppo import PPO, PPOConfig
from ray.rllib.algorithms.ppo.ppo_catalog import PPOCatalog
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from training.rllib.lean import LeanAlgorithm, LeanConfig
from training.rllib.learner import Annealing, LeanPPOLearner
from training.rllib.recurrent import MEMORY, RecurrentModule


class LeanPPO(LeanAlgorithm, PPO):
    """PPO whose training step moves rollouts instead of episodes.

    Still an RLlib Algorithm: config, checkpoints, metrics and Tune work as usual. With several
    runners their rollouts are learned from together.
    """

    annealing: Annealing | None = None
    """What rules learning rate and entropy bonus; None leaves it to the schedules of the config."""

    @classmethod
    def get_default_config(cls) -> "LeanPPOConfig":
        """The settings to start from."""
        return LeanPPOConfig()


class LeanCatalog(PPOCatalog):
    """RLlib's networks; where actions are numbers, their log deviations are weights apart."""

    def __init__(
        self, observation_space: Any, action_space: Any, model_config_dict: dict[str, Any]
    ) -> None:
        """Choose the form of deviations by the space of actions."""
        is_box = isinstance(action_space, Box)
        build: Any = super().__init__
        build(observation_space, action_space, {**model_config_dict, "free_log_std": is_box})


class LeanPPOConfig(LeanConfig, PPOConfig):
    """RLlib's PPO settings, with the parts that LeanPPO replaces already in place."""

    lean_class = LeanPPO
    learns = "without KL penalty"

    def __init__(self, algo_class: type | None = None) -> None:
        """Start from the defaults that LeanPPO needs."""
        super().__init__(algo_class=algo_class)
        self.memory_units = 0
        self.use_kl_loss = False
        self.kl_coeff = 0.0

    def remember(self, units: int) -> "LeanPPOConfig":
        """Give the policy a memory of so many numbers; 0: none."""
        self.memory_units = units
        return self

    @property
    def _model_config_auto_includes(self) -> dict[str, Any]:
        included: Any = super()._model_config_auto_includes
        return {**included, MEMORY: self.memory_units} if self.memory_units else included

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """RLlib's network, its deviations independent of what is seen; or one with a memory."""
        if self.memory_units:
            return RLModuleSpec(module_class=RecurrentModule)
        return RLModuleSpec(module_class=DefaultPPOTorchRLModule, catalog_class=LeanCatalog)

    def get_default_learner_class(self) -> type[LeanPPOLearner]:
        """The learner that takes rollouts."""
        return LeanPPOLearner

    def refused(self) -> dict[str, bool]:
        """Also the KL penalty, which is not there."""
        return {**super().refused(), "use_kl_loss": self.use_kl_loss}
