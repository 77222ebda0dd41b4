"""Deep Q-learning in RLlib's frame, with arrays from the environment to the update."""

from typing import Any

from ray.rllib.algorithms.dqn import DQN, DQNConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.schedules.scheduler import Scheduler

from training.rllib.dqn_learner import DQNAnnealing, LeanDQNLearner, LeanDQNModule
from training.rllib.off_policy import OffPolicyAlgorithm, OffPolicyConfig
from training.rllib.refusals import UNHEARD_BY_DQN, unheard
from training.rllib.rollout import Rollout


class LeanDQN(OffPolicyAlgorithm, DQN):
    """DQN whose training step moves arrays instead of episodes; double and dueling as configured.

    Still an RLlib Algorithm: config, checkpoints, metrics and Tune work as usual. The chance of a
    random decision is decided here, once for all runners, and travels with the weights.
    """

    annealing: DQNAnnealing | None = None
    """What rules learning rate and exploration; None leaves it to the schedules of the config."""

    @classmethod
    def get_default_config(cls) -> "LeanDQNConfig":
        """The settings to start from."""
        return LeanDQNConfig()

    def setup(self, config: Any) -> None:
        """Build everything, with the config's schedule of exploration."""
        super().setup(config)
        self._exploration = Scheduler(self.config.epsilon)

    def _collect(self, steps: int) -> list[Rollout]:
        if self.annealing is None:
            exploration = float(self._exploration.update(self.lifetime_steps))
        else:
            exploration = self.annealing.exploration
        self.learner.explore(exploration)
        return super()._collect(steps)


class LeanDQNConfig(OffPolicyConfig, DQNConfig):
    """RLlib's DQN settings, with the parts that LeanDQN replaces already in place.

    Other defaults than RLlib's: a uniform replay, in checkpoints too, and no dueling heads.
    """

    lean_class = LeanDQN
    stock_class = DQNConfig

    def __init__(self, algo_class: type | None = None) -> None:
        """Start from the defaults that LeanDQN needs."""
        super().__init__(algo_class=algo_class)
        self.dueling = False

    def refused(self) -> dict[str, str]:
        """Also what rainbow adds."""
        return {**super().refused(), **unheard(self, UNHEARD_BY_DQN)}

    def get_default_learner_class(self) -> type[LeanDQNLearner]:
        """The learner that takes batches of arrays."""
        return LeanDQNLearner

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The network that tells its policy as logits."""
        return RLModuleSpec(module_class=LeanDQNModule, model_config=self.model_config)
