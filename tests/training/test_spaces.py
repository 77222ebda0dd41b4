"""Policies are carried to changed systems by name, and say what they cannot carry."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from gymnasium.spaces import Discrete

from envs.vector import VectorEnvironment
from envs.world import SurrogateWorld
from tests.envs.clockwork import DESCRIPTION, ClockworkSurrogate, clockwork_problem
from training.heads import LeverChoices
from training.memory import GatedMemory
from training.policies import NetworkPolicy
from training.spaces import ChangedSpaces, Spaces, adapt_policy

WAS = Spaces(
    observed=("queue", "clock", "staff"),
    levers=("share",),
    levels=((0.0,), (0.2,), (0.6,)),
)


def some_policy() -> NetworkPolicy:
    random = np.random.default_rng(3)
    shapes = [(8, 3), (3, 8)], [(8, 3), (1, 8)]
    (weights, values) = (
        tuple(random.normal(size=shape).astype(np.float32) for shape in sizes) for sizes in shapes
    )
    return NetworkPolicy(
        name="made",
        weights=weights,
        biases=tuple(random.normal(size=len(w)).astype(np.float32) for w in weights),
        value_weights=values,
        value_biases=tuple(random.normal(size=len(w)).astype(np.float32) for w in values),
    )


SEEN = np.random.default_rng(4).normal(size=(200, 3)).astype(np.float32)


def test_another_order_is_no_change() -> None:
    """The order of names is nobody's business, and matched by position it would be a disaster."""
    now = Spaces(
        observed=("staff", "queue", "clock"), levers=("share",), levels=((0.6,), (0.0,), (0.2,))
    )
    policy = some_policy()
    moved = adapt_policy(policy, WAS, now)
    seen = SEEN[:, [2, 0, 1]]
    logits = policy.logits(SEEN)
    np.testing.assert_allclose(moved.logits(seen), logits[:, [2, 0, 1]], atol=1e-5)
    np.testing.assert_allclose(moved.values(seen), policy.values(SEEN), atol=1e-5)


def test_levers_chosen_apart_are_carried_where_they_are_the_same() -> None:
    """What is seen is matched as ever; three logits of a lever are not three joint decisions."""
    policy = replace(some_policy(), head=LeverChoices(sizes=(3,)))
    now = replace(WAS, observed=("staff", "queue", "clock"))
    moved = adapt_policy(policy, WAS, now)
    np.testing.assert_array_equal(moved.act(SEEN[:, [2, 0, 1]]), policy.act(SEEN))
    with pytest.raises(ChangedSpaces, match="in the form 'levers'"):
        adapt_policy(policy, WAS, replace(WAS, levels=((0.6,), (0.0,), (0.2,))))


def test_what_is_remembered_keeps_its_place() -> None:
    """Only what is seen has names; the value network also sees the memory, which has none."""
    policy = some_policy()
    random = np.random.default_rng(5)
    shapes = ((6, 8), (6, 2), (6,), (6,))
    gates = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    remembering = replace(
        policy,
        weights=(policy.weights[0], policy.weights[1][:, :2]),
        value_weights=(random.normal(size=(8, 5)).astype(np.float32), policy.value_weights[1]),
        memory=GatedMemory(
            input_weight=gates[0], state_weight=gates[1], input_bias=gates[2], state_bias=gates[3]
        ),
    )
    moved = adapt_policy(remembering, WAS, replace(WAS, observed=("staff", "queue", "clock")))
    before, seen = random.normal(size=(200, 2)).astype(np.float32), SEEN[:, [2, 0, 1]]
    np.testing.assert_allclose(
        moved.logits(seen, before), remembering.logits(SEEN, before), atol=1e-5
    )
    np.testing.assert_allclose(
        moved.values(seen, before), remembering.values(SEEN, before), atol=1e-5
    )


