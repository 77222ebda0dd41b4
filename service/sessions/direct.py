"""A client's WebSocket in the worker that plays the session: no process stands between.

The service has shaken hands and knows who it is. It is told what was done every second, takes the
connection back when the session or the service ends, and says the last words.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from websockets.frames import Frame as Part
from websockets.frames import Opcode
from websockets.protocol import SERVER, Protocol, State

from service.sessions.allowance import Allowance
from service.sessions.encoding import Form, message_of, write_hello
from service.sessions.frames import Frame, Kind

_CHUNK = 1 << 18
_MOST_UNSENT = 4 << 20
"""Bytes of replies that a client has not taken, beyond which its commands wait."""
_SECONDS_OF_SILENCE, _SECONDS_BETWEEN, _PROBES = 20, 10, 3
"""After which the kernel asks whether the other side is there, how often, and how many times."""


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


class DirectStream:
    """One connection: messages in, replies out, nothing that waits for the client."""

    def __init__(self, handle: int, order: Order, connection: socket.socket) -> None:
        self.handle, self.order, self.connection = handle, order, connection
        self.is_over = False
        """Whether nothing more is done for it, though it is still there."""
        self.is_gone = False
        """Whether the client left."""
        self._protocol = Protocol(SERVER, state=State.OPEN, max_size=order.most_bytes)
        self._messages: deque[tuple[Form, bytes]] = deque()
        self._parts: list[bytes] = []
        self._form = Form.JSON
        self._unsent = bytearray()
        connection.setblocking(False)
        _watch_for_silence(connection)

    @property
    def has_work(self) -> bool:
        """Whether a command can be done now."""
        is_behind = len(self._unsent) >= _MOST_UNSENT and not self.is_gone
        return bool(self._messages) and not (self.is_over or is_behind)

    @property
    def wants_to_read(self) -> bool:
        """Whether more commands are welcome."""
        return not (self._messages or self.is_over or self.is_gone)

    @property
    def wants_to_write(self) -> bool:
        """Whether replies wait for the client to take them."""
        return bool(self._unsent) and not self.is_gone

    @property
    def is_done(self) -> bool:
        """Whether the client left and nothing is left to do for it."""
        return self.is_gone and (self.is_over or not self._messages)

    def greet(self, number: int) -> None:
        """Say how many commands may be under way, and the step id of the last one done."""
        order = self.order
        self._protocol.send_text(write_hello(order.session_id, order.credit, number or None))
        self.flush()

    def receive(self) -> None:
        """Take in what came."""
        try:
            data = self.connection.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
            self.is_gone = True
        for part in self._protocol.events_received():
            assert isinstance(part, Part)
            self._take(part)
        self.flush()

    def work(self, answer: Callable[[Frame], Frame]) -> None:
        """Do commands for as long as it is its turn, and send the replies."""
        for _ in range(self.order.credit):
            if not self.has_work:
                break
            form, content = self._messages.popleft()
            reply = answer(Frame(Kind.COMMAND, form, self.handle, content))
            if self._protocol.state is not State.OPEN:
                continue
            if form is Form.JSON:
                self._protocol.send_text(message_of(reply))
            else:
                self._protocol.send_binary(message_of(reply))
        self.flush()

    def flush(self) -> None:
        """Send what the client takes now."""
        for data in self._protocol.data_to_send():
            if data:
                self._send(data)
            else:
                # The close was said by both.
                self.is_gone = True

    def push(self) -> None:
        """Go on sending what the client did not take before."""
        waiting, self._unsent = self._unsent, bytearray()
        self._send(waiting)

    def _send(self, data: bytes | bytearray) -> None:
        sent = 0
        if not self._unsent:
            try:
                sent = self.connection.send(data)
            except BlockingIOError:
                pass
            except OSError:
                self.is_gone, sent = True, len(data)
        if sent < len(data):
            self._unsent += memoryview(data)[sent:]

    def _take(self, part: Part) -> None:
        if part.opcode is Opcode.CLOSE:
            self.is_gone = True
        elif part.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if part.opcode is not Opcode.CONT:
                self._form = Form.JSON if part.opcode is Opcode.TEXT else Form.MSGPACK
            self._parts.append(bytes(part.data))
            if part.fin:
                self._messages.append((self._form, b"".join(self._parts)))
                self._parts.clear()


def _watch_for_silence(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if connection.family != socket.AF_UNIX:
        for option, value in (
            (socket.TCP_KEEPIDLE, _SECONDS_OF_SILENCE),
            (socket.TCP_KEEPINTVL, _SECONDS_BETWEEN),
            (socket.TCP_KEEPCNT, _PROBES),
        ):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
