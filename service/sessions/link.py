"""One worker process as the service sees it: a line to it, and a look at what it does."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from dataclasses import dataclass
from mmap import mmap
from typing import Protocol, cast

from service.sessions.frames import Frame, FrameReader
from service.sessions.worker import PAGE


@dataclass(frozen=True, slots=True)
class Death:
    """How a worker ended."""

    playing: int
    """The handle of the session that it was playing; 0 for none."""
    status: int
    """Exit code, or minus the signal."""
    was_slow: bool
    """Whether we killed it for a step that took too long."""


class Hears(Protocol):
    """Whoever is told of what workers say and of their deaths."""

    def heard(self, link: Link, frame: Frame) -> None:
        """A reply came."""
        ...

    def lost(self, link: Link, death: Death) -> None:
        """A worker is no more."""
        ...


class Link(asyncio.Protocol):
    """Frames there, gathered into one write a turn of the loop, and frames back."""

    def __init__(self, name: str, hears: Hears) -> None:
        self.name, self._hears = name, hears
        self.pid: int | None = None
        self.sessions: dict[int, str] = {}
        """Handles of the sessions that are there, with the problem that each plays."""
        self._is_slow = False
        self._page_file = os.memfd_create(f"surrogym-{name}", os.MFD_CLOEXEC)
        os.truncate(self._page_file, PAGE.size)
        self._page = mmap(self._page_file, PAGE.size)
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._waiting: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._connecting = self._loop.create_task(self._connect())

    @property
    def handed(self) -> list[int]:
        """Descriptors for the worker."""
        return [self._theirs.fileno(), self._page_file]

    def born(self, pid: int) -> None:
        """It is there, and its end of the line is its own from now on."""
        self.pid = pid
        self._theirs.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what waited."""
        self._transport = cast(asyncio.Transport, transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Pass replies on."""
        for frame in self._reader.feed(data):
            self._hears.heard(self, frame)

    def send(self, frame: Frame) -> None:
        """Send a frame with all others of this turn of the loop."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting += (frame.head(), frame.content)

    def playing(self) -> tuple[int, float]:
        """The handle of the session that is being played, 0 for none, and for how many seconds."""
        handle, since = PAGE.unpack_from(self._page, 0)
        return handle, (time.monotonic_ns() - since) / 1e9 if handle else 0.0

    def kill(self) -> None:
        """End it at once: it takes too long, and would not listen."""
        self._is_slow = True
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    def died(self, status: int) -> Death:
        """It is no more; how it ended."""
        death = Death(self.playing()[0], status, self._is_slow)
        self.close()
        return death

    def close(self) -> None:
        """Give back what it holds here; a living worker ends when its line does."""
        self._connecting.cancel()
        self._theirs.close()
        if self._transport is None:
            self._ours.close()
        else:
            self._transport.abort()
        if not self._page.closed:
            self._page.close()
            os.close(self._page_file)

    async def _connect(self) -> None:
        await self._loop.create_unix_connection(lambda: self, sock=self._ours)

    def _flush(self) -> None:
        if self._transport is not None and self._waiting:
            self._transport.write(b"".join(self._waiting))
            self._waiting.clear()
