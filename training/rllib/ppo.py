"""Proximal policy optimisation in RLlib's frame, with arrays from the environment to the update."""

from typing import Any, cast

from gymnasium.spaces import Box
from ray.rllib.algorithms.ppo import PPO, PPOConfig
from ray.rllib.algorithms.ppo.ppo_catalog import PPOCatalog
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from training.rllib.lean import LeanAlgorithm, LeanConfig, UnsupportedConfig
from training.rllib.learner import Annealing, LeanPPOLearner
from training.rllib.recurrent import MEMORY, RecurrentModule
from training.rllib.refusals import CONNECTORS, UNHEARD_BY_PPO, unheard, unheard_with_memory


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
    stock_class = PPOConfig
    own_follows = (*CONNECTORS, "use_lstm")

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

    def refused(self) -> dict[str, str]:
        """Also what PPO here does not have, and shared layers."""
        found = {**super().refused(), **unheard(self, UNHEARD_BY_PPO)}
        if "rollout_fragment_length" not in found and self._told_batch() not in (None, self._rows):
            found["train_batch_size_per_learner"] = (
                f"a batch is one rollout of every environment, here {self._rows} steps"
            )
        if self.model_config["vf_share_layers"]:
            found["vf_share_layers"] = (
                "value and policy are clipped and kept apart, and shared layers halved what was "
                "earned; DefaultModelConfig shares them unless told vf_share_layers=False"
            )
        if self.memory_units:
            found |= unheard_with_memory(self.model_config)
        return found

    def to_stock(self) -> PPOConfig:
        """Also with the batches of this config, and RLlib's coefficient of KL if that is used."""
        if self.memory_units:
            raise UnsupportedConfig(
                f"memory_units={self.memory_units}: RLlib's own PPO has no such network; leave it "
                "out by remember(0), or take rl_module(model_config=...) with use_lstm"
            )
        config = cast(PPOConfig, super().to_stock())
        if self._told_batch() is None:
            config.training(train_batch_size_per_learner=self._rows)
        if config.use_kl_loss and not config.kl_coeff:
            config.training(kl_coeff=PPOConfig().kl_coeff)
        return config

    def _told_batch(self) -> int | None:
        """By either of RLlib's names; None where neither was set."""
        if self._train_batch_size_per_learner is not None:
            return int(self._train_batch_size_per_learner)
        is_set = self.train_batch_size != type(self)().train_batch_size
        return int(self.train_batch_size) if is_set else None

    @property
    def _rows(self) -> int:
        envs = self.num_envs_per_env_runner * max(self.num_env_runners, 1)
        return int(envs * self.rollout_fragment_length)
