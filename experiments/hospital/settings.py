"""The study as data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from experiments.digests import digest_of
from training.rllib.settings import PPOSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything that rows depend on."""

    scenario: str = "hospital_overflow"
    episodes: int = 40
    """Simulated to fit the surrogate, four weeks each."""
    nominal_share: float = 0.6
    """Of them at the parameters that count; the rest is spread over the box."""
    searched: tuple[int, int, int] = (8, 24, 96)
    """Rounds, candidates and surrogate episodes of the search for rules."""
    chosen_by: int = 24
    """True episodes by which the best rule is chosen."""
    gated_by: int = 60
    """Paired true episodes that a policy must win."""
    reported_on: int = 80
    """Paired true episodes of the table, which nothing was chosen by."""
    judged_by: int = 256
    """Surrogate episodes by which the best policy of a training is chosen."""
    steps: int = 500_000
    """Epochs of the surrogate that PPO learns from."""
    learns_from_scratch: bool = False
    """Whether the same PPO is trained without a rule to begin with, which doubles the time."""
    faith: float = 0.5
    """Chance with which the untrained policy follows the rule."""
    learning: PPOSettings = field(
        default_factory=lambda: PPOSettings(
            learning_rate=1e-3,
            discount=0.99,
            gae_lambda=0.9,
            entropy_coefficient=0.0,
            num_envs=256,
            rollout_length=84,
            minibatch_size=4096,
            value_warmup_iterations=3,
        )
    )

    @property
    def digest(self) -> str:
        """Changes with the setting."""
        return digest_of(self)


THOROUGH = Setting()
QUICK = replace(
    THOROUGH,
    episodes=8,
    searched=(1, 5, 8),
    chosen_by=2,
    gated_by=4,
    reported_on=4,
    judged_by=16,
    steps=10_000,
    learning=replace(
        THOROUGH.learning, num_envs=32, rollout_length=42, minibatch_size=512,
        value_warmup_iterations=1,
    ),
)  # fmt: skip
