"""Proximal policy optimisation in RLlib's frame, with arrays from the environment to the update."""

from functools import partial
from typing import Any

from gymnasium.spaces import Box
from ray.rllib.algorithms.ppo import PPO, PPOConfig
from ray.rllib.algorithms.ppo.ppo_catalog import PPOCatalog
from ray.rllib.algorithms.ppo.torch.default_ppo_torch_rl_module import DefaultPPOTorchRLModule
from ray.rllib.core import COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    TIMERS,
)

from sim.errors import SurrogymError
from training.policies import NetworkPolicy
from training.rllib.batched_runner import BatchedEnvRunner
from training.rllib.learner import Annealing, LeanPPOLearner
from training.rllib.recurrent import MEMORY, RecurrentModule
from training.rllib.rollout import Returns, Rollout


class UnsupportedConfig(SurrogymError):
    """A setting that RLlib knows and LeanPPO does not obey."""


class LeanCatalog(PPOCatalog):
    """RLlib's networks; where actions are numbers, their log deviations are weights apart."""

    def __init__(
        self, observation_space: Any, action_space: Any, model_config_dict: dict[str, Any]
    ) -> None:
        """Choose the form of deviations by the space of actions."""
        is_box = isinstance(action_space, Box)
        build: Any = super().__init__
        build(observation_space, action_space, {**model_config_dict, "free_log_std": is_box})


class LeanPPOConfig(PPOConfig):
    """RLlib's PPO settings, with the parts that LeanPPO replaces already in place."""

    def __init__(self, algo_class: type | None = None) -> None:
        """Start from the defaults that LeanPPO needs."""
        build: Any = super().__init__
        build(algo_class=algo_class or LeanPPO)
        self.reward_scale: float | None = None
        self.discount_minutes: float | None = None
        self.memory_units = 0
        self.use_kl_loss = False
        self.kl_coeff = 0.0
        self.env_runners(env_runner_cls=BatchedEnvRunner)

    def scale_rewards(self, reward_scale: float | None) -> "LeanPPOConfig":
        """Learn rewards times `reward_scale`; None chooses it from the first rollout."""
        self.reward_scale = reward_scale
        return self

    def discount_time(self, minutes: float | None) -> "LeanPPOConfig":
        """Let gamma count for so many minutes, by `infos["duration"]`; None: for each step."""
        self.discount_minutes = minutes
        return self

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

    def validate(self) -> None:
        """Raise UnsupportedConfig for what would silently do nothing, else ask RLlib."""
        super().validate()
        if self.in_evaluation:
            return
        refused = {
            "num_learners": self.num_learners > 0,
            "use_kl_loss": self.use_kl_loss,
            "batch_mode": self.batch_mode != "truncate_episodes",
            "rollout_fragment_length": not isinstance(self.rollout_fragment_length, int),
        }
        for setting, is_refused in refused.items():
            if is_refused:
                raise UnsupportedConfig(
                    f"LeanPPO cannot follow {setting}={getattr(self, setting)!r}: it learns in "
                    "one process, without KL penalty, from truncated rollouts of fixed length"
                )


class LeanPPO(PPO):
    """PPO whose training step moves rollouts instead of episodes.

    Still an RLlib Algorithm: config, checkpoints, metrics and Tune work as usual. Weights travel
    with the request to collect, so no rollout can come from older ones, whichever process
    collects. With several runners their rollouts are learned from together.
    """

    # RLlib declares these as possibly None, which they are not once the algorithm is built.
    config: Any
    env_runner_group: Any
    learner_group: Any
    metrics: Any

    annealing: Annealing | None = None
    """What rules learning rate and entropy bonus; None leaves it to the schedules of the config."""
    returns = Returns(episodes=0, mean=None)
    """Returns of the episodes that ended in the last training step."""

    @classmethod
    def get_default_config(cls) -> LeanPPOConfig:
        """The settings to start from."""
        return LeanPPOConfig()

    def training_step(self) -> None:
        """Collect with the present weights, then learn."""
        with self.metrics.log_time((TIMERS, ENV_RUNNER_SAMPLING_TIMER)):
            rollouts = self._collect()
        self.returns = Returns.of(rollouts)
        if not rollouts:
            return
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            steps = self.metrics.peek((ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME))
            learned = self.learner.learn(
                rollouts,
                timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: steps},
                annealing=self.annealing,
            )
            self.metrics.aggregate([learned], key=LEARNER_RESULTS)

    @property
    def learner(self) -> LeanPPOLearner:
        """The learner, which lives in this process."""
        learner: LeanPPOLearner = self.learner_group._learner
        return learner

    def iterate(self, annealing: Annealing) -> Returns:
        """One iteration of RLlib's `train` under this annealing; returns how episodes went."""
        self.annealing = annealing
        train: Any = self.train
        train()
        return self.returns

    def close(self) -> None:
        """Stop environments and processes."""
        stop: Any = self.stop
        stop()

    def load_policy(self, policy: NetworkPolicy) -> None:
        """Start from a policy's weights; the optimiser stays fresh."""
        self.learner.load_policy(policy)

    def to_policy(self, name: str) -> NetworkPolicy:
        """The present weights as a policy that acts with numpy."""
        return self.learner.to_policy(name)

    def _collect(self) -> list[Rollout]:
        weights = self.learner.module[DEFAULT_MODULE_ID].get_state(inference_only=True)
        request = partial(_collect_with, weights=weights, steps=self.config.rollout_fragment_length)
        runners = self.env_runner_group
        is_local = runners.num_remote_env_runners() == 0
        answers = runners.foreach_env_runner(request, local_env_runner=is_local)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        if answers:
            self.metrics.aggregate([metrics for _, metrics in answers], key=ENV_RUNNER_RESULTS)
        return [rollout for rollout, _ in answers]


def _collect_with(
    runner: BatchedEnvRunner, *, weights: dict[str, Any], steps: int
) -> tuple[Rollout, Any] | Exception:
    # An exception is sent back as a value: raised in a remote runner, RLlib would end the
    # process and with it the message.
    try:
        runner.set_state({COMPONENT_RL_MODULE: weights})
        return runner.collect(steps), runner.get_metrics()
    except Exception as error:
        return error
