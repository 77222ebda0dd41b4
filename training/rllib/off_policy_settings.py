"""What algorithms are told that learn from old experience again and again."""

from dataclasses import dataclass

from training.rllib.settings import TrainingSettings, check


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPolicySettings(TrainingSettings):
    """What DQN and SAC share. One iteration collects a rollout, then makes its updates."""

    learning_rate: float = 1e-3
    """Step size of the optimisers (Adam) at the start."""
    gradient_norm: float | None = 10.0
    """Bound on the gradient of each network per update; None does not clip."""
    num_envs: int = 64
    """Environments stepped side by side, over all runners."""
    rollout_length: int = 8
    """Steps of each environment in an iteration."""
    batch_size: int = 256
    """Transitions of an update, drawn uniformly from the replay."""
    updates_per_iteration: int = 64
    """Updates after each rollout; more suit an environment that is slow to step."""
    replay_capacity: int = 100_000
    """Transitions that are kept to learn from."""
    learning_starts: int = 2_000
    """Transitions that the replay must hold first; the first rollout is long enough for it."""
    n_step: int = 1
    """Steps whose rewards are summed before the rest is predicted."""
    target_rate: float = 0.01
    """Share of the way that target networks go to the present ones when they move."""
    target_steps: int = 0
    """Environment steps between two moves of the target networks; 0: at every update."""

    def __post_init__(self) -> None:
        """Raise InvalidSettings for values no training could mean."""
        TrainingSettings.__post_init__(self)
        self.require("batch_size", "updates_per_iteration", "learning_starts", "n_step", at_least=1)
        self.require("target_steps", at_least=0)
        self.require("target_rate", above=0, at_most=1)
        check(
            self,
            "n_step",
            self.n_step <= self.rollout_length,
            f"at most rollout_length={self.rollout_length}",
        )
        check(
            self,
            "replay_capacity",
            self.replay_capacity >= max(self.learning_starts, self.transitions_per_iteration),
            f"at least learning_starts={self.learning_starts} and num_envs * rollout_length = "
            f"{self.transitions_per_iteration}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DQNSettings(OffPolicySettings):
    """How DQN learns the value of each decision (Mnih et al. 2015)."""

    double_q: bool = True
    """Whether the present network chooses what the target network values (van Hasselt 2016)."""
    dueling: bool = False
    """Whether values are those of the state plus advantages (Wang et al. 2016)."""
    initial_exploration: float = 1.0
    """Chance of a random decision at the start; a warm start begins with the final one."""
    final_exploration: float = 0.05
    """Chance of a random decision after `exploration_share` of the budget."""
    exploration_share: float = 0.3
    """Part of the budget over which the chance falls, linearly."""

    def __post_init__(self) -> None:
        """Raise InvalidSettings for values no training could mean."""
        OffPolicySettings.__post_init__(self)
        self.require("initial_exploration", "final_exploration", at_least=0, at_most=1)
        self.require("exploration_share", above=0, at_most=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SACSettings(OffPolicySettings):
    """How SAC learns a random policy and its worth (Haarnoja 2018; of choices, Christodoulou 2019).

    Decisions are joint choices, or numbers between finite bounds.
    """

    twin_q: bool = True
    """Whether the lesser of two networks' values counts, against optimism."""
    initial_temperature: float = 0.1
    """Price of a unit of entropy at the start, in scaled rewards; it is learned. RLlib's 1 is that
    of a whole spread of returns here, which drowns what decisions earn until it has fallen."""
    temperature_learning_rate: float = 1e-3
    """Step size of the temperature's optimiser."""
    entropy_share: float = 0.3
    """Entropy to keep, as a share of that of choosing evenly among what is allowed; of numbers,
    that of an even draw from so large a share of the range of each."""

    value_warmup_iterations: int = 0
    """Iterations of a warm start that fit only the values, which guards the policy."""

    def __post_init__(self) -> None:
        """Raise InvalidSettings for values no training could mean."""
        OffPolicySettings.__post_init__(self)
        self.require("value_warmup_iterations", at_least=0)
        self.require("initial_temperature", "temperature_learning_rate", above=0)
        self.require("entropy_share", at_least=0, at_most=1)
