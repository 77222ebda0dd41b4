"""A client's WebSocket in the worker that plays the session; the service has shaken hands.

When the session or the service ends, the service takes the connection back for the last words.
"""

from __future__ import annotations

import socket
from collections import deque

from websockets.frames import Frame as Part
from websockets.frames import Opcode
from websockets.protocol import SERVER, Protocol, State

from service.sessions.direct import Answer, Direct, Order
from service.sessions.encoding import Form, message_of, write_hello
from service.sessions.frames import Frame, Kind

_CHUNK = 1 << 18
_MOST_UNSENT = 4 << 20
"""Bytes of replies that a client has not taken, beyond which its commands wait."""


class DirectStream(Direct):
    """Messages in, replies out."""

    def __init__(self, handle: int, order: Order, connection: socket.socket) -> None:
        super().__init__(handle, order, connection)
        self._protocol = Protocol(SERVER, state=State.OPEN, max_size=order.most_bytes)
        self._messages: deque[tuple[Form, bytes]] = deque()
        self._parts: list[bytes] = []
        self._form = Form.JSON

    @property
    def has_work(self) -> bool:
        """Whether a command can be done now."""
        is_behind = len(self.unsent) >= _MOST_UNSENT and not self.is_gone
        return bool(self._messages) and not (self.is_over or is_behind)

    @property
    def wants_to_read(self) -> bool:
        """Whether more commands are welcome."""
        return not (self._messages or self.is_over or self.is_gone)

    @property
    def is_done(self) -> bool:
        """Whether the client left and nothing is left to do for it."""
        return self.is_gone and (self.is_over or not self._messages)

    def greet(self, number: int) -> None:
        """Say how many commands may be under way, and the step id of the last one done."""
        order = self.order
        self._protocol.send_text(write_hello(order.session_id, order.credit, number or None))
        self._flush()

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
        self._flush()

    def work(self, answer: Answer) -> None:
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
        self._flush()

    def _flush(self) -> None:
        """Send what the client takes now."""
        for data in self._protocol.data_to_send():
            if data:
                self._send(data)
            else:
                # The close was said by both.
                self.is_gone = True

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
