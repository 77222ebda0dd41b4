from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv

from envs.vector import VectorEnvironment
from envs.world import SurrogateWorld
from tests.envs.clockwork import ClockworkSurrogate, clockwork_problem
from tests.fakes import Counter, MakeChain, MaskedChain
from training.rllib.batched_runner import (
    BatchedEnvRunner,
    UnsupportedEnvironment,
    final_observations,
)
from training.rllib.build import build_config
from training.rllib.session import quiet_ray
from training.rllib.settings import PPOSettings

ENVS, STEPS = 4, 5


def build_runner(make_env: Callable[[int], VectorEnv[Any, Any, Any]]) -> BatchedEnvRunner:
    settings = PPOSettings(num_envs=ENVS, rollout_length=STEPS, minibatch_size=5, hidden=(8,))
    with quiet_ray():
        return BatchedEnvRunner(config=build_config(make_env, settings), worker_index=0)


def life_of(env: int, steps: int) -> list[tuple[int, int]]:
    """(episode, time) before each step of environment `env` of Counter."""
    return [divmod(step, 3 + env) for step in range(steps)]


def test_every_observation_is_the_one_decided_on() -> None:
    """An observation lost or repeated at a reset or between rollouts would teach a wrong world."""
    runner = build_runner(Counter)
    rollouts = [runner.collect(STEPS) for _ in range(3)]
    seen = np.concatenate([rollout.observations for rollout in rollouts])
    rewards = np.concatenate([rollout.rewards for rollout in rollouts])
    for env in range(ENVS):
        expected = life_of(env, 3 * STEPS)
        assert [tuple(row) for row in seen[:, env].astype(int)] == [(env, *at) for at in expected]
        np.testing.assert_array_equal(rewards[:, env], [time + 1 for _, time in expected])


@pytest.mark.parametrize("truncates", [True, False])
def test_final_observations_are_of_the_episode_that_ended(truncates: bool) -> None:
    """Bootstrapping from the next episode's first observation is the classic mistake here."""
    runner = build_runner(lambda envs: Counter(envs, truncates=truncates))
    rollout = runner.collect(2 * STEPS)
    ends = [
        (env, *life_of(env, 2 * STEPS)[step]) for step, env in np.argwhere(rollout.ended).tolist()
    ]
    expected = [(env, episode, time + 1) for env, episode, time in ends]
    assert [tuple(row) for row in rollout.final_observations.astype(int)] == expected
    assert (rollout.truncated if truncates else rollout.terminated).sum() == len(ends)


def test_a_problem_s_episodes_are_collected_whole() -> None:
    """The clockwork ticks once an epoch, five times an episode: none may be lost or shown twice."""
    problem = clockwork_problem(build_world=partial(SurrogateWorld, ClockworkSurrogate()))
    rollout = build_runner(partial(VectorEnvironment, problem)).collect(2 * STEPS)
    ticks = np.rint(rollout.observations[:, :, 1] ** 2)
    np.testing.assert_array_equal(ticks, np.tile([*range(5), *range(5)], (ENVS, 1)).T)
    np.testing.assert_allclose(rollout.final_observations[:, 1] ** 2, 5.0, rtol=1e-6)


def test_returns_count_from_the_start_of_the_episode() -> None:
    """Episodes span rollouts, so a return per rollout would depend on where the cut falls."""
    runner = build_runner(Counter)
    rollouts = [runner.collect(STEPS) for _ in range(3)]
    lengths = np.concatenate([rollout.episode_lengths for rollout in rollouts])
    returns = np.concatenate([rollout.episode_returns for rollout in rollouts])
    assert set(lengths) == {3, 4, 5, 6}
    np.testing.assert_array_equal(returns, lengths * (lengths + 1) / 2)


def test_episode_chunks_continue_across_calls() -> None:
    """RLlib's stock algorithms join chunks by identity and time, so both must carry over."""
    runner = build_runner(Counter)
    lives: dict[str, list[int]] = {}
    for _ in range(3):
        for chunk in runner.sample(num_timesteps=ENVS * STEPS):
            times = chunk.get_observations()[:, 2].astype(int).tolist()
            assert times == list(range(chunk.t_started, chunk.t + 1))
            assert chunk.is_terminated == (times[-1] == 3 + chunk.get_observations(0)[0])
            life = lives.setdefault(chunk.id_, [0])
            assert life[-1] == times[0]
            life.extend(times[1:])
    whole = [life for life in lives.values() if life[-1] >= 3]
    assert len(whole) >= 3 * ENVS - 4
    assert all(life == list(range(len(life))) for life in lives.values())


def test_log_probabilities_are_those_of_the_decisions_taken() -> None:
    """The update divides by them, so an index slip would silently spoil learning."""
    rollout = build_runner(MakeChain()).collect(STEPS)
    odds = np.exp(rollout.logits.astype(np.float64))
    odds /= odds.sum(axis=2, keepdims=True)
    taken = np.take_along_axis(odds, rollout.actions[:, :, None], axis=2)[:, :, 0]
    np.testing.assert_allclose(np.exp(rollout.log_probabilities), taken, rtol=1e-5)


