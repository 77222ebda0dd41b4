"""A job's process ends with the service that has charge of it, whichever way that ends.

The kernel kills it when its parent dies. That does not help where the parent lives but has lost the
job, so a thread also reads from the parent, which writes a byte whenever it has made sure that the
job is still its own: at the end of the pipe, or after too long a silence, all is over.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import threading
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, end: Callable[[], None] | None = None) -> None:
    """Have the kernel kill this process when its parent ends.

    `end` is done where the parent has ended already; the whole process group is killed by default.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL)) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        # It died before we asked.
        (end or end_everything)()


def watch_parent(handle: int, lease_seconds: float) -> None:
    """End this process and its group when nothing comes from the parent for so long."""
    thread = threading.Thread(
        target=_watch, args=(handle, lease_seconds, end_everything), name="pact", daemon=True
    )
    thread.start()


def end_everything() -> None:
    """Kill the process group, which is this process's own."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _watch(handle: int, lease_seconds: float, end: Callable[[], None]) -> None:
    last = time.monotonic()
    while True:
        left = last + lease_seconds - time.monotonic()
        ready = left > 0 and select.select([handle], [], [], left)[0]
        if not ready or not os.read(handle, 4096):
            return end()
        last = time.monotonic()
