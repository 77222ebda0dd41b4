"""A client's connection in the worker that plays the session: no process stands between.

The service knows who it is, and hands the connection over. It is told what was done every second,
and takes the connection back when the session, the key or the service ends.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from service.sessions.allowance import Allowance
from service.sessions.frames import Frame

_SECONDS_OF_SILENCE, _SECONDS_BETWEEN, _PROBES = 20, 10, 3
"""After which the kernel asks whether the other side is there, how often, and how many times."""

Answer = Callable[[Frame], Frame]
"""Does a command within what its key may ask."""


class Order(NamedTuple):
    """What a worker is told of a connection that it is handed."""

    session_id: str
    number: int
    """Of the connection."""
    credit: int
    """Commands that are done of one client before others have their turn."""
    most_bytes: int
    """Of a message."""
    allowance: Allowance
    """Of the client's key."""
    credentials: list[tuple[bytes, bytes]] | None = None
    """Headers by which requests are known to be the same client's; None on a WebSocket."""


class Direct(ABC):
    """One connection: commands in, replies out, nothing that waits for the client."""

    def __init__(self, handle: int, order: Order, connection: socket.socket) -> None:
        self.handle, self.order, self.connection = handle, order, connection
        self.is_over = False
        """Whether nothing more is done for it, though it is still there."""
        self.is_gone = False
        """Whether the client left."""
        self.unsent = bytearray()
        """Of replies, what the client has not taken."""
        self.watched = 0
        """Events of the connection that are waited for."""
        connection.setblocking(False)
        _watch_for_silence(connection)

    @property
    @abstractmethod
    def has_work(self) -> bool:
        """Whether a command can be done now."""

    @property
    @abstractmethod
    def wants_to_read(self) -> bool:
        """Whether more commands are welcome."""

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """Whether nothing is left to do for it, and it is to be given back."""

    @abstractmethod
    def greet(self, number: int) -> None:
        """Begin; `number` is the step id of the last command that was done, 0 for none."""

    @abstractmethod
    def receive(self) -> None:
        """Take in what came."""

    @abstractmethod
    def work(self, answer: Answer) -> None:
        """Do commands for as long as it is its turn, and send the replies."""

    @property
    def wants_to_write(self) -> bool:
        """Whether replies wait for the client to take them."""
        return bool(self.unsent) and not self.is_gone

    @property
    def left_over(self) -> bytes:
        """What the service is to send when it has the connection back."""
        return b""

    def push(self) -> None:
        """Go on sending what the client did not take before."""
        waiting, self.unsent = self.unsent, bytearray()
        self._send(waiting)

    def _send(self, data: bytes | bytearray) -> None:
        sent = 0
        if not self.unsent:
            try:
                sent = self.connection.send(data)
            except BlockingIOError:
                pass
            except OSError:
                self.is_gone, sent = True, len(data)
        if sent < len(data):
            self.unsent += memoryview(data)[sent:]


def _watch_for_silence(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if connection.family != socket.AF_UNIX:
        for option, value in (
            (socket.TCP_KEEPIDLE, _SECONDS_OF_SILENCE),
            (socket.TCP_KEEPINTVL, _SECONDS_BETWEEN),
            (socket.TCP_KEEPCNT, _PROBES),
        ):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
