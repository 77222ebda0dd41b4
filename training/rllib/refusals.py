"""What RLlib's configs can say that lean algorithms would not hear, in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

CONNECTORS = (
    "_env_to_module_connector",
    "_module_to_env_connector",
    "_learner_connector",
)
"""What RLlib's own algorithms obey, so that they can stand in."""

_WITHOUT_CONNECTORS = "arrays go from the environment to the update without connectors"
_ONE_BATCH = "environments are one batch that is stepped here"
_NO_EPISODES = "rollouts are arrays, not episode objects"
_AS_EARNED = "rewards and observations are learned from as the environment gives them"
_OWN_STEP = "the learner makes its own step, by one Adam for each network"
_ONE_LEARNER = "one network is learned in one process"
_OLD = "only networks of RLlib's old stack read it; use rl_module(model_config=...)"
_NO_EPOCHS = "every update takes one whole batch; say how many by update_times(...)"
_NO_KL = "there is no KL penalty"

UNHEARD: Mapping[str, str] = {
    **dict.fromkeys(CONNECTORS, _WITHOUT_CONNECTORS),
    "add_default_connectors_to_env_to_module_pipeline": _WITHOUT_CONNECTORS,
    "add_default_connectors_to_module_to_env_pipeline": _WITHOUT_CONNECTORS,
    "add_default_connectors_to_learner_pipeline": _WITHOUT_CONNECTORS,
    "normalize_actions": "-1 and 1 always stand for the bounds of a Box",
    "action_mask_key": "masks come in infos['action_mask']",
    "clip_rewards": f"{_AS_EARNED}, but for scale_rewards(...)",
    "observation_filter": _AS_EARNED,
    "render_env": _ONE_BATCH,
    "restart_failed_sub_environments": f"{_ONE_BATCH}, and what it raises reaches the caller",
    "sample_timeout_s": "rollouts are waited for",
    "use_env_runner_state_server": "weights travel with the request to collect",
    "episode_lookback_horizon": _NO_EPISODES,
    "episodes_to_numpy": _NO_EPISODES,
    "output": _NO_EPISODES,
    "input_": _NO_EPISODES,
    "metrics_num_episodes_for_smoothing": "means are over the episodes that ended in an iteration",
    "batch_mode": "rollouts have a fixed length and cut episodes",
    "num_learners": _ONE_LEARNER,
    "num_gpus_per_learner": _ONE_LEARNER,
    "policies_to_train": _ONE_LEARNER,
    "count_steps_by": _ONE_LEARNER,
    "algorithm_config_overrides_per_module": _ONE_LEARNER,
    "log_gradients": _OWN_STEP,
    "optimizer": _OWN_STEP,
    "torch_skip_nan_gradients": f"{_OWN_STEP}, and raises TrainingDiverged instead",
    "torch_compile_learner": _OWN_STEP,
    "torch_compile_worker": "the runner calls the network as it is",
    "_torch_grad_scaler_class": _OWN_STEP,
    "_torch_lr_scheduler_classes": f"{_OWN_STEP}; give `lr` a schedule",
    "model": _OLD,
}
"""By setting why any other value than the default would do nothing."""

UNHEARD_BY_PPO: Mapping[str, str] = {
    "use_critic": "advantages are those against a value network",
    "use_kl_loss": _NO_KL,
    "kl_coeff": _NO_KL,
    "kl_target": _NO_KL,
    "vf_clip_param": "the error of the value network is not clipped",
    "shuffle_batch_per_epoch": "rows are always shuffled",
}
UNHEARD_BY_REPLAY: Mapping[str, str] = {
    "training_intensity": "updates are counted by update_times(...)",
    "num_epochs": _NO_EPOCHS,
    "minibatch_size": _NO_EPOCHS,
    "shuffle_batch_per_epoch": _NO_EPOCHS,
}
UNHEARD_BY_DQN: Mapping[str, str] = {
    "num_atoms": "values are means, not distributions",
    "noisy": "exploration is by chance, as `epsilon` says",
    "burn_in_len": "networks have no memory",
    "before_learn_on_batch": "batches are arrays of the replay",
    "adam_epsilon": _OWN_STEP,
    "hiddens": _OLD,
}
UNHEARD_BY_SAC: Mapping[str, str] = {
    "q_model_config": _OLD,
    "policy_model_config": _OLD,
    "optimization": "step sizes are `actor_lr`, `critic_lr` and `alpha_lr`",
    "_deterministic_loss": _OLD,
    "_use_beta_distribution": _OLD,
}

_UNCALLED = ("episode_created", "episode_start", "episode_step", "episode_end", "sample_end")
"""Events of callbacks that RLlib's runner has and the batched one has not."""
_CALLED = (
    "on_algorithm_init, on_environment_created, on_train_result, on_evaluate_start, "
    "on_evaluate_end, on_checkpoint_loaded and on_env_runners_recreated are called"
)


def unheard(config: Any, table: Mapping[str, str]) -> dict[str, str]:
    """Of a table the settings that a config has changed, each with the reason."""
    usual = type(config)()
    return {
        name: why for name, why in table.items() if getattr(config, name) != getattr(usual, name)
    }


def uncalled(config: Any) -> dict[str, str]:
    """Callbacks of a config that nothing would call, with the reason."""
    why = f"{_NO_EPISODES}, so {{}} is never called; {_CALLED}"
    found = {}
    for event in _UNCALLED:
        if getattr(config, f"callbacks_on_{event}") is not None:
            found[f"callbacks_on_{event}"] = why.format(f"on_{event}")
        if any(_overrides(each, f"on_{event}") for each in _listed(config.callbacks_class)):
            found["callbacks_class"] = why.format(f"its on_{event}")
    return found


def unheard_with_memory(model_config: Mapping[str, Any]) -> dict[str, str]:
    """Of the settings of a network those that one with a memory has no place for."""
    heard = ("fcnet_hiddens", "fusionnet_hiddens", "vf_share_layers", "use_lstm")
    return {
        name: "with a memory there are tanh layers of the widths fcnet_hiddens and nothing else"
        for name, usual in asdict(DefaultModelConfig()).items()
        if name not in heard and model_config.get(name, usual) != usual
    }


def _listed(callbacks: Any) -> Iterable[Any]:
    return callbacks if isinstance(callbacks, list | tuple) else [callbacks]


def _overrides(callbacks: Callable[..., Any], hook: str) -> bool:
    kind = callbacks.func if isinstance(callbacks, partial) else callbacks
    usual = getattr(RLlibCallback, hook)
    return getattr(kind, hook, usual) is not usual
