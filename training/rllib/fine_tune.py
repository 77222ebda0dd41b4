"""Going on from a policy on a changed system, as one call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from jaxtyping import Float

from sim.errors import SurrogymError
from sim.output import Estimate
from training.evaluation import Comparison
from training.gate import decide_promotion
from training.policies import NetworkPolicy
from training.rllib.settings import Budget, InvalidSettings, PPOSettings
from training.rllib.train import CurvePoint, Training, train_ppo
from training.spaces import Spaces, adapt_policy

Judge = Callable[[NetworkPolicy, str], Float[np.ndarray, "episode"]]
"""Costs of a policy, episode by episode, on seeds that depend on the purpose alone."""

CHOOSE, GATE = "choose", "gate"
"""Purposes: which policy of the training to keep, and whether to keep it in place of the first."""


class InvalidCosts(SurrogymError):
    """A judge did not give the cost of each episode."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FineTuned:
    """What came of it."""

    policy: NetworkPolicy
    """The one to use: the trained one if it is surely cheaper, else the one to begin with."""
    is_improved: bool
    evidence: Estimate
    """Relative difference of paired costs, trained less given, on episodes that chose neither."""
    start: NetworkPolicy
    """The given policy, in the spaces of the environment."""
    training: Training

    @property
    def reason(self) -> str:
        """Which was taken and why, in a sentence."""
        e = self.evidence
        told = f"{e.value:+.1%} [{e.low:+.1%}, {e.high:+.1%}] on {e.count} paired episodes"
        if self.is_improved:
            return f"fine-tuning is cheaper: {told}"
        return f"{self.start.name} stays, a gain is not certain: {told}"


def gentle(settings: PPOSettings) -> PPOSettings:
    """The same settings with what guards a good policy at the start.

    The value network learns alone for two iterations, steps grow over four more, are small and
    clipped early, and a KL term holds the policy to the given one, less and less; but for one with
    a memory, whose past the given one would remember otherwise.
    """
    reference_weight = 0.0 if settings.memory else max(settings.reference_weight, 0.1)
    return replace(
        settings,
        learning_rate=min(settings.learning_rate, 5e-5),
        entropy_coefficient=0.0,
        clip=min(settings.clip, 0.1),
        value_warmup_iterations=max(settings.value_warmup_iterations, 2),
        step_warmup_iterations=max(settings.step_warmup_iterations, 4),
        reference_weight=reference_weight,
    )


def fine_tune(
    policy: NetworkPolicy,
    make_env: Callable[[int], VectorEnv[Any, Any, Any]],
    budget: Budget,
    judge: Judge,
    *,
    settings: PPOSettings | None = None,
    spaces: tuple[Spaces, Spaces] | None = None,
    adapt: bool = False,
    optimiser: Mapping[str, np.ndarray] | None = None,
    evaluate_every: int = 0,
    on_point: Callable[[CurvePoint], None] | None = None,
    seed: int = 0,
) -> FineTuned:
    """Load a policy onto a changed system and go on, never for the worse.

    `make_env(num_envs)` builds the changed system; `judge` runs a policy on paired episodes of the
    system that counts. `spaces` are those that the policy was made for and those of the
    environment: inputs and decisions are matched by name, differences refused (ChangedSpaces)
    unless `adapt`. Neither a policy nor an environment carries names: without `spaces` inputs and
    decisions are taken by their position, and where only their order has changed nothing is said.
    `optimiser` is that of an earlier training (`Training.optimiser`), for the same
    spaces. Settings are `gentle` ones of `seed` unless given.

    Of the policies on the way, each `evaluate_every` iterations, the cheapest on episodes of their
    own is taken, the given one among them; it replaces the given one only if its paired costs on
    fresh episodes lie below with their whole 95% interval.

    Raises InvalidSettings for what is no NetworkPolicy or no PPOSettings, InvalidCosts for a judge
    that does not give a cost for each episode.
    """
    _check(policy, settings)
    start = policy
    if spaces is not None:
        start = adapt_policy(policy, *spaces, across_changes=adapt)
    training = train_ppo(
        make_env,
        settings or gentle(PPOSettings(hidden=policy.hidden, memory=policy.units, seed=seed)),
        budget,
        warm_start=start,
        optimiser=optimiser,
        on_point=on_point,
        evaluate=lambda trained: -float(_costs(judge, trained, CHOOSE).mean()),
        evaluate_every=evaluate_every,
        name=f"{policy.name} fine-tuned",
    )
    trained = training.policy
    comparison = Comparison(
        costs={each.name: _costs(judge, each, GATE) for each in (trained, start)}
    )
    verdict = decide_promotion(comparison, start.name, (trained.name,))
    return FineTuned(
        policy=trained if verdict.is_promotion else start,
        is_improved=verdict.is_promotion,
        evidence=verdict.evidence,
        start=start,
        training=training,
    )


def _check(policy: Any, settings: Any) -> None:
    if not isinstance(policy, NetworkPolicy):
        raise InvalidSettings(f"policy={policy!r}: give the NetworkPolicy to go on from")
    if settings is not None and not isinstance(settings, PPOSettings):
        raise InvalidSettings(
            f"settings of {type(settings).__name__}: fine_tune goes on by PPO, so give "
            "PPOSettings, or use that algorithm's own training with warm_start=policy"
        )


def _costs(judge: Judge, policy: NetworkPolicy, purpose: str) -> Float[np.ndarray, " episode"]:
    given: Any = judge(policy, purpose)
    costs = np.asarray(given)
    if costs.ndim != 1 or not np.issubdtype(costs.dtype, np.number):
        raise InvalidCosts(
            f"judge gave {given!r} for policy {policy.name!r} and purpose {purpose!r}: give an "
            "array with the cost of each episode"
        )
    return costs
