"""Starting Ray quietly, and running plain functions on it."""

import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

THREADS_VARIABLE = "OMP_NUM_THREADS"
_RETRIES = 3
"""Times that a task runs again when its process is lost; an exception of its own ends it."""


class RayNotRunning(RuntimeError):
    """Something needed Ray before a session was opened."""


@contextmanager
def ray_session(num_cpus: int | None = None) -> Iterator[None]:
    """Ray for the length of a `with` block, with one torch thread in every process.

    Joins the Ray that already runs in this process, else the cluster named by RAY_ADDRESS (which
    decides its own CPUs), else starts one on this machine, reachable from it alone, without
    dashboard and without forwarding the workers' logs. Only what was started here is shut down.

    One thread because the networks are small: with more, threads wait for each other and
    training is many times slower.
    """
    import ray

    starts = not ray.is_initialized()
    with one_torch_thread(), quiet_ray():
        if starts:
            _start(num_cpus)
        try:
            yield
        finally:
            if starts:
                ray.shutdown()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Torch with one thread in this process, restored afterwards."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def quiet_ray() -> Iterator[None]:
    """Without Ray's deprecation warnings about its own code and RLlib's advice in the log.

    Warnings about the caller's code and RLlib's errors pass. Not safe to enter from several
    threads at once, because Python keeps one list of warning filters per process.
    """
    with warnings.catch_warnings(), _errors_only("ray.rllib"):
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray(\.|$)")
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"ray(\.|$)")
        yield


@contextmanager
def _errors_only(logger_name: str) -> Iterator[None]:
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _loopback() -> Iterator[None]:
    """Ray on 127.0.0.1: it replaces that address by the machine's own if merely told."""
    from ray._private import ray_constants

    is_cluster = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = is_cluster


def _start(num_cpus: int | None) -> None:
    import ray

    shared: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address := os.environ.get("RAY_ADDRESS"):
        runtime_env = {"env_vars": {THREADS_VARIABLE: "1"}}
        ray.init(address=address, runtime_env=runtime_env, **shared)
        return
    with _environment(**{THREADS_VARIABLE: "1", "RAY_USAGE_STATS_ENABLED": "0"}), _loopback():
        ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, **shared)


class RayExecutor(Executor):
    """The interface of `concurrent.futures` on Ray tasks, on one machine or a cluster.

    Functions and arguments are pickled, so a function must be importable where it runs, and a
    live simulator must not be an argument: send what builds it. An exception arrives with its
    own type, its cause being Ray's error with the remote traceback. A task whose process was lost
    runs again, so it must give the same answer twice. No thread is kept per task.

    Open a `ray_session` first: constructing without one raises RayNotRunning.
    """

    def __init__(self, *, cpus_per_task: float = 1.0) -> None:
        """Reserve `cpus_per_task` of the cluster's CPUs while a task runs."""
        import ray

        if not ray.is_initialized():
            raise RayNotRunning("no Ray in this process: use RayExecutor inside `ray_session()`")
        self._run = ray.remote(_call).options(
            num_cpus=cpus_per_task, max_retries=_RETRIES, retry_exceptions=False
        )
        self._pending: dict[Future[Any], Any] = {}
        self._lock = threading.Lock()
        self._is_open = True

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start `fn(*args, **kwargs)` on Ray. Raises RuntimeError after `shutdown`."""
        future: Future[T] = Future()
        with self._lock:
            if not self._is_open:
                raise RuntimeError("cannot submit to a RayExecutor after shutdown")
            reference = self._run.remote(fn, args, kwargs)
            self._pending[future] = reference
        # Registered first, so that a cancelled future also cancels the task.
        future.add_done_callback(self._forget)
        reference.future().add_done_callback(lambda done: _settle(future, done))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Refuse new work; cancel what has not finished unless `cancel_futures` is False."""
        with self._lock:
            self._is_open = False
            pending = list(self._pending)
        for future in pending:
            if cancel_futures:
                future.cancel()
        if wait:
            for future in pending:
                _wait(future)

    def _forget(self, future: Future[Any]) -> None:
        import ray

        with self._lock:
            reference = self._pending.pop(future, None)
        if future.cancelled() and reference is not None and ray.is_initialized():
            ray.cancel(reference, force=True)


class AtMost(Executor):
    """Another executor, of which no more than so many tasks are under way at once.

    A cluster has the cores of everybody; whoever was promised some of them must not take the rest.
    What is still waiting can be cancelled; what runs ends with the other's shutdown.
    """

    def __init__(self, inner: Executor, most: int) -> None:
        """Shuts `inner` down with itself."""
        self._inner, self._waiters = inner, ThreadPoolExecutor(max_workers=most)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start `fn(*args, **kwargs)` as soon as there is room for it."""
        return self._waiters.submit(lambda: self._inner.submit(fn, *args, **kwargs).result())

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Refuse new work; cancel what has not finished unless `cancel_futures` is False."""
        self._waiters.shutdown(wait=not cancel_futures and wait, cancel_futures=cancel_futures)
        self._inner.shutdown(wait, cancel_futures=cancel_futures)
        self._waiters.shutdown(wait=wait)


def _call(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fn(*args, **kwargs)


def _wait(future: Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _settle(future: Future[Any], done: Future[Any]) -> None:
    """Copy Ray's outcome, unless the caller cancelled in the meantime."""
    if not future.set_running_or_notify_cancel():
        return
    error = done.exception()
    if error is None:
        future.set_result(done.result())
    else:
        future.set_exception(_original(error))


def _original(error: BaseException) -> BaseException:
    """The exception the function raised, where Ray carries it inside its own."""
    cause = getattr(error, "cause", None)
    if not isinstance(cause, BaseException):
        return error
    cause.__cause__ = error
    return cause
