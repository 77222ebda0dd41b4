"""Simulators that crash, hang and lie; workers that are killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.service.conftest import InProcess
from tests.service.jobs.conftest import until
from tests.service.sessions import hostile
from tests.service.sessions.conftest import Starting, end_all
from tests.service.sessions.test_sessions import ask, begin, code_of


@pytest.fixture(scope="module")
def started(starting: Starting) -> InProcess:
    return starting(simulator_workers=1, step_seconds=0.5, quota=5, survived_kills=3)


@pytest.fixture
def one_worker(started: InProcess) -> Iterator[InProcess]:
    """All simulators in one process, so that each is another's neighbour."""
    yield started
    end_all(started)


@pytest.mark.parametrize(
    ("decision", "status", "code"),
    [
        (hostile.SEGFAULT, 502, "simulator_crashed"),
        (hostile.EXIT, 502, "simulator_crashed"),
        (hostile.KILL, 502, "simulator_crashed"),
        (hostile.LOOP, 504, "step_timeout"),
        (hostile.RAISE, 502, "simulator_error"),
        (hostile.NAN, 502, "simulator_error"),
    ],
)
def test_a_failing_simulator_fails_alone(
    one_worker: InProcess, decision: int, status: int, code: str
) -> None:
    """Its session says why, for good; its neighbours do not notice; its slot is free."""
    bad, good, twin = begin(one_worker), begin(one_worker), begin(one_worker)
    for session in (bad, good, twin):
        ask(one_worker, session, "reset", step_id=1)
    before = ask(one_worker, good, "step", step_id=2, action=1).json()
    assert before["observation"] == ask(one_worker, twin, "step", action=1).json()["observation"]
    for _ in range(2):
        assert code_of(ask(one_worker, bad, "step", step_id=2, action=decision)) == (status, code)
    shown = one_worker.client.get(f"/v1/sessions/{bad}").json()
    assert (shown["state"], shown["code"]) == ("failed", code)
    assert ask(one_worker, good, "step", step_id=2, action=1).json() == before
    after = [ask(one_worker, s, "step", step_id=3, action=0).json() for s in (good, twin)]
    assert after[0] == after[1]
    assert one_worker.client.delete(f"/v1/sessions/{bad}").status_code == 204
    for _ in range(3):
        begin(one_worker)
    assert 'surrogym_sessions_open{world="simulator"} 5.0' in one_worker.client.get("/metrics").text


def test_whoever_kills_workers_takes_nothing_from_sessions(one_worker: InProcess) -> None:
    """The kernel does it when memory is short; sessions are played again elsewhere."""
    session = begin(one_worker, num_envs=2)
    ask(one_worker, session, "reset", step_id=1)
    told = [ask(one_worker, session, "step", step_id=2, action=[0, 1]).json()]
    for _ in range(3):
        link = one_worker.app.state.sessions.playing.workers.all()[0]
        os.kill(link.pid, signal.SIGKILL)
        told.append(ask(one_worker, session, "step", step_id=2, action=[0, 1]).json())
    assert all(one == told[0] for one in told)


def test_the_nursery_may_die_too(one_worker: InProcess) -> None:
    """And all workers with it: another one is started."""
    session = begin(one_worker)
    ask(one_worker, session, "reset", step_id=1)
    told = ask(one_worker, session, "step", step_id=2, action=0).json()
    workers = one_worker.app.state.sessions.playing.workers
    workers._nursery.kill()
    assert ask(one_worker, session, "step", step_id=2, action=0).json() == told
    assert workers.missing() == []


def test_a_worker_may_be_needed_before_the_death_of_the_nursery_is_heard(
    one_worker: InProcess,
) -> None:
    """Both may be killed at once; who asks then waits for the next nursery, and never fails."""
    session = begin(one_worker)
    ask(one_worker, session, "reset", step_id=1)
    told = ask(one_worker, session, "step", step_id=2, action=0).json()
    workers = one_worker.app.state.sessions.playing.workers
    os.kill(workers.all()[0].pid, signal.SIGKILL)
    until(workers.all, lambda links: not links)
    spec = one_worker.app.state.sessions.found(None, session).spec

    def place() -> None:
        workers._nursery.kill()
        workers._nursery.wait()
        workers.place(spec)

    assert one_worker.client.portal is not None
    one_worker.client.portal.call(place)
    assert ask(one_worker, session, "step", step_id=2, action=0).json() == told
    assert workers.missing() == []
