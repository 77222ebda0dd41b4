import os
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, wait
from itertools import pairwise

import pytest

from training.rllib.session import AtMost, RayExecutor, RayNotRunning, ray_session

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


class Unfit(Exception):
    """Raised far away."""


def square(number: int, *, offset: int = 0) -> int:
    return number * number + offset


def refuse(reason: str) -> None:
    raise Unfit(reason)


def sleep_then_identify(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def sleep_and_tell(seconds: float) -> tuple[float, float]:
    began = time.time()
    time.sleep(seconds)
    return began, time.time()


def test_an_executor_answers_like_concurrent_futures() -> None:
    """Collection code takes any executor, so results, order and keywords must be the same."""
    with RayExecutor() as executor:
        assert executor.submit(square, 3, offset=1).result(timeout=30) == 10
        assert list(executor.map(square, range(4))) == [0, 1, 4, 9]


def test_work_runs_in_another_process() -> None:
    """Otherwise nothing would be parallel."""
    with RayExecutor() as executor:
        assert executor.submit(os.getpid).result(timeout=30) != os.getpid()


def test_an_exception_arrives_with_its_own_type() -> None:
    """Callers catch what the function raises, wherever it ran."""
    with RayExecutor() as executor, pytest.raises(Unfit, match="too hot") as caught:
        executor.submit(refuse, "too hot").result(timeout=30)
    assert type(caught.value).__name__ == "Unfit"
    assert "refuse" in str(caught.value.__cause__)


def test_tasks_do_not_leave_threads_behind() -> None:
    """A pre-training collects thousands of tasks in one process."""
    with RayExecutor() as executor:
        executor.submit(square, 1).result(timeout=30)
        before = threading.active_count()
        wait([executor.submit(square, number) for number in range(50)], timeout=60)
        assert threading.active_count() <= before + 1


def test_shutdown_cancels_what_is_pending() -> None:
    """Leaving a block after an error must not wait for work that nobody wants."""
    executor = RayExecutor()
    futures = [executor.submit(sleep_then_identify, 60.0) for _ in range(4)]
    started = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - started < 30
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(timeout=0)
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(square, 1)


def test_no_more_tasks_are_under_way_than_were_promised() -> None:
    """A cluster has cores of others; the answers come in order, and errors as they are."""
    with AtMost(RayExecutor(), 1) as executor:
        turns = sorted(executor.map(sleep_and_tell, [0.2] * 4))
        assert all(before[1] <= after[0] for before, after in pairwise(turns))
        with pytest.raises(Unfit, match="too hot"):
            executor.submit(refuse, "too hot").result(timeout=30)
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(square, 1)


def test_shutdown_waits_for_nothing_that_waits_for_room() -> None:
    """A job that is cancelled gives its cores back at once."""
    executor = AtMost(RayExecutor(), 1)
    futures = [executor.submit(sleep_then_identify, 60.0) for _ in range(4)]
    started = time.monotonic()
    executor.shutdown()
    assert time.monotonic() - started < 30
    for future in futures:
        with pytest.raises((CancelledError, RuntimeError)):
            future.result(timeout=0)


def test_a_ray_of_ones_own_asks_for_its_token_and_is_on_this_machine_alone() -> None:
    """Whoever reaches a Ray without a token runs code in it, others on the machine included."""
    import ray

    address = ray.get_runtime_context().gcs_address
    assert address.startswith("127.0.0.1:")
    code = (
        "import sys; from ray._raylet import GcsClient\n"
        "GcsClient(address=sys.argv[1]).internal_kv_keys(b'', namespace=None, timeout=10)"
    )
    known, stranger = (
        subprocess.run(
            [sys.executable, "-c", code, address],
            env={**os.environ, "RAY_AUTH_MODE": mode},
            capture_output=True, text=True, timeout=120, check=False,
        )
        for mode in ("token", "disabled")
    )  # fmt: skip
    assert known.returncode == 0, known.stderr
    assert stranger.returncode != 0


def test_a_session_inside_a_session_leaves_ray_running() -> None:
    """Only who started Ray may stop it."""
    with ray_session():
        pass
    with RayExecutor() as executor:
        assert executor.submit(square, 2).result(timeout=30) == 4


def test_an_executor_needs_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray would otherwise start by itself with every default we avoid."""
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(RayNotRunning, match="ray_session"):
        RayExecutor()
