"""The process that workers are forked from, which has imported once what all of them need.

A worker is there within milliseconds, and shares the memory of libraries with the others. The
service itself is never forked: it has threads. `python -m service.sessions.nursery FD` reads orders
from an inherited socket; when the service dies, however it dies, nursery and workers die with it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from mmap import mmap

from service.sessions.page import SIZE, Page

_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG."""
_ORDER = 4096


def main() -> None:
    """Fork workers as ordered, and tell of their deaths, until the service is gone."""
    service = os.getppid()
    _die_with(service)
    # Whoever stops all processes at once, as systemd does, means the service: it ends the rest.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Each session has a log, and each client a connection.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    _import_what_workers_need()
    orders = socket.socket(fileno=int(sys.argv[1]))
    _listen(orders)


def _listen(orders: socket.socket) -> None:
    deaths: dict[int, int] = {}
    """Workers by descriptors that become readable when they die."""
    poll = select.poll()
    poll.register(orders, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == orders.fileno():
                message, handed, _, _ = socket.recv_fds(orders, _ORDER, 2)
                if not message:
                    return
                pid = _fork(orders, message, handed)
                deaths[death := os.pidfd_open(pid)] = pid
                poll.register(death, select.POLLIN)
            else:
                poll.unregister(descriptor)
                os.close(descriptor)
                pid, status = os.waitpid(deaths.pop(descriptor), 0)
                _tell(orders, {"dead": pid, "status": os.waitstatus_to_exitcode(status)})


def _fork(orders: socket.socket, message: bytes, handed: list[int]) -> int:
    order = json.loads(message)
    nursery = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _die_with(nursery)
            orders.close()
            _work(handed, order["memory_mib"])
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    for descriptor in handed:
        os.close(descriptor)
    _tell(orders, {"born": pid, "name": order["name"]})
    return pid


def _work(handed: list[int], memory_mib: int | None) -> None:
    from service.sessions.worker import work

    with socket.socket(fileno=handed[0]) as line:
        work(line, Page(mmap(handed[1], SIZE)), memory_mib)


def _tell(orders: socket.socket, message: dict[str, object]) -> None:
    orders.send(json.dumps(message).encode())


def _die_with(parent: int) -> None:
    """Be killed when the parent dies; a parent may have died before it could be told."""
    ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _import_what_workers_need() -> None:
    import torch

    import service.sessions.worker  # noqa: F401 - workers find it there

    torch.set_num_threads(1)
    # What all have in common is never garbage: collections pass it over, and its pages stay shared.
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    main()
