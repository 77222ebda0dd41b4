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

import msgspec

from service.sessions.direct import Order
from service.sessions.frames import Frame, FrameReader, Kind
from service.sessions.page import SIZE, Page

_TURNS_TO_FLUSH = 50
_SECONDS_TO_CONNECT = 0.01
_MOST_AT_ONCE = 16 << 10
"""Bytes that the kernel takes at once or not at all."""


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


class Handed:
    """A client's connection that a worker serves."""

    def __init__(self, link: Link, handle: int, number: int) -> None:
        self._link, self._handle, self._number = link, handle, number
        self.left = asyncio.Event()
        """When the worker, or whoever it served, is gone."""
        self.is_gone = False
        """Whether the client is, or may have got a part of an answer."""
        self.left_over = b""
        """What the client has still to be sent."""

    def let_go(self) -> None:
        """Ask for the connection, unless it was given back."""
        if not self.left.is_set():
            self._link.send(Frame(Kind.LET_GO, 0, self._handle, b"", self._number))


class Link(asyncio.Protocol):
    """Frames there, gathered into one write a turn of the loop, and frames back."""

    def __init__(self, name: str, hears: Hears) -> None:
        self.name, self._hears = name, hears
        self.pid: int | None = None
        self.sessions: dict[int, str] = {}
        """Handles of the sessions that are there, with the problem that each plays."""
        self._handed: dict[int, Handed] = {}
        self._is_slow = self._is_closed = False
        self._page_file = os.memfd_create(f"surrogym-{name}", os.MFD_CLOEXEC)
        os.truncate(self._page_file, SIZE)
        self._page = Page(mmap(self._page_file, SIZE))
        self._looked = (0, 0)
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
            if frame.kind == Kind.LEFT:
                self._left(frame.number, is_gone=bool(frame.form), left_over=frame.content)
            else:
                self._hears.heard(self, frame)

    def send(self, frame: Frame) -> None:
        """Send a frame with all others of this turn of the loop."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting += (frame.head(), frame.content)

    async def hand(self, handle: int, order: Order, descriptor: int) -> Handed | None:
        """Pass a client's connection on, after all that was sent before; None if that cannot be.

        The worker has a descriptor of its own then.
        """
        for _ in range(_TURNS_TO_FLUSH):
            if self._is_closed:
                return None
            transport = self._transport
            if transport and not self._waiting and not transport.get_write_buffer_size():
                break
            await asyncio.sleep(0 if transport else _SECONDS_TO_CONNECT)
        else:
            return None
        content = msgspec.msgpack.encode(order)
        frame = Frame(Kind.STREAM, 0, handle, content)
        message = frame.head() + content
        if len(message) > _MOST_AT_ONCE:
            return None
        try:
            sent = socket.send_fds(self._ours, [message], [descriptor])
        except BlockingIOError:
            return None
        assert sent == len(message)
        handed = self._handed[order.number] = Handed(self, handle, order.number)
        return handed

    def _left(self, number: int, *, is_gone: bool, left_over: bytes = b"") -> None:
        handed = self._handed.pop(number, None)
        if handed is not None:
            handed.is_gone, handed.left_over = is_gone, left_over
            handed.left.set()

    @property
    def playing(self) -> int:
        """The handle of the session that is being played, 0 for none."""
        return self._page.look()[0]

    def seconds_in_command(self) -> float:
        """For how long it has been at one command, where it was at it at the last look too."""
        before, self._looked = self._looked, self._page.look()
        handle, since = self._looked
        return (time.monotonic_ns() - since) / 1e9 if handle and self._looked == before else 0.0

    def kill(self) -> None:
        """End it at once: it takes too long, and would not listen."""
        self._is_slow = True
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    def died(self, status: int) -> Death:
        """It is no more; how it ended."""
        death = Death(self.playing, status, self._is_slow)
        self.close()
        return death

    def close(self) -> None:
        """Give back what it holds here; a living worker ends when its line does."""
        was_closed, self._is_closed = self._is_closed, True
        self._connecting.cancel()
        self._theirs.close()
        for number in list(self._handed):
            self._left(number, is_gone=number == self._page.answered)
        if self._transport is None:
            self._ours.close()
        else:
            self._transport.abort()
        if not was_closed:
            self._page.close()
            os.close(self._page_file)

    async def _connect(self) -> None:
        await self._loop.create_unix_connection(lambda: self, sock=self._ours)

    def _flush(self) -> None:
        if self._transport is not None and self._waiting:
            self._transport.write(b"".join(self._waiting))
            self._waiting.clear()
