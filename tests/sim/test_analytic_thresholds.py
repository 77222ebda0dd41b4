import numpy as np
import pytest

from sim.analytic import (
    AdmissionProblem,
    SlowServerProblem,
    erlang_c_mean_queue,
    limited_queue,
    pollaczek_khinchine,
)
from sim.errors import InvalidSystem, UnstableSystem


def admission(reward: float) -> AdmissionProblem:
    return AdmissionProblem(
        arrival_rate=4.0, service_rate=1.0, agents=3, places=20, reward=reward, holding_cost=2.0
    )


@pytest.mark.parametrize("reward", [1.0, 3.0, 10.0, 200.0])
def test_value_iteration_finds_the_best_admission_threshold(reward: float) -> None:
    """It knows nothing of thresholds; all of them are tried in closed form."""
    problem = admission(reward)
    rewards = [problem.average_reward(threshold) for threshold in range(21)]
    optimum = problem.optimum()
    best = int(np.argmax(rewards))
    assert optimum.average == pytest.approx(rewards[best], abs=1e-8)
    assert np.flatnonzero(optimum.acts).tolist() == list(range(best))


def test_a_low_reward_admits_nobody_and_a_higher_one_more() -> None:
    """Serving costs 2 per mean service of 1 minute, so that a reward of 1 is never worth it."""
    thresholds = [int(admission(reward).optimum().acts.sum()) for reward in (1.0, 3.0, 10.0, 200.0)]
    assert thresholds == sorted(set(thresholds))
    assert thresholds[0] == 0


def test_the_reward_of_a_threshold_is_that_of_a_limited_queue() -> None:
    """Whoever is turned away is lost: the threshold takes the role of the places."""
    queue = limited_queue(4.0, 1.0, 3, 7)
    expected = 10.0 * queue.throughput - 2.0 * queue.mean_number
    assert admission(10.0).average_reward(7) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("rates", "threshold"), [((0.5, 1.0, 0.1), 5), ((0.9, 1.0, 0.2), 2), ((1.2, 1.0, 0.5), 1)]
)
def test_value_iteration_finds_the_best_threshold_of_a_slow_server(
    rates: tuple[float, float, float], threshold: int
) -> None:
    """Lin and Kumar (1984): the slow server is used above some number, and for good.

    The thresholds are tried one by one in the balance equations, which share no code with it.
    """
    arrival_rate, fast_rate, slow_rate = rates
    problem = SlowServerProblem(arrival_rate=arrival_rate, fast_rate=fast_rate, slow_rate=slow_rate)
    numbers = [problem.mean_number(m) for m in range(1, 9)]
    optimum = problem.optimum(level=100)
    assert int(np.argmin(numbers)) + 1 == threshold
    assert optimum.average == pytest.approx(min(numbers), abs=2e-7)
    assert np.flatnonzero(optimum.acts[:50]).tolist() == list(range(threshold + 1, 50))


def test_a_slow_server_that_is_never_used_leaves_a_single_one() -> None:
    """With a threshold that is hardly ever passed the fast server is an M/M/1 queue."""
    problem = SlowServerProblem(arrival_rate=0.5, fast_rate=1.0, slow_rate=0.1)
    alone = 0.5 * (1.0 + pollaczek_khinchine(0.5, 1.0, 1.0))
    assert problem.mean_number(50) == pytest.approx(alone, rel=1e-9)


@pytest.mark.parametrize("arrival_rate", [0.9, 1.96])
def test_two_equal_servers_are_erlang_c(arrival_rate: float) -> None:
    """A slow server as fast as the other, used for whoever waits, makes M/M/2."""
    problem = SlowServerProblem(arrival_rate=arrival_rate, fast_rate=1.0, slow_rate=1.0)
    expected = arrival_rate + erlang_c_mean_queue(arrival_rate, 1.0, 2)
    assert problem.mean_number(1) == pytest.approx(expected, rel=1e-9)


def test_problems_that_make_no_sense_are_refused() -> None:
    """Two servers that cannot keep up, a slow one that is faster, a threshold without meaning."""
    with pytest.raises(UnstableSystem, match=r"utilisation 1\.25 of both servers"):
        SlowServerProblem(arrival_rate=1.5, fast_rate=1.0, slow_rate=0.2)
    with pytest.raises(InvalidSystem, match="slow_rate 2 above fast_rate 1"):
        SlowServerProblem(arrival_rate=0.5, fast_rate=1.0, slow_rate=2.0)
    with pytest.raises(InvalidSystem, match="threshold 0: at least 1"):
        SlowServerProblem(arrival_rate=0.5, fast_rate=1.0, slow_rate=0.1).mean_number(0)
    with pytest.raises(InvalidSystem, match="threshold 21: from 0 to the 20 places"):
        admission(1.0).average_reward(21)
