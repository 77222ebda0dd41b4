import pickle

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from gymnasium.utils.env_checker import check_env

from envs.environment import Environment
from envs.problem import Problem


def _day(
    environment: Environment, seed: int | None, actions: list[int]
) -> list[tuple[object, ...]]:
    first, _ = environment.reset(seed=seed)
    return [(first, 0.0, False), *(environment.step(np.int64(a))[:3] for a in actions)]


def test_gymnasium_s_own_checker_passes(problem: Problem) -> None:
    """Any library that trains on gymnasium environments relies on what this checks."""
    check_env(Environment(problem), skip_render_check=True)


def test_an_episode_ends_with_the_last_epoch(problem: Problem) -> None:
    """A day has six epochs; its end is a true end of the problem, not a cut."""
    environment = Environment(problem)
    environment.reset(seed=0)
    ends = [environment.step(np.int64(0))[2:4] for _ in range(6)]
    assert ends == [(False, False)] * 5 + [(True, False)]


def test_actions_are_the_joint_choices_of_the_levers(problem: Problem) -> None:
    """Three levels of one lever and two of the other make six choices."""
    environment = Environment(problem)
    assert environment.action_space == Discrete(6)
    environment.reset(seed=0)
    seen = environment.step(np.int64(5))[0]
    names = problem.observation.names
    shares = [seen[names.index(f"{team}_share")] for team in ("tier1_cases", "tier2_calls")]
    # .3 of 14 agents is 4 and .4 of 5 is 2; both are shown relative to the next epoch's roster.
    assert shares == pytest.approx([2 * 4 / 17, 2 * 2 / 5])


def test_the_reward_is_minus_the_cost_in_its_unit(problem: Problem) -> None:
    """Learning curves and money must say the same."""
    environment = Environment(problem)
    environment.reset(seed=1)
    for action in range(6):
        _, reward, _, _, info = environment.step(np.int64(action))
        assert isinstance(reward, float)
        assert reward == -info["cost"] / 100.0
        assert info["cost"] > 0


def test_a_seed_begins_the_same_episodes(problem: Problem) -> None:
    """Both the seeded episode and those after it must be repeatable."""
    actions = [0, 3, 5, 1, 2, 4]
    one, other = Environment(problem), Environment(problem)
    for seed in (9, None, None):
        for left, right in zip(_day(one, seed, actions), _day(other, seed, actions), strict=True):
            np.testing.assert_array_equal(left[0], right[0])
            assert left[1:] == right[1:]


def test_episodes_after_one_seed_differ(problem: Problem) -> None:
    """Reset without a seed goes on to a new day, or training would see one day only."""
    environment = Environment(problem)
    days = [_day(environment, seed, [0] * 6) for seed in (9, None)]
    assert [step[1] for step in days[0]] != [step[1] for step in days[1]]


def test_a_problem_can_be_sent_to_a_worker(problem: Problem) -> None:
    """Training builds its environments in other processes."""
    copied = Environment(pickle.loads(pickle.dumps(problem)))
    for left, right in zip(
        _day(Environment(problem), 2, [1] * 6), _day(copied, 2, [1] * 6), strict=True
    ):
        np.testing.assert_array_equal(left[0], right[0])
