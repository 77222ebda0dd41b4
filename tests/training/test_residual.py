"""Policies that follow a rule until they know better."""

import numpy as np
import pytest
from gymnasium.spaces import Discrete

from envs.objective import Objective
from envs.observation import Observation
from envs.problem import Problem
from envs.vector import VectorEnvironment
from envs.world import SurrogateWorld
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem
from surrogates.baselines import fit_mean
from surrogates.collect import run_episodes
from surrogates.design import plan_episodes
from training.heuristics import ConstantRule
from training.policies import InconsistentNetwork
from training.residual import (
    FOLLOW,
    ExceptionController,
    ExceptionEnvironment,
    follower,
    overruled,
)


class Ward:
    """The hospital on the cheapest of surrogates: what it answers does not matter here."""

    def __init__(self) -> None:
        scenario = load_scenario("hospital_overflow")
        system = scenario.system()
        self.description = ServiceSystem(system).describe()
        plans = plan_episodes(self.description, 2, 1)
        transitions = run_episodes(lambda: ServiceSystem(system), plans)
        self.states = transitions.state
        surrogate = fit_mean(transitions, self.description, None, np.random.default_rng(0))
        self.view = Observation(description=self.description, parameters=self.description.nominal)
        costs = scenario.costs
        self.problem = Problem(
            build_world=lambda copies: SurrogateWorld(surrogate, copies),
            objective=Objective.from_costs(self.description, costs.outputs, costs.at_close),
            observation=self.view,
            mask="feasible",
        )


@pytest.fixture(scope="module")
def ward() -> Ward:
    return Ward()


def test_an_untrained_follower_does_what_the_rule_says(ward: Ward) -> None:
    """Learning must begin at the rule's cost, whatever is observed."""
    choices = len(ward.description.decisions)
    rule = ConstantRule(choice=7)
    policy = follower(len(ward.view.names), choices, np.random.default_rng(1), faith=0.9)
    controller = ExceptionController(
        rule=rule, policy=policy, observation=ward.view, name="follower"
    )
    assert np.array_equal(controller.decide(ward.states), rule.decide(ward.states))
    assert controller.exceptions(ward.states) == 0.0
    logits = policy.logits(ward.view(ward.states[:1]))[0].astype(float)
    assert np.exp(logits[FOLLOW]) / np.exp(logits).sum() == pytest.approx(0.9)


def test_exceptions_are_the_joint_choices_one_lower(ward: Ward) -> None:
    """Number 0 is taken by the rule, so every choice must still be within reach."""
    actions = np.array([FOLLOW, 1, 24])
    assert overruled(ConstantRule(choice=5), ward.states[:3], actions).tolist() == [5, 0, 23]


def test_following_in_the_environment_is_the_rule_in_the_environment(ward: Ward) -> None:
    """What is trained on must be what is deployed: the same choices earn the same rewards."""
    rule = ConstantRule(choice=3)
    wrapped = ExceptionEnvironment(VectorEnvironment(ward.problem, 4), rule)
    plain = VectorEnvironment(ward.problem, 4)
    assert wrapped.single_action_space == Discrete(len(ward.description.decisions) + 1)
    _, infos = wrapped.reset(seed=2)
    assert "action_mask" not in infos
    plain.reset(seed=2)
    for _ in range(5):
        follows = wrapped.step(np.full(4, FOLLOW))
        decides = plain.step(rule.decide(plain.states))
        assert np.array_equal(follows[1], decides[1])
        assert np.array_equal(follows[0], decides[0])
        assert "action_mask" not in follows[4]


def test_faith_beyond_chance_is_refused() -> None:
    """A policy that never explores learns nothing, and one without faith is no follower."""
    for faith in (0.0, 1.0):
        with pytest.raises(InconsistentNetwork, match="between 0 and 1"):
            follower(3, 2, np.random.default_rng(0), faith=faith)
