"""Starts the nursery of sessions without its seconds of imports.

A service that was forked has imported all that its nursery needs, but has threads by the time it
needs one. So before it has any it forks this process, which forks nurseries when it is told to.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from service.jobs.pact import die_with_parent
from service.sessions import nursery

NURSERY = "test-nursery"
"""What the processes of nurseries are called."""


class Forker:
    """The process, from the service."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        service = os.getpid()
        with theirs:
            if os.fork() == 0:
                self._ours.close()
                die_with_parent(service, lambda: os._exit(1))
                _fork_as_told(theirs)

    @property
    def subprocess(self) -> SimpleNamespace:
        """What stands for the module where nurseries are started."""
        return SimpleNamespace(Popen=self._start, DEVNULL=subprocess.DEVNULL)

    def _start(self, command: list[str], *, pass_fds: list[int], **_: Any) -> Forked:
        socket.send_fds(self._ours, [b"one"], pass_fds)
        return Forked(int(self._ours.recv(64)))


class Forked:
    """A process that is not our child, as `subprocess.Popen` shows those that are."""

    def __init__(self, pid: int) -> None:
        self._ends = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Whether it has ended."""
        return 0 if select.select([self._ends], [], [], 0)[0] else None

    def wait(self) -> None:
        """Until it has."""
        select.select([self._ends], [], [])

    def kill(self) -> None:
        """Kill -9, if it is there."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._ends, signal.SIGKILL)


def _fork_as_told(orders: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, handed, _, _ = socket.recv_fds(orders, 64, 1)
        if not message:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            orders.close()
            _be_nursery(handed[0])
        os.close(handed[0])
        orders.send(str(pid).encode())


def _be_nursery(orders: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    Path("/proc/self/comm").write_text(NURSERY)
    sys.argv = ["nursery", str(orders)]
    try:
        nursery.main()
    finally:
        os._exit(1)
