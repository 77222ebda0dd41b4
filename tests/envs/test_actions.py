"""The forms of an action are ways to say the same decisions."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from jaxtyping import Float

from envs.actions import ContinuousActions, JointActions, LeverActions
from envs.contract import assert_holds, check_vector_environment
from envs.environment import Environment
from envs.registration import scenario_problem
from envs.vector import VectorEnvironment
from envs.world import SimulatedWorld
from sim.description import Description, Lever
from sim.errors import InvalidDecision, InvalidSystem
from tests.envs.clockwork import DESCRIPTION, Clockwork, clockwork_problem
from tests.systems import unchecked

LEVERS = (
    Lever(name="staff", levels=(5.0, 1.0, 3.0), decides="servers"),
    Lever(name="let_in", levels=(0.0, 0.5), decides="admission"),
)
TWO = replace(DESCRIPTION, levers=LEVERS)


class TwoLevers(Clockwork):
    """Wound by the first lever; the second does nothing."""

    def describe(self) -> Description:
        return TWO


def test_levers_chosen_apart_are_the_joint_choices() -> None:
    """Every combination has one number in the table, and both must mean the same levels."""
    joint, apart = JointActions(TWO), LeverActions(TWO)
    positions = np.array(list(product(range(3), range(2))))
    numbers = apart.choices(positions)
    assert numbers.tolist() == list(range(6))
    np.testing.assert_array_equal(apart.levels(positions), joint.levels(numbers))
    np.testing.assert_array_equal(joint.choices(numbers), numbers)
    assert apart.space.contains(positions[-1])
    assert not apart.space.contains(positions[-1] + 1)


def test_a_number_means_the_nearest_level_in_order() -> None:
    """The levels 5, 1 and 3 lie at 1, -1 and 0, whatever the order they are given in."""
    actions = ContinuousActions(TWO)
    asked = np.array([[-1.0, -1.0], [-0.51, 0.1], [-0.49, -0.1], [0.4, 7.0], [0.6, -7.0]])
    expected = [[1.0, 0.0], [1.0, 0.5], [3.0, 0.0], [3.0, 0.5], [5.0, 0.0]]
    assert actions.levels(asked.astype(np.float32)).tolist() == expected
    np.testing.assert_array_equal(
        JointActions(TWO).levels(actions.choices(asked)), actions.levels(asked)
    )


def test_levels_that_are_not_evenly_spaced_keep_their_distances() -> None:
    """Ten servers are far from one and two, so most numbers must mean neither."""
    servers = Lever(name="staff", levels=(1.0, 2.0, 10.0), decides="servers")
    actions = ContinuousActions(replace(DESCRIPTION, levers=(servers,)))
    asked = np.linspace(-1.0, 1.0, 10)[:, None]
    assert actions.levels(asked)[:, 0].tolist() == [1, 2, 2, 2, 2, 10, 10, 10, 10, 10]


@pytest.mark.parametrize(("form", "action"), [("levers", [2]), ("continuous", [1.0])])
def test_the_same_decision_earns_the_same_in_every_form(form: str, action: list[float]) -> None:
    """The form is the learner's matter; the world must not notice."""
    one, other = Environment(clockwork_problem()), Environment(clockwork_problem(actions=form))
    one.reset(seed=0)
    other.reset(seed=0)
    told = np.array(action, dtype=other.action_space.dtype)
    assert other.action_space.contains(told)
    for _ in range(3):
        mine, theirs = one.step(np.int64(2)), other.step(told)
        np.testing.assert_array_equal(mine[0], theirs[0])
        assert mine[1:] == theirs[1:]


@pytest.mark.parametrize("form", ["levers", "continuous"])
@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_batches_are_gymnasium_s_in_every_form(form: str, mode: AutoresetMode) -> None:
    """A batch of actions is stacked by whoever learns, as gymnasium stacks the single ones."""
    problem = clockwork_problem(actions=form)
    ours = VectorEnvironment(problem, 3, mode)
    theirs = SyncVectorEnv([partial(Environment, problem)] * 3, autoreset_mode=mode)
    assert ours.action_space == theirs.action_space
    ours.reset(seed=0)
    theirs.reset(seed=0)
    ours.action_space.seed(5)
    for _ in range(12):
        actions = ours.action_space.sample()
        mine: tuple[Any, ...] = ours.step(actions)
        peer: tuple[Any, ...] = theirs.step(actions)
        for left, right in zip(mine[:4], peer[:4], strict=True):
            np.testing.assert_array_equal(left, right)
    assert_holds(check_vector_environment(partial(VectorEnvironment, problem, 3, mode), steps=12))


def test_a_table_that_would_be_too_large_is_never_made() -> None:
    """Twelve levers of ten levels have 10 ** 12 joint choices; apart they are a hundred logits."""
    many = tuple(
        Lever(name=f"dial_{k}", levels=tuple(map(float, range(10))), decides="value")
        for k in range(12)
    )
    description = replace(DESCRIPTION, levers=many)
    with pytest.raises(InvalidSystem, match=r"1000000000000 joint choices.*actions='levers'"):
        JointActions(description)
    actions = LeverActions(description)
    asked = np.tile(np.arange(12) % 10, (2, 1))
    np.testing.assert_array_equal(actions.levels(asked), asked.astype(float))
    assert actions.choices(asked).tolist() == [12345678901] * 2


