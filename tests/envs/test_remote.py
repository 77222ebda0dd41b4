"""Environments on a service keep the contract of local ones, and outlive the service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from envs.contract import assert_holds, check_environment, check_vector_environment
from envs.registration import make_environment, make_vector_environment
from envs.remote import RemoteEnv, RemoteProblem, RemoteVectorEnv, ServiceGone
from tests.service.conftest import KEY, Served
from tests.systems import unchecked


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data: Path = tmp_path_factory.mktemp("remote") / "data"
    with closing(Served(data=data, environment={"SURROGYM_KEY": KEY})) as served:
        yield served.start()


@pytest.fixture
def make(service: Served) -> Iterator[Callable[..., Any]]:
    """Makes environments on the service, which are closed in the end."""
    made: list[Any] = []

    def one(kind: type, *arguments: Any, **given: Any) -> Any:
        made.append(kind(service.address, *arguments, key=KEY, **given))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.mark.parametrize("form", ["msgpack", "json"])
def test_a_remote_environment_keeps_the_contract(make: Callable[..., Any], form: str) -> None:
    """What trains on a local environment trains on this one."""
    build = partial(make, RemoteEnv, "clinic", mask="feasible", form=form)
    checks = check_environment(build, steps=30)
    assert_holds(checks)
    assert {check.outcome for check in checks} <= {"passed", "noted"}


@pytest.mark.parametrize("form", ["msgpack", "json"])
@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_remote_batch_keeps_the_contract(
    make: Callable[..., Any], mode: AutoresetMode, form: str
) -> None:
    """In each of gymnasium's modes, to the end of an episode and beyond."""
    build = partial(make, RemoteVectorEnv, "clinic", 2, mask="feasible", form=form)
    assert_holds(check_vector_environment(partial(build, autoreset_mode=mode), steps=25))


def test_it_answers_as_a_local_one(make: Callable[..., Any]) -> None:
    """Bit for bit, types and all, in both forms and both kinds."""
    single = [make(RemoteEnv, "clinic", form=form) for form in ("msgpack", "json")]
    batches = [make(RemoteVectorEnv, "clinic", 3, form=form) for form in ("msgpack", "json")]
    with unchecked():
        played = [_played(env, np.int64(5)) for env in (make_environment("clinic"), *single)]
        batch = make_vector_environment(3, "clinic", "SameStep")
        played_batches = [_played(env, np.array([1, 5, 9])) for env in (batch, *batches)]
    for first, *others in (played, played_batches):
        for other in others:
            _assert_same(first, other)


def _played(env: Any, action: Any) -> list[Any]:
    return [env.reset(seed=3), *(env.step(action) for _ in range(20))]


def _assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs, strict=True):
            _assert_same(*pair)
        return
    assert np.asarray(ours).dtype == np.asarray(theirs).dtype
    np.testing.assert_array_equal(ours, theirs)


def test_steps_may_be_under_way_together(make: Callable[..., Any]) -> None:
    """Replies come in order, and the next command is right again."""
    ahead, behind = (make(RemoteVectorEnv, "clinic", 2) for _ in range(2))
    expected = [behind.reset(seed=1), *(behind.step([k, 0]) for k in range(6))]
    got = [ahead.reset(seed=1)]
    for k in range(6):
        ahead.send([k, 0])
    got += [ahead.receive() for _ in range(6)]
    _assert_same(expected, got)


def test_a_refused_action_changes_nothing(make: Callable[..., Any]) -> None:
    """The learner's mistake is told to the learner, and it can go on."""
    env = make(RemoteEnv, "clinic")
    env.reset(seed=1)
    with pytest.raises(RemoteProblem, match="invalid_action"):
        env.step(10_000)
    assert env.step(0)[4]["duration"] == 30.0


def test_a_session_is_taken_up_by_another_client(make: Callable[..., Any]) -> None:
    """A notebook that was restarted goes on where it was."""
    first, whole = make(RemoteEnv, "clinic"), make(RemoteEnv, "clinic")
    for env in (first, whole):
        env.reset(seed=1)
        env.step(3)
    second = make(RemoteEnv, session_id=first.session.id)
    _assert_same(second.step(4), whole.step(4))


def test_it_goes_on_through_a_kill_of_the_service(
    service: Served, make: Callable[..., Any]
) -> None:
    """As if nothing had happened: with a step under way while the service is away."""
    envs = [make(RemoteEnv, "clinic"), make(RemoteVectorEnv, "clinic", 3)]
    locals_ = [make(RemoteEnv, "clinic"), make(RemoteVectorEnv, "clinic", 3)]
    actions = [np.int64(7), np.array([1, 2, 3])]
    for pair in (envs, locals_):
        for env, action in zip(pair, actions, strict=True):
            env.reset(seed=11)
            env.step(action)
    expected = [env.step(action) for env, action in zip(locals_, actions, strict=True)]
    service.kill()
    coming = threading.Timer(0.5, service.start)
    coming.start()
    got = [env.step(action) for env, action in zip(envs, actions, strict=True)]
    coming.join()
    _assert_same(expected, got)


def test_a_service_that_stays_away_is_an_error() -> None:
    """Not a reward, and not for ever."""
    began = time.monotonic()
    with pytest.raises(ServiceGone):
        RemoteEnv("http://127.0.0.1:9", "clinic", patience_seconds=0.3)
    assert time.monotonic() - began < 5.0


@pytest.mark.sb3
def test_stable_baselines_trains_on_a_service(make: Callable[..., Any]) -> None:
    """Its PPO takes our environment as it takes any of gymnasium's."""
    algorithms = pytest.importorskip("stable_baselines3")
    environment = make(RemoteEnv, "clinic", seed=3)
    learner = algorithms.PPO("MlpPolicy", environment, n_steps=32, batch_size=32, seed=1)
    learner.learn(64)
    seen, _ = environment.reset(seed=5)
    action, _ = learner.predict(seen, deterministic=True)
    assert np.isfinite(environment.step(action)[1])
