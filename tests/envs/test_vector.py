from dataclasses import replace

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from envs.environment import Environment
from envs.objective import Objective
from envs.problem import Problem
from envs.vector import VectorEnvironment
from envs.world import Answers, World
from sim.description import SystemDescription
from tests.envs.conftest import AT_CLOSE, COSTS

ROWS = 3


class Overheard:
    """A world that keeps what it answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.description = world.description
        self.parameters = world.parameters
        self.answers: list[Answers] = []

    def begin(self, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return self.world.begin(rows, random)

    def advance(
        self,
        decisions: np.ndarray,
        random: np.random.Generator,
        rows: np.ndarray | None = None,
    ) -> Answers:
        self.answers.append(self.world.advance(decisions, random, rows))
        return self.answers[-1]


def _episode(environment: Environment, actions: list[int]) -> tuple[np.ndarray, np.ndarray]:
    steps = [environment.step(np.int64(action)) for action in actions]
    return np.array([s[0] for s in steps]), np.array([s[1] for s in steps])


def test_spaces_are_batches_of_the_single_ones(problem: Problem) -> None:
    """A learner sizes its network by the single spaces and its buffers by the batched ones."""
    vector, single = VectorEnvironment(problem, ROWS), Environment(problem)
    assert vector.single_action_space == single.action_space
    assert vector.single_observation_space == single.observation_space
    assert vector.observation_space.shape == (ROWS, len(problem.observation.names))
    seen, _ = vector.reset(seed=0)
    assert seen in vector.observation_space
    assert vector.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP


def test_one_row_is_the_single_environment(problem: Problem) -> None:
    """The two doors lead to one problem: the same seed and actions must give the same day."""
    vector, single = VectorEnvironment(problem, 1), Environment(problem)
    np.testing.assert_array_equal(vector.reset(seed=4)[0][0], single.reset(seed=4)[0])
    for action in (0, 5, 3, 1, 2):
        batch = vector.step(np.array([action]))
        seen, reward, *_ = single.step(np.int64(action))
        np.testing.assert_array_equal(batch[0][0], seen)
        assert batch[1][0] == reward


@pytest.mark.parametrize("problem", ["simulated"], indirect=True)
def test_simulated_rows_are_the_single_environment_s_days_in_turn(problem: Problem) -> None:
    """In the true simulator a row's day depends on its seed alone, not on its neighbours."""
    vector, single = VectorEnvironment(problem, ROWS), Environment(problem)
    vector.reset(seed=4)
    actions = np.array([[0, 5, 3], [1, 1, 2], [4, 0, 0], [2, 2, 2], [5, 3, 1]])
    steps = [vector.step(row) for row in actions]
    single.reset(seed=4)
    for row in range(ROWS):
        seen, rewards = _episode(single, actions[:, row].tolist())
        np.testing.assert_array_equal(np.array([s[0][row] for s in steps]), seen)
        np.testing.assert_array_equal(np.array([s[1][row] for s in steps]), rewards)
        single.reset()


def test_a_row_that_ends_begins_again_in_the_same_step(
    problem: Problem, description: SystemDescription
) -> None:
    """The answer shows the new day's opening, and the old day's close is in `final_obs`."""
    vector = VectorEnvironment(problem, ROWS)
    names = problem.observation.names
    opening, _ = vector.reset(seed=0)
    steps = [vector.step(np.zeros(ROWS, dtype=int)) for _ in range(6)]
    assert [step[2].tolist() for step in steps] == [[False] * ROWS] * 5 + [[True] * ROWS]
    assert not any(step[3].any() for step in steps)
    assert ["final_obs" in step[4] for step in steps] == [False] * 5 + [True]
    seen, infos = steps[-1][0], steps[-1][4]
    clock = names.index("clock")
    np.testing.assert_array_equal(seen[:, clock], opening[:, clock])
    assert not seen[:, : len(description.stocks)].any()
    assert infos["_final_obs"].all()
    np.testing.assert_allclose(infos["final_obs"][:, clock], 1.0)


