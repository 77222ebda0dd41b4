"""Policies in charge of the true simulator: what they remember, and in which form they decide."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from envs.environment import Environment
from envs.objective import Objective
from envs.observation import PlainObservation
from envs.problem import Problem
from envs.sight import seen_names
from envs.vector import VectorEnvironment
from envs.world import SimulatedWorld
from sim.description import Description, Lever
from sim.epoch import Epoch, Quantity
from surrogates.design import PlannedEpisode
from surrogates.fidelity.policies import count_distinct
from surrogates.pilot import Pilot, Remembers, seated
from tests.envs.clockwork import OBSERVATION, Clockwork, clockwork_problem
from tests.training.lights import OBJECTIVE, Lights, PresentLight, lights_problem
from training.controllers import MissingMemory, PolicyController
from training.evaluation import run_days
from training.heads import GaussianNumbers, Head, JointChoice, LeverChoices, SquashedNumbers
from training.policies import InconsistentNetwork, NetworkPolicy
from training.search import SideBySide, episode_costs

DAYS = tuple(range(20))


def linear(
    weights: list[list[float]], head: Head | None = None, offset: float = 0.0
) -> NetworkPolicy:
    """A policy of one layer; the offset is added to the last output."""
    biases = np.zeros(len(weights), dtype=np.float32)
    biases[-1] = offset
    return NetworkPolicy(
        name="by hand",
        weights=(np.array(weights, dtype=np.float32),),
        biases=(biases,),
        head=head or JointChoice(),
    )


def by_the_light_before() -> PolicyController:
    """Decides what the older of two lights was, which is never a mistake."""
    policy = linear([[0.0, 0.0], [1.0, 0.0]], offset=-0.5)
    return PolicyController(policy=policy, observation=PresentLight(), name="before", history=2)


def by_the_present_light() -> PolicyController:
    """Decides what the light is now: right at first, then by chance."""
    policy = linear([[0.0], [1.0]], offset=-0.5)
    return PolicyController(policy=policy, observation=PresentLight(), name="now")


def test_a_window_is_kept_for_each_episode_alone() -> None:
    """A light of the day before would be a mistake in half of the mornings."""
    days = run_days(Lights, by_the_light_before(), OBJECTIVE, DAYS, {})
    assert [day.cost for day in days] == [0.0] * len(DAYS)
    mornings = run_days(Lights, by_the_present_light(), OBJECTIVE, DAYS, {})
    assert np.mean([day.cost for day in mornings]) > 1.5


def test_many_episodes_side_by_side_have_a_window_each() -> None:
    """Rows of a world are different days; so are the shares of several controllers."""
    problem = lights_problem()
    assert episode_costs(problem, by_the_light_before(), 50, seed=1).tolist() == [0.0] * 50
    judge = SideBySide(problem=problem, days=40, seed=1)
    costs = list(judge([by_the_light_before(), by_the_present_light()]))
    assert costs[0] == 0.0
    assert costs[1] > 1.5


def test_whoever_collects_asks_a_seat_of_the_episode() -> None:
    """A plan names the controller; two pilots of it must not see through each other's eyes."""
    controller = by_the_light_before()
    assert isinstance(controller, Remembers)
    plan = PlannedEpisode(seed=1, parameters={}, behaviour="before")
    one, other = (Pilot(plan, Lights().describe(), {"before": controller}) for _ in range(2))
    lit, dark = np.array([1.0, 0.0]), np.array([0.0, 0.0])
    assert [one.decide(lit)[0], other.decide(dark)[0]] == [1.0, 0.0]
    assert [one.decide(dark)[0], other.decide(lit)[0]] == [1.0, 0.0]
    assert [one.decide(dark)[0], other.decide(lit)[0]] == [0.0, 1.0]


def test_asked_without_a_beginning_it_refuses() -> None:
    """Guessing what was before would decide wrongly and never fail."""
    controller = by_the_light_before()
    with pytest.raises(MissingMemory, match="sees 2 epochs at once and remembers 0"):
        controller.decide(np.zeros((3, 2)))
    with pytest.raises(MissingMemory, match="2 states for a controller of 3 episodes"):
        controller.begin(3).decide(np.zeros((2, 2)))


def test_states_that_stand_alone_are_seen_as_beginnings() -> None:
    """Telling policies apart has states without a past: the two decide alike at a beginning."""
    states = np.repeat([[0.0, 0.0], [1.0, 1.0]], 5, axis=0)
    assert count_distinct((by_the_light_before(), by_the_present_light()), states) == 1


def test_a_policy_that_sees_the_present_needs_no_seat() -> None:
    """The usual case stays as it was: it may be asked about anything at any time."""
    controller = by_the_present_light()
    assert seated(controller, 7) is controller