def test_differences_are_named_and_refused() -> None:
    """A policy that silently takes one number for another loses money, not an exception."""
    now = Spaces(
        observed=("queue", "clock", "overtime"), levers=("share",), levels=((0.0,), (0.2,), (0.4,))
    )
    with pytest.raises(ChangedSpaces) as error:
        adapt_policy(some_policy(), WAS, now)
    for told in ("observed anew: overtime", "no longer observed: staff", "share=0.4", "share=0.6"):
        assert told in str(error.value)


def test_across_changes_the_same_is_decided_where_it_still_can_be() -> None:
    """What is new must neither disturb a good policy nor be out of reach for training."""
    now = Spaces(
        observed=("overtime", "queue", "clock", "staff"),
        levers=("share",),
        levels=((0.0,), (0.2,), (0.5,), (0.6,)),
    )
    policy = some_policy()
    adapted = adapt_policy(policy, WAS, now, across_changes=True)
    seen = np.concatenate([np.full((200, 1), 7.0, dtype=np.float32), SEEN], axis=1)
    chosen = np.array(now.levels)[adapted.act(seen), 0]
    assert np.array_equal(chosen, np.array(WAS.levels)[policy.act(SEEN), 0])
    logits = adapted.logits(seen)
    np.testing.assert_allclose(logits[:, 2], logits[:, 3] - 1e-3, atol=1e-5)
    np.testing.assert_allclose(adapted.values(seen), policy.values(SEEN), atol=1e-5)


def test_what_is_gone_counts_as_usual_and_its_decisions_are_left_out() -> None:
    """The rest of the policy is worth keeping."""
    now = Spaces(observed=("clock", "queue"), levers=("share",), levels=((0.0,), (0.2,)))
    policy = some_policy()
    adapted = adapt_policy(policy, WAS, now, across_changes=True)
    usual = SEEN.copy()
    usual[:, 2] = 0.0
    np.testing.assert_allclose(
        adapted.logits(usual[:, [1, 0]]), policy.logits(usual)[:, :2], atol=1e-5
    )


def test_a_second_lever_starts_from_the_policy_of_the_first() -> None:
    """Each new joint decision begins as the old one with the same level of the lever both know."""
    levels = tuple((a, b) for a in (0.0, 0.2, 0.6) for b in (0.0, 1.0))
    now = Spaces(observed=WAS.observed, levers=("share", "overtime"), levels=levels)
    policy = some_policy()
    adapted = adapt_policy(policy, WAS, now, across_changes=True)
    chosen = np.array(levels)[adapted.act(SEEN), 0]
    assert np.array_equal(chosen, np.array(WAS.levels)[policy.act(SEEN), 0])


def test_a_policy_that_is_not_of_the_spaces_it_is_said_to_be_of_is_refused() -> None:
    """Names of another system would be matched as happily."""
    other = replace(WAS, observed=("queue", "clock"))
    with pytest.raises(ChangedSpaces, match="sees 3 numbers and knows 3 decisions"):
        adapt_policy(some_policy(), other, other)
    with pytest.raises(ChangedSpaces, match=r"observed twice.*queue"):
        replace(WAS, observed=("queue", "queue", "clock"))
    foreign = Spaces(observed=WAS.observed, levers=("speed",), levels=((1.0,), (2.0,)))
    with pytest.raises(ChangedSpaces, match="share no lever"):
        adapt_policy(some_policy(), WAS, foreign, across_changes=True)


def test_a_problem_s_spaces_are_those_of_its_environments() -> None:
    """Names must stand in the order in which an environment shows and takes them."""
    problem = replace(
        clockwork_problem(build_world=partial(SurrogateWorld, ClockworkSurrogate())), history=2
    )
    spaces, environment = Spaces.of(problem), VectorEnvironment(problem, 1)
    assert (len(spaces.observed),) == environment.single_observation_space.shape
    assert len(spaces.levels) == len(spaces.decisions)
    assert environment.single_action_space == Discrete(len(spaces.levels))
    assert spaces.levels == tuple(map(tuple, DESCRIPTION.decisions.tolist()))
    assert not spaces.change_to(spaces)
