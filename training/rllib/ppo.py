"""Proximal policy optimisation in RLlib's frame, with arrays from the environment to the update."""

from ray.rllib.algorithms.ppo import PPO, PPOConfig

from training.rllib.lean import LeanAlgorithm, LeanConfig
from training.rllib.learner import Annealing, LeanPPOLearner


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


class LeanPPOConfig(LeanConfig, PPOConfig):
    """RLlib's PPO settings, with the parts that LeanPPO replaces already in place."""

    lean_class = LeanPPO
    learns = "without KL penalty"

    def __init__(self, algo_class: type | None = None) -> None:
        """Start from the defaults that LeanPPO needs."""
        super().__init__(algo_class=algo_class)
        self.use_kl_loss = False
        self.kl_coeff = 0.0

    def get_default_learner_class(self) -> type[LeanPPOLearner]:
        """The learner that takes rollouts."""
        return LeanPPOLearner

    def refused(self) -> dict[str, bool]:
        """Also the KL penalty, which is not there."""
        return {**super().refused(), "use_kl_loss": self.use_kl_loss}