def test_the_final_observation_is_of_the_state_in_which_the_day_ended(problem: Problem) -> None:
    """It must be what the single environment shows at its end."""
    vector, single = VectorEnvironment(problem, 1), Environment(problem)
    vector.reset(seed=6)
    single.reset(seed=6)
    actions = [2, 2, 0, 1, 5, 4]
    seen, rewards = _episode(single, actions)
    steps = [vector.step(np.array([action])) for action in actions]
    np.testing.assert_array_equal(steps[-1][4]["final_obs"][0], seen[-1])
    np.testing.assert_array_equal([s[1][0] for s in steps], rewards)


def test_only_the_rows_that_end_begin_again(problem: Problem) -> None:
    """Rows may be out of step; those in the middle of a day must go on with it."""
    vector = VectorEnvironment(problem, 2)
    vector.reset(seed=0)
    rollouts = vector._rollouts
    vector.step(np.array([0, 0]))
    rollouts.begin(np.array([1]), np.random.default_rng(0))
    clock = problem.observation.names.index("clock")
    for _ in range(4):
        vector.step(np.array([0, 0]))
    seen, _, ended, _, infos = vector.step(np.array([0, 0]))
    assert ended.tolist() == infos["_final_obs"].tolist() == [True, False]
    np.testing.assert_allclose(seen[:, clock], [-1.0, 2 * 5 / 6 - 1], rtol=1e-6)


def test_rewards_are_minus_costs_in_their_unit(problem: Problem) -> None:
    """Learning curves and money must say the same, in every row."""
    vector = VectorEnvironment(problem, ROWS)
    vector.reset(seed=1)
    for _ in range(7):
        _, rewards, _, _, infos = vector.step(np.array([0, 3, 5]))
        np.testing.assert_array_equal(rewards, -infos["cost"] / 100.0)


def test_costs_are_the_objective_of_what_happened(
    problem: Problem, description: SystemDescription
) -> None:
    """The environment may add nothing of its own to the objective, not even at close."""
    world = Overheard(problem.build_world(ROWS))
    vector = VectorEnvironment(replace(problem, build_world=lambda copies: world), ROWS)
    vector.reset(seed=1)
    costs = [vector.step(np.array([1, 2, 3]))[4]["cost"] for _ in range(6)]
    left = [s.name for s in description.stocks].index("follow_up_waiting")
    for epoch, (answer, cost) in enumerate(zip(world.answers, costs, strict=True)):
        expected = sum(
            price * answer.outputs[:, description.output_names.index(name)]
            for name, price in COSTS.items()
        )
        closing = AT_CLOSE["follow_up_waiting"] * answer.state[:, left]
        np.testing.assert_allclose(cost, expected + (closing if epoch == 5 else 0.0))


def test_seeding_reproduces_and_reset_goes_on(problem: Problem) -> None:
    """Training is repeatable from its seed, yet no episode is met twice."""
    one, other = VectorEnvironment(problem, ROWS), VectorEnvironment(problem, ROWS)
    totals = []
    for seed in (3, None, 3):
        one.reset(seed=seed)
        other.reset(seed=[seed, None, None])
        rewards = [[env.step(np.array([0, 1, 2]))[1] for _ in range(6)] for env in (one, other)]
        np.testing.assert_array_equal(rewards[0], rewards[1])
        totals.append(np.sum(rewards[0], axis=0))
    assert not np.array_equal(totals[0], totals[1])


def test_rows_meet_different_days(problem: Problem) -> None:
    """A batch of the same day would be worth one row."""
    vector = VectorEnvironment(problem, ROWS)
    vector.reset(seed=0)
    rewards = np.sum([vector.step(np.zeros(ROWS, dtype=int))[1] for _ in range(6)], axis=0)
    assert len(set(rewards.tolist())) == ROWS


def test_an_objective_can_change_without_a_new_world(problem: Problem) -> None:
    """Costs are outside every model, so dearer customers only change the price."""
    description = problem.observation.description
    costs = []
    for factor in (1, 2):
        prices = {name: factor * price for name, price in COSTS.items()}
        objective = Objective.from_costs(description, prices, {})
        vector = VectorEnvironment(replace(problem, objective=objective), ROWS)
        vector.reset(seed=5)
        costs.append([vector.step(np.array([0, 4, 2]))[4]["cost"] for _ in range(6)])
    np.testing.assert_allclose(2 * np.array(costs[0]), costs[1])
