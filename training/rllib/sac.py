"""Soft actor-critic in RLlib's frame, with arrays from the environment to the update."""

from typing import Any, cast

import gymnasium as gym
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.sac import SAC, SACConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from training.rllib.batched_runner import MAKE_ENV
from training.rllib.distributions import Distribution
from training.rllib.off_policy import OffPolicyAlgorithm, OffPolicyConfig
from training.rllib.own_algorithm import OneByOne
from training.rllib.refusals import UNHEARD_BY_SAC, unheard
from training.rllib.sac_learner import LeanSACLearner, SACAnnealing
from training.rllib.sac_networks import LeanSACModule, entropy_to_keep, sac_distribution


class LeanSAC(OffPolicyAlgorithm, SAC):
    """SAC of choices or of numbers whose training step moves arrays instead of episodes.

    Still an RLlib Algorithm: config, checkpoints, metrics and Tune work as usual.
    """

    annealing: SACAnnealing | None = None
    """What rules the learning rate; None leaves it to the schedules of the config."""

    @classmethod
    def get_default_config(cls) -> Any:
        """The settings to start from."""
        return LeanSACConfig()


class LeanSACConfig(OffPolicyConfig, SACConfig):
    """RLlib's SAC settings, with the parts that LeanSAC replaces already in place.

    Other defaults than RLlib's: a uniform replay, in checkpoints too, and a target entropy that
    choices can have (see `LeanSACLearner`).
    """

    lean_class = LeanSAC
    stock_class = SACConfig

    def __init__(self, algo_class: type | None = None) -> None:
        """Start from the defaults that LeanSAC needs."""
        super().__init__(algo_class=algo_class)
        self.entropy_share = 0.3

    def keep_entropy(self, share: float) -> "LeanSACConfig":
        """Keep the entropy of this share (`entropy_to_keep`), where target_entropy is "auto"."""
        self.entropy_share = share
        return self

    def distribution_over(self, space: gym.Space[Any]) -> Distribution:
        """Numbers are squashed."""
        return sac_distribution(space)

    def to_stock(self) -> AlgorithmConfig:
        """Also with the entropy to keep as a number, because RLlib's own choice is -1."""
        config: Any = super().to_stock()
        if config.target_entropy == "auto" and MAKE_ENV in self.env_config:
            space = OneByOne(self.env_config[MAKE_ENV]).action_space
            config.training(target_entropy=entropy_to_keep(space, self.entropy_share))
        return cast(AlgorithmConfig, config)

    def refused(self) -> dict[str, str]:
        """Also what only networks of RLlib's old stack read."""
        return {**super().refused(), **unheard(self, UNHEARD_BY_SAC)}

    def get_default_learner_class(self) -> type[LeanSACLearner]:
        """The learner that takes batches of arrays."""
        return LeanSACLearner

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The networks that tell logits, or means and deviations."""
        return RLModuleSpec(module_class=LeanSACModule)
