"""A policy that is nearly sure of itself, made to doubt again, so that it can find another way.

PPO learns from what it tries. A trained policy tries hardly anything but what it would do anyway,
and where the system or the objective has changed that may be far from the best: it then stays where
it is for as long as anybody would wait. Its preferences are kept here and their size is not: the
likeliest decision stays so, the others get their chance back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from training.heads import NOT_ALLOWED, GaussianNumbers, LeverChoices
from training.plant import Environments
from training.policies import NetworkPolicy

EVENNESS = 0.9
"""Share of the entropy of choosing evenly at which a training begins anew."""
_COPIES, _MOST_EPOCHS = 64, 64
_HALVINGS, _COOLEST = 40, 1e4
_MASK = "action_mask"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the network ended with at one moment, and what was allowed then."""

    outputs: Float[np.ndarray, "row decision"]
    allowed: Bool[np.ndarray, "row decision"] | None


def softened(
    policy: NetworkPolicy, environments: Environments, seed: int, evenness: float = EVENNESS
) -> NetworkPolicy:
    """The same likeliest decisions, but on average so even a choice where the policy goes.

    One that is that even already stays as it is. Of numbers the deviations are what is widened, to
    this share of those that a training begins with.
    """
    if isinstance(policy.head, GaussianNumbers):
        least = float(np.log(evenness))
        deviations = tuple(max(least, each) for each in policy.head.log_deviations)
        return replace(policy, head=replace(policy.head, log_deviations=deviations))
    seen = list(_walk(policy, environments, seed))
    sizes = policy.head.sizes if isinstance(policy.head, LeverChoices) else (policy.decisions,)
    factor = _factor(seen, sizes, evenness)
    return replace(
        policy,
        weights=(*policy.weights[:-1], policy.weights[-1] * factor),
        biases=(*policy.biases[:-1], policy.biases[-1] * factor),
    )


def _walk(policy: NetworkPolicy, environments: Environments, seed: int) -> Iterator[_Seen]:
    """Episodes side by side under the policy."""
    env = environments(_COPIES)
    observations, infos = env.reset(seed=seed)
    memory = policy.begin(_COPIES)
    for _ in range(min(environments.problem.observation.description.epochs, _MOST_EPOCHS)):
        allowed = infos.get(_MASK)
        yield _Seen(outputs=policy.logits(observations, memory), allowed=allowed)
        actions = policy.act(observations, allowed, memory)
        memory = policy.remember(observations, memory)
        observations, _, _, _, infos = env.step(actions)


def _factor(seen: list[_Seen], sizes: tuple[int, ...], evenness: float) -> np.float32:
    """What outputs are multiplied by, found by halving the logarithm of what is left."""
    low, high = 1.0 / _COOLEST, 1.0
    if _evenness(seen, sizes, high) >= evenness:
        return np.float32(1.0)
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        if _evenness(seen, sizes, middle) >= evenness:
            low = middle
        else:
            high = middle
    return np.float32(low)


def _evenness(seen: list[_Seen], sizes: tuple[int, ...], factor: float) -> float:
    """Entropy over that of choosing evenly among what is allowed, summed over all rows."""
    found = most = 0.0
    for moment in seen:
        outputs = factor * moment.outputs.astype(float)
        allowed = np.ones(outputs.shape, bool) if moment.allowed is None else moment.allowed
        cuts = np.cumsum(sizes)[:-1]
        parts = zip(np.split(outputs, cuts, axis=1), np.split(allowed, cuts, axis=1), strict=True)
        for mine, open_to in parts:
            found += _entropy(np.where(open_to, mine, NOT_ALLOWED)).sum()
            most += np.log(open_to.sum(axis=1)).sum()
    return found / most if most > 0.0 else 1.0


def _entropy(logits: Float[np.ndarray, "row decision"]) -> Float[np.ndarray, "row"]:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = odds / odds.sum(axis=1, keepdims=True)
    terms = np.where(chances > 0.0, chances * np.log(np.where(chances > 0.0, chances, 1.0)), 0.0)
    entropy: np.ndarray = -terms.sum(axis=1)
    return entropy