def test_decisions_are_drawn_with_the_networks_probabilities() -> None:
    """Exploration that strays from the policy would bias every gradient.

    4 * 400 independent draws: a share is within 3.3 / (2 * sqrt(1600)) at 99.9 %.
    """
    runner = build_runner(Counter)
    rollout = runner.collect(400)
    expected = np.exp(rollout.log_probabilities)
    second = np.where(rollout.actions == 1, expected, 1.0 - expected)
    assert abs((rollout.actions == 1).mean() - second.mean()) < 3.3 / (2 * np.sqrt(1600))


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED, None])
def test_another_autoreset_mode_is_refused(mode: AutoresetMode | None) -> None:
    """With a reset step in between, rows would pair observations of different episodes."""

    def make_env(num_envs: int) -> VectorEnv[Any, Any, Any]:
        env = Counter(num_envs)
        env.metadata = {"autoreset_mode": mode}
        return env

    with pytest.raises(UnsupportedEnvironment, match="SAME_STEP"):
        build_runner(make_env)


def test_final_observations_may_be_objects_or_an_array() -> None:
    """Gymnasium's own vector environments give objects with None, native batches an array."""
    ended = np.array([False, True])
    rows = np.array([[0.0, 0.0], [1.0, 2.0]])
    objects = np.array([None, rows[1]], dtype=object)
    for given in (rows, objects):
        np.testing.assert_array_equal(final_observations({"final_obs": given}, ended), rows[1:])
    with pytest.raises(UnsupportedEnvironment, match="rows"):
        final_observations({"final_obs": rows[1:]}, ended)


def test_only_what_is_allowed_is_decided_and_remembered_as_such() -> None:
    """The environment breaks at anything else; chances are those among what was allowed."""
    runner = build_runner(lambda envs: MaskedChain(envs))
    rollout = runner.collect(3 * STEPS)
    assert rollout.allowed is not None
    chosen = np.take_along_axis(rollout.allowed, rollout.actions[:, :, None], axis=2)
    assert chosen.all()
    logits = np.where(rollout.allowed, rollout.logits, -np.inf)
    chances = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    taken = np.take_along_axis(chances, rollout.actions[:, :, None], axis=2)[:, :, 0]
    np.testing.assert_allclose(np.exp(rollout.log_probabilities), taken, rtol=1e-5)
    places = rollout.observations[:, :, :4].argmax(axis=2)
    np.testing.assert_array_equal(rollout.durations, np.where(places % 2 == 0, 10.0, 30.0))


class Silent(MaskedChain):
    """Tells its mask at the beginning and never again."""

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        *answer, infos = super().step(actions)
        return (*answer, {name: value for name, value in infos.items() if name != "action_mask"})


class Stuck(MaskedChain):
    """Allows nothing."""

    def allowed(self) -> np.ndarray:
        return np.zeros((self.num_envs, 3), dtype=bool)


@pytest.mark.parametrize(("env", "told"), [(Silent, "or never"), (Stuck, "allows nothing")])
def test_a_mask_that_cannot_be_obeyed_is_refused(env: type[MaskedChain], told: str) -> None:
    """A mask that is not renewed would forbid what is right now."""
    runner = build_runner(lambda envs: env(envs))
    with pytest.raises(UnsupportedEnvironment, match=told):
        runner.collect(STEPS)


def test_episodes_by_number_are_whole_and_shared_out_evenly() -> None:
    """The first that end are the short ones, whose mean return would pass for that of all.

    Environment k's episodes last 3 + k steps and earn 1 + 2 + ..., so the six of them are known.
    """
    runner = build_runner(Counter)
    runner.collect(STEPS)
    runner.get_metrics()
    chunks = runner.sample(num_episodes=6)
    lengths: dict[str, int] = {}
    for chunk in chunks:
        lengths[chunk.id_] = lengths.get(chunk.id_, 0) + len(chunk)
    assert sorted(lengths.values()) == [3, 3, 4, 4, 5, 6]
    assert sum(chunk.is_done for chunk in chunks) == 6
    told = runner.get_metrics()
    assert told["num_episodes"].peek() == 6
    assert told["num_env_steps_sampled"].peek() == 25
    expected = np.mean([n * (n + 1) / 2 for n in (3, 3, 4, 4, 5, 6)])
    assert told["episode_return_mean"].peek() == pytest.approx(expected)


def test_fewer_episodes_than_environments_are_those_of_the_first() -> None:
    """None of an environment that was not asked, whatever it went through meanwhile."""
    chunks = build_runner(Counter).sample(num_episodes=2)
    assert {int(chunk.get_observations(0)[0]) for chunk in chunks} == {0, 1}


def test_random_decisions_are_refused_as_such() -> None:
    """The message told to set what was set already."""
    with pytest.raises(UnsupportedEnvironment, match="random_actions=True"):
        build_runner(Counter).sample(num_timesteps=8, random_actions=True)
