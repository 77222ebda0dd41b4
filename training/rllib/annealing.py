"""What changes while a budget is spent: step sizes, exploration and the guards of a warm start."""

from dataclasses import dataclass

from training.rllib.dqn_learner import DQNAnnealing
from training.rllib.learner import Annealing
from training.rllib.off_policy_settings import DQNSettings, SACSettings
from training.rllib.sac_learner import SACAnnealing
from training.rllib.settings import PPOSettings, TrainingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a training stands before an iteration."""

    left: float
    """Share of the budget that is not spent."""
    iterations: int
    """Iterations so far."""
    is_warm: bool
    """Whether it began with a given policy."""

    def step_size(self, settings: TrainingSettings) -> float:
        """From the learning rate to the final one, linearly."""
        last = settings.final_learning_rate
        return last + (settings.learning_rate - last) * self.left


def anneal_ppo(settings: PPOSettings, progress: Progress) -> Annealing:
    """Smaller steps and less entropy; a warm start's values first, then its policy by and by."""
    since = progress.iterations - settings.value_warmup_iterations
    grown = 1.0
    if progress.is_warm and since >= 0:
        grown = min(1.0, (since + 1) / (settings.step_warmup_iterations + 1))
    return Annealing(
        learning_rate=grown * progress.step_size(settings),
        entropy_coefficient=settings.entropy_coefficient * progress.left,
        trains_policy=not (progress.is_warm and since < 0),
        reference_weight=settings.reference_weight * progress.left if progress.is_warm else 0.0,
    )


def anneal_dqn(settings: DQNSettings, progress: Progress) -> DQNAnnealing:
    """Smaller steps and fewer random decisions; of a warm start, few from the beginning."""
    first, last = settings.initial_exploration, settings.final_exploration
    explored = min(1.0, (1.0 - progress.left) / settings.exploration_share)
    return DQNAnnealing(
        learning_rate=progress.step_size(settings),
        exploration=last if progress.is_warm else first + (last - first) * explored,
    )


def anneal_sac(settings: SACSettings, progress: Progress) -> SACAnnealing:
    """Smaller steps; of a warm start the values first."""
    waits = progress.is_warm and progress.iterations < settings.value_warmup_iterations
    return SACAnnealing(learning_rate=progress.step_size(settings), trains_policy=not waits)
