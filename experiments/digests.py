"""What tells one setting of a study from another, so that rows of an older one do not count."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_LEARNING = (
    "hidden", "learning_rate", "final_learning_rate", "discount", "discount_minutes", "gae_lambda",
    "clip", "entropy_coefficient", "value_coefficient", "gradient_norm", "num_envs",
    "rollout_length", "minibatch_size", "num_epochs", "reward_scale", "value_warmup_iterations",
    "step_warmup_iterations", "reference_weight", "num_env_runners", "seed",
)  # fmt: skip
"""Settings of PPO that rows depend on; those that PPO is given later keep their defaults here."""


def short_digest(told: object) -> str:
    """Twelve characters that change with what an object says of itself."""
    return sha256(repr(told).encode()).hexdigest()[:12]


def digest_of(setting: DataclassInstance) -> str:
    """Changes with a setting that has PPO's as `learning`; what is None does not count."""
    told = {name: value for name, value in asdict(setting).items() if value is not None}
    told["learning"] = {name: told["learning"][name] for name in _LEARNING}
    return short_digest(told)
