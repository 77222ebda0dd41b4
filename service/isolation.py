"""A process for work that may take minutes, hang or crash, and never the service with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from threading import Lock
from typing import Any, Literal

import structlog

from service.jobs.pact import die_with_parent
from sim.errors import SurrogymError
from training.rllib.session import THREADS_VARIABLE

_log = structlog.get_logger("surrogym.isolation")
Work = Literal["calibrate", "observe", "compare", "describe"]
_WORKS: dict[str, tuple[str, str]] = {
    "calibrate": ("service.monitors.surveillance", "calibrate"),
    "observe": ("service.monitors.surveillance", "observe"),
    "compare": ("service.monitors.shadowing", "compare_day"),
    "describe": ("service.scenarios.describing", "describe"),
}
"""By name, so that the service itself need not wait for all that they stand on."""


def do(work: Work, *args: Any) -> dict[str, Any]:
    """Do a work in this process."""
    module, name = _WORKS[work]
    found: dict[str, Any] = getattr(import_module(module), name)(*args)
    return found


class WorkLost(Exception):
    """The work failed, or its process ended, or took too long and was ended."""


class Worker:
    """One process, started when it is needed and again when it was lost."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._lock = Lock()

    def run(self, seconds: float, work: Work, *args: Any) -> dict[str, Any]:
        """What the work gives; raises WorkLost, and SurrogymError where the work is refused."""
        with self._lock:
            pool = self._pool = self._pool or _started()
        try:
            return pool.submit(do, work, *args).result(seconds)
        except TimeoutError as error:
            self.end()
            raise WorkLost(f"it took longer than {seconds:g} seconds") from error
        except (BrokenProcessPool, CancelledError) as error:
            self.end()
            raise WorkLost("its process ended: the simulator may have crashed") from error
        except SurrogymError:
            raise
        except Exception as error:
            # Whatever a user's simulator raises, or a machine without enough memory.
            _log.error("work failed", work=work, exc_info=error)
            raise WorkLost(f"it failed with {type(error).__name__}") from error

    def end(self) -> None:
        """End the process, whatever it is at."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is None:
            return
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)


def _started() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
        initargs=(os.getpid(),),
    )


def _prepare(parent: int) -> None:
    """End with the service, however that ends; one thread, as processes share the cores."""
    import torch

    # Not the group, which is the service's own.
    die_with_parent(parent, lambda: os._exit(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ[THREADS_VARIABLE] = "1"
    torch.set_num_threads(1)
