"""A policy doubts again, and decides as before."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from envs.actions import ActionForm
from envs.world import SurrogateWorld
from tests.envs.clockwork import ClockworkSurrogate, clockwork_problem
from training.heads import GaussianNumbers, Head, JointChoice, LeverChoices
from training.loop.softening import softened
from training.plant import Environments
from training.policies import NetworkPolicy

PROBLEM = clockwork_problem(build_world=partial(SurrogateWorld, ClockworkSurrogate()))


def policy_of(head: Head, outputs: int, size: float) -> NetworkPolicy:
    """A linear policy whose outputs are so large."""
    features = Environments(problem=PROBLEM)(1).reset(seed=0)[0].shape[1]
    random = np.random.default_rng(3)
    weight = size * random.normal(size=(outputs, features))
    return NetworkPolicy(
        name="old",
        weights=(weight.astype(np.float32),),
        biases=(size * random.normal(size=outputs).astype(np.float32),),
        head=head,
    )


def chances(policy: NetworkPolicy, seen: np.ndarray) -> np.ndarray:
    odds = np.exp(policy.logits(seen) - policy.logits(seen).max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("form", ["joint", "levers"])
def test_a_sure_policy_chooses_as_evenly_as_asked_and_prefers_the_same(form: ActionForm) -> None:
    """Preferences are what it has learnt; their size is why it tries hardly anything else."""
    problem = replace(PROBLEM, actions=form)
    head: Head = JointChoice() if form == "joint" else LeverChoices(sizes=(3,))
    old = policy_of(head, 3, 30.0)
    environments = Environments(problem=problem)
    soft = softened(old, environments, seed=1, evenness=0.8)
    seen, _ = environments(64).reset(seed=1)
    rows = [seen]
    env = environments(64)
    observations, _ = env.reset(seed=1)
    for _ in range(problem.observation.description.epochs - 1):
        observations, *_ = env.step(old.act(observations))
        rows.append(observations)
    found = np.concatenate(rows)
    np.testing.assert_array_equal(soft.act(found), old.act(found))
    p = chances(soft, found)
    evenness = -(p * np.log(p)).sum(axis=1).mean() / np.log(3)
    assert evenness == pytest.approx(0.8, abs=0.02)


def test_a_policy_that_doubts_already_stays_as_it_is() -> None:
    """Nothing is lost that need not be."""
    even = policy_of(JointChoice(), 3, 1e-3)
    soft = softened(even, Environments(problem=PROBLEM), seed=1)
    np.testing.assert_array_equal(soft.weights[-1], even.weights[-1])


def test_numbers_are_drawn_more_widely_and_mean_the_same() -> None:
    """Their deviations are those of a training that begins, unless they were wider."""
    head = GaussianNumbers(low=(0.0, 0.0), high=(1.0, 1.0), log_deviations=(-4.0, 0.5))
    old = policy_of(head, 2, 1.0)
    soft = softened(old, Environments(problem=PROBLEM), seed=1, evenness=0.5)
    assert isinstance(soft.head, GaussianNumbers)
    assert soft.head.log_deviations == pytest.approx((np.log(0.5), 0.5))
    np.testing.assert_array_equal(soft.weights[-1], old.weights[-1])
