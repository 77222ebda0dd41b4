"""The workers of a service: how they come to be, and which session goes to which."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import structlog

from service.problems import Problem
from service.sessions.link import Hears, Link
from service.sessions.settings import SessionSettings
from service.sessions.spec import Kind, SessionSpec

_log = structlog.get_logger("surrogym.sessions")
_OUR_CODE = Path(__file__).resolve().parents[2]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_KILLED = -9
_APART = 8
"""So many more sessions may be in a worker that has their problem than in one that has not."""


class Workers:
    """Pools of workers, so that a surrogate never waits for a simulator."""

    def __init__(self, hears: Hears, settings: SessionSettings) -> None:
        self._hears, self._memory_mib = hears, settings.worker_memory_mib
        self._sizes: dict[Kind, int] = {
            "simulator": settings.simulator_workers,
            "surrogate": settings.surrogate_workers,
        }
        self._pools: dict[Kind, list[Link]] = {kind: [] for kind in self._sizes}
        self._nursery: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None
        self._forked = 0
        self._is_stopping = False
        self.lost = 0
        """Workers that died, of all time."""

    def warm(self) -> None:
        """Start the nursery unless it is there."""
        if self._orders is None and not self._is_stopping:
            self._start()

    def _start(self) -> None:
        """Start the nursery, which takes seconds to be ready; what is sent until then waits."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "service.sessions.nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=_environment(),
            )
        ours.setblocking(False)
        self._orders = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear)

    async def stop(self) -> None:
        """End all workers, in the middle of a step where they are in one."""
        self._is_stopping = True
        self._forget_orders()
        if self._nursery is not None:
            self._nursery.kill()
            await asyncio.get_running_loop().run_in_executor(None, self._nursery.wait)
        for link in self.all():
            link.close()

    def all(self) -> list[Link]:
        """Every worker."""
        return [link for pool in self._pools.values() for link in pool]

    def missing(self) -> list[str]:
        """What keeps sessions from being played; that workers are starting does not."""
        is_gone = self._nursery is not None and self._nursery.poll() is not None
        return ["the process that starts workers ended"] if is_gone else []

    def place(self, spec: SessionSpec) -> Link:
        """Where a session is to be played: with its like, unless others have much less to do."""
        pool, size = self._pools[spec.world.kind], self._sizes[spec.world.kind]
        least = min((len(link.sessions) for link in pool), default=None)
        if least is None or (least > 0 and len(pool) < size and spec.world.kind == "simulator"):
            return self._fork(spec.world.kind)
        alike = [link for link in pool if spec.problem in link.sessions.values()]
        near = [link for link in alike if len(link.sessions) <= least + _APART]
        if not near and len(pool) < size:
            return self._fork(spec.world.kind)
        return min(near or pool, key=lambda link: len(link.sessions))

    def _fork(self, kind: Kind) -> Link:
        self._forked += 1
        link = Link(f"{kind}-{self._forked}", self._hears)
        try:
            self._order(link)
        except ConnectionError:
            # The nursery is gone, which was not heard yet.
            self._begin_again()
            self._order(link)
        self._pools[kind].append(link)
        return link

    def _order(self, link: Link) -> None:
        """Have the nursery fork a worker; raises ConnectionError where it is gone."""
        self.warm()
        if self._orders is None:
            link.close()
            raise Problem("not_ready", "the service stops: ask the same again")
        order = {"name": link.name, "memory_mib": self._memory_mib}
        socket.send_fds(self._orders, [json.dumps(order).encode()], link.handed)

    def _hear(self) -> None:
        assert self._orders is not None
        try:
            message = self._orders.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            message = b""
        if not message:
            self._begin_again()
            return
        told = json.loads(message)
        if "born" in told:
            next(one for one in self.all() if one.name == told["name"]).born(told["born"])
        else:
            self._bury(next(one for one in self.all() if one.pid == told["dead"]), told["status"])

    def _begin_again(self) -> None:
        """The nursery is gone, and with it every worker."""
        self._forget_orders()
        if self._is_stopping:
            return
        _log.error("nursery lost")
        if self._nursery is not None:
            self._nursery.kill()
            self._nursery.wait()
        self._start()
        for link in self.all():
            self._bury(link, _KILLED)

    def _bury(self, link: Link, status: int) -> None:
        for pool in self._pools.values():
            if link in pool:
                pool.remove(link)
        self.lost += 1
        death = link.died(status)
        _log.warning("worker lost", worker=link.name, status=status, slow=death.was_slow)
        self._hears.lost(link, death)

    def _forget_orders(self) -> None:
        if self._orders is not None:
            asyncio.get_running_loop().remove_reader(self._orders.fileno())
            self._orders.close()
            self._orders = None


def _environment() -> dict[str, str]:
    """One thread in each worker: processes share the cores."""
    path = os.pathsep.join(filter(None, [str(_OUR_CODE), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": path}