def test_levels_without_an_order_are_not_chosen_by_a_number() -> None:
    """Class 2 is no more than class 1, so a number between them would mean nothing."""
    route = Lever(name="to", levels=(0.0, 1.0, 2.0), decides="route")
    with pytest.raises(InvalidSystem, match="lever 'to' decides a route"):
        ContinuousActions(replace(DESCRIPTION, levers=(route,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Picky(Description):
    """Offers the first of its combinations only."""

    @property
    def decisions(self) -> Float[np.ndarray, "decision lever"]:
        return np.array([[lever.levels[0] for lever in self.levers]])


def test_decisions_that_are_no_grid_are_refused_by_lever() -> None:
    """Chosen apart, levers would come to combinations that are not offered."""
    picky = Picky(**{name: getattr(TWO, name) for name in Description.__slots__})
    assert JointActions(picky).levels(np.array([0])).tolist() == [[5.0, 0.0]]
    with pytest.raises(InvalidSystem, match="table of decisions of its own"):
        LeverActions(picky)


def _entered(form: str) -> tuple[Environment, VectorEnvironment]:
    """One copy and three, begun, of a clockwork with two levers."""
    problem = clockwork_problem(build_world=partial(SimulatedWorld, TwoLevers), actions=form)
    one, many = Environment(problem), VectorEnvironment(problem, 3, AutoresetMode.NEXT_STEP)
    one.reset(seed=0)
    many.reset(seed=0)
    return one, many


@pytest.mark.parametrize(
    ("form", "action", "message"),
    [
        ("joint", -1, "action -1: give integers from 0 to 5"),
        ("joint", 6, "action 6: give integers from 0 to 5"),
        ("joint", 1.7, "action 1.7: give integers from 0 to 5"),
        ("joint", None, "action None: give integers from 0 to 5"),
        ("levers", [2, -1], r"action \[2, -1\]: give integers from 0 to \[2, 1\]"),
        ("levers", [3, 0], r"action \[3, 0\]: give integers from 0 to \[2, 1\]"),
        ("levers", [0.5, 0.0], r"action \[0.5, 0.0\]: give integers"),
        ("continuous", [np.nan, 0.0], r"action \[nan, 0.0\]: give numbers, from -1 to 1"),
        ("continuous", ["1", "0"], r"action \['1', '0'\]: give numbers, from -1 to 1"),
    ],
)
def test_an_action_that_there_is_not_is_refused(form: str, action: Any, message: str) -> None:
    """An array would take -1 for the last choice, and a learner would never know of its error."""
    one, many = _entered(form)
    with unchecked():
        with pytest.raises(InvalidDecision, match=message):
            one.step(action)
        with pytest.raises(InvalidDecision, match=message):
            many.step(np.array([action] * 3))


def test_the_one_wrong_action_of_a_batch_is_told() -> None:
    """Among thousands nobody would find it."""
    _, many = _entered("levers")
    with pytest.raises(InvalidDecision, match=r"action \[1, 2\]: "):
        many.step(np.array([[0, 0], [2, 1], [1, 2]]))


@pytest.mark.parametrize(("form", "action"), [("joint", [1]), ("levers", [1, 0, 0]), ("levers", 1)])
def test_an_action_of_too_many_or_too_few_numbers_is_refused(form: str, action: Any) -> None:
    """What is too much would be left out of account in silence."""
    one, many = _entered(form)
    with unchecked():
        with pytest.raises(InvalidDecision, match=r"an action of shape \(.*: give one of \("):
            one.step(action)
        with pytest.raises(InvalidDecision, match=r"an action of shape \(3.*: give one of \(3,"):
            many.step(np.array([action] * 3))


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_every_row_needs_an_action(rows: int) -> None:
    """Rows are not left out in silence, nor is one action meant for all."""
    _, many = _entered("joint")
    with pytest.raises(
        InvalidDecision, match=rf"an action of shape \({rows},\): give one of \(3,\)"
    ):
        many.step(np.zeros(rows, dtype=int))


def test_a_form_that_cannot_be_is_refused() -> None:
    """A mask tells of joint choices: read by lever it would forbid and allow the wrong ones."""
    with unchecked(), pytest.raises(InvalidSystem, match="did you mean 'levers'"):
        clockwork_problem(actions="lever")
    with pytest.raises(InvalidSystem, match="mask 'feasible' tells of joint choices"):
        clockwork_problem(actions="levers", mask="feasible")


def test_more_joint_choices_than_can_be_listed_are_played_by_lever() -> None:
    """A table of 10 ** 12 rows is 90 TB: neither scales nor masks may ask for it."""
    with unchecked():
        problem = scenario_problem("tests.envs.clockwork:ManyDials", actions="levers")
        environment = Environment(problem)
        environment.reset(seed=0)
        environment.action_space.seed(0)
        environment.step(environment.action_space.sample())
    assert environment.action_masks().tolist() == [True] * 120


def test_every_form_of_actions_may_be_asked_for_a_mask() -> None:
    """One bool for each logit of a masking learner's head, as gymnasium's spaces count them."""
    sizes = {
        form: Environment(clockwork_problem(actions=form)).action_masks().shape
        for form in ("joint", "levers", "continuous")
    }
    assert sizes == {"joint": (3,), "levers": (3,), "continuous": (0,)}


def test_a_scenario_can_be_played_by_lever() -> None:
    """As by its name, so from a configuration."""
    with unchecked():
        problem = scenario_problem("clinic", actions="levers")
        levers = problem.observation.description.levers
        environment = Environment(problem)
    assert environment.action_space.shape == (len(levers),)
