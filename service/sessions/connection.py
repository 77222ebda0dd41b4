"""A client's WebSocket connection that can be passed on to another process, as uvicorn holds it.

Nothing is read after the handshake until the app asks for a message. So what the client sends waits
in the kernel, and whoever has the socket by then reads all of it.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from fastapi import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

_KEY = "surrogym.connection"
_TURNS_TO_FLUSH = 20
_STRANGER_BYTES = 4096
"""Of a message before it is known who sends it: it only has to hold a key."""


class Connection(WebSocketsSansIOProtocol):
    """Uvicorn's protocol, with its reading held until somebody wants to read."""

    is_held = False

    def handle_connect(self, event: Request) -> None:
        """Hold what comes after the handshake."""
        super().handle_connect(event)
        if not self.close_sent:
            self.is_held = True
            self.transport.pause_reading()
            self.conn.max_message_size = _STRANGER_BYTES
            extensions: Any = self.scope["extensions"]
            extensions[_KEY] = self

    async def receive(self) -> Any:
        """A message; the first is the handshake itself, and reads nothing."""
        if self.is_held and not self.queue.empty():
            return self.queue.get_nowait()
        self.release()
        return await super().receive()

    def trust(self) -> None:
        """Take messages of full length: it is known who sends them."""
        self.conn.max_message_size = self.config.ws_max_size

    def release(self) -> None:
        """Read here."""
        if self.is_held:
            self.is_held = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    async def passed_on(self) -> int | None:
        """A descriptor of the socket for whoever reads and writes it from now on.

        None where that cannot be: it is encrypted here, was read from, or has more to send.
        """
        if not self.is_held or self.scheme != "ws":
            return None
        for _ in range(_TURNS_TO_FLUSH):
            if self.transport.is_closing():
                return None
            if self.transport.get_write_buffer_size() == 0:
                self.stop_keepalive()
                return os.dup(self.transport.get_extra_info("socket").fileno())
            await asyncio.sleep(0)
        return None


def connection_of(websocket: WebSocket) -> Connection | None:
    """The connection below a socket; None below one of a test, or of another server."""
    found = websocket.scope.get("extensions", {}).get(_KEY)
    return found if isinstance(found, Connection) else None