def test_a_policy_of_another_window_is_refused() -> None:
    """At once, with both numbers, and not at the first state of an evening."""
    with pytest.raises(InconsistentNetwork, match="sees 2 numbers and is shown 3"):
        replace(by_the_light_before(), history=3)


def wound(form: str) -> Problem:
    return clockwork_problem(actions=form)


@pytest.mark.parametrize(
    "policy",
    [
        linear([[0.0, 0.0], [0.0, 1.0], [-9.0, 9.0]], offset=-9.0),
        linear([[0.0, 0.0], [0.0, 1.0], [-9.0, 9.0]], LeverChoices(sizes=(3,)), offset=-9.0),
        linear(
            [[0.0, 0.8]],
            GaussianNumbers(low=(-1.0,), high=(1.0,), log_deviations=(0.0,)),
            offset=-0.9,
        ),
        linear([[0.0, 0.8], [0.0, 0.0]], SquashedNumbers(low=(-1.0,), high=(1.0,)), offset=-0.9),
    ],
    ids=lambda policy: type(policy.head).__name__,
)
def test_in_charge_it_decides_as_in_the_environment_of_its_form(policy: NetworkPolicy) -> None:
    """Controllers decide by joint number, so each form has to be taken for the right levels."""
    environment = Environment(wound(policy.head.form))
    assert len(seen_names(wound(policy.head.form))) == policy.features
    seen, _ = environment.reset(seed=0)
    costs, decided, ended = 0.0, [], False
    while not ended:
        action = policy.act(seen[None, :])[0]
        decided.append(environment._rollouts.actions.levels(np.array([action]))[0, 0])
        seen, _, ended, _, info = environment.step(action)
        costs += info["cost"]
    controller = PolicyController(policy=policy, observation=OBSERVATION, name="x")
    objective = wound("joint").objective
    (day,) = run_days(Clockwork, controller, objective, (0,), {})
    assert day.telemetry.decision[:, 0].tolist() == decided
    assert day.cost == costs
    assert len(set(decided)) > 1


LEVELS = tuple(float(level) for level in range(10))
BOARD = Description(
    name="board",
    components=(Quantity(name="shown", unit="1", is_count=False),),
    outputs=(Quantity(name="wrong", unit="dials"),),
    levers=tuple(Lever(name=f"dial_{k}", levels=LEVELS, decides="value") for k in range(12)),
    epochs=4,
)
BOARD_COSTS = Objective.from_costs(BOARD, {"wrong": 1.0}, {})


class Board:
    """Twelve dials of ten positions, to be turned to what is shown; 10 ** 12 joint choices."""

    def describe(self) -> Description:
        return BOARD

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> np.ndarray:
        self._random, self._epoch = np.random.default_rng(seed), 0
        self._shown = self._random.integers(10, size=1).astype(float)
        return self._shown

    def advance(self, decision: np.ndarray) -> Epoch:
        wrong = float((decision != self._shown).sum())
        self._shown = self._random.integers(10, size=1).astype(float)
        self._epoch += 1
        return Epoch(
            state=self._shown, outputs=np.array([wrong]), duration=1.0, is_last=self._epoch == 4
        )


def test_levers_without_a_table_are_trained_on_and_put_in_charge_of() -> None:
    """Neither the environment nor who runs the days may list what could be decided.

    By hand, the logit of a level is minus its squared distance from what is shown, and some.
    """
    view = PlainObservation(description=BOARD, centre=np.zeros(1), width=np.ones(1))
    policy = NetworkPolicy(
        name="by hand",
        weights=(np.tile(2.0 * np.array(LEVELS, dtype=np.float32), 12)[:, None],),
        biases=(np.tile(-np.square(np.array(LEVELS, dtype=np.float32)), 12),),
        head=LeverChoices(sizes=(10,) * 12),
    )
    problem = Problem(
        build_world=partial(SimulatedWorld, Board),
        objective=BOARD_COSTS,
        observation=view,
        actions="levers",
    )
    batch = VectorEnvironment(problem, 3)
    seen, _ = batch.reset(seed=0)
    for _ in range(5):
        seen, _, _, _, infos = batch.step(policy.act(seen))
        assert infos["cost"].tolist() == [0.0] * 3
    controller = PolicyController(policy=policy, observation=view, name="by hand")
    days = run_days(Board, controller, BOARD_COSTS, (0, 1), {})
    assert [day.cost for day in days] == [0.0, 0.0]
    shown = days[0].telemetry.state
    np.testing.assert_array_equal(days[0].telemetry.decision, np.tile(shown, 12))
