"""A session of a service from afar: made over HTTP, stepped over one WebSocket that comes back.

Commands carry a number. Whatever cuts the line, those without a reply are sent again when the
service is back, and it does none of them twice.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
import numpy as np
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from sim.errors import SurrogymError

Form = Literal["msgpack", "json"]
Message = dict[str, Any]
_CHUNK = 1 << 20
_PAUSE_SECONDS = 0.2
_MESSAGES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class RemoteProblem(SurrogymError):
    """What the service answered instead of a reply."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class ServiceGone(SurrogymError):
    """A service that did not come back in time; its session may still be there."""


class LineCut(Exception):
    """The connection ended; another may be made."""


class RemoteSession:
    """One session of a service, for one thread."""

    def __init__(
        self,
        url: str,
        order: Mapping[str, Any] | None,
        *,
        key: str | None,
        session_id: str | None = None,
        form: Form = "msgpack",
        patience_seconds: float = 60.0,
        reply_seconds: float = 180.0,
    ) -> None:
        self._url, self._form = url.rstrip("/"), form
        self._key = key or os.environ.get("SURROGYM_KEY")
        self._patience, self._reply_seconds = patience_seconds, reply_seconds
        self._line: Line | None = None
        self._sent: deque[Message] = deque()
        """Commands without a reply."""
        self._is_ours = session_id is None
        if session_id is None:
            self.view = self._patiently(lambda: self._http("POST", "/v1/sessions", order))
            self.number = 0
        else:
            self.view = self._http("GET", f"/v1/sessions/{session_id}")
            self.number = self._numbered()

    @property
    def id(self) -> str:
        """By which the service knows it."""
        return str(self.view["id"])

    def ask(self, command: Message) -> Message:
        """Do a command; its reply. Raises RemoteProblem where it is refused or fails."""
        self.send(command)
        return self.receive()

    def send(self, command: Message) -> None:
        """Send a command without waiting; as many as `view["credit"]` may be under way."""
        command["step_id"] = self.number + len(self._sent) + 1
        self._sent.append(command)
        if self._line is not None:
            try:
                self._line.send(self._encoded(command))
            except LineCut:
                self._hang_up()

    def receive(self) -> Message:
        """The reply to the oldest command without one."""
        reply = self._patiently(self._received)
        if reply["type"] == "error":
            # Whatever was sent after it is refused as well: the numbers have a gap.
            self._hang_up()
            self._sent.clear()
            raise _problem(reply["problem"])
        self._sent.popleft()
        self.number = reply["step_id"]
        return reply

    def close(self) -> None:
        """Hang up; a session that was made here is ended."""
        self._hang_up()
        if self._is_ours:
            self._is_ours = False
            with suppress(OSError, HTTPException, SurrogymError):
                self._http("DELETE", f"/v1/sessions/{self.id}", seconds=5.0)

    def _received(self) -> Message:
        if self._line is None:
            self._line = self._connected()
            for command in self._sent:
                self._line.send(self._encoded(command))
        return _decoded(self._line.receive())

    def _connected(self) -> Line:
        line = Line(f"{self._url}/v1/sessions/{self.id}/stream", self._key, self._reply_seconds)
        try:
            hello = _decoded(line.receive())
        except LineCut:
            line.close()
            raise
        if hello["type"] == "error":
            line.close()
            raise _problem(hello["problem"])
        return line

    def _patiently(self, attempt: Any) -> Message:
        """What an attempt gives, made again while the service is away."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                done: Message = attempt()
                return done
            except (OSError, HTTPException, LineCut) as error:
                self._hang_up()
                if time.monotonic() > deadline:
                    raise ServiceGone(f"{self._url} is away: {error}") from error
                time.sleep(_PAUSE_SECONDS)

    def _numbered(self) -> int:
        number = self.view["step_id"]
        if number is not None:
            return int(number)
        line = self._connected()
        line.send(self._encoded({"type": "sync"}))
        reply = _decoded(line.receive())
        line.close()
        if reply["type"] == "error":
            raise _problem(reply["problem"])
        return int(reply["step_id"])

    def _encoded(self, command: Message) -> bytes | str:
        if self._form == "json":
            return msgspec.json.encode(command, enc_hook=_listed).decode()
        return msgspec.msgpack.encode(command, enc_hook=_raw)

    def _http(
        self, method: str, path: str, body: object = None, seconds: float | None = None
    ) -> Message:
        parts = urlsplit(self._url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.netloc, timeout=seconds or self._reply_seconds)
        try:
            headers = {"Content-Type": "application/json", **_authorised(self._key)}
            sent = None if body is None else json.dumps(body)
            connection.request(method, parts.path + path, sent, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        told: Message = json.loads(content) if content else {}
        if response.status >= 400:
            raise _problem(told)
        return told

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class Line:
    """One WebSocket, without a thread of its own; pings are answered when something is read."""

    def __init__(self, url: str, key: str | None, seconds: float) -> None:
        address = parse_uri("ws" + url.removeprefix("http"))
        self._protocol = ClientProtocol(address, max_size=None)
        self._socket = socket.create_connection((address.host, address.port), timeout=seconds)
        self._events: deque[Any] = deque()
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.secure:
                context = ssl.create_default_context()
                self._socket = context.wrap_socket(self._socket, server_hostname=address.host)
            request = self._protocol.connect()
            for name, value in _authorised(key).items():
                request.headers[name] = value
            self._protocol.send_request(request)
            self._flush()
            self._shake_hands()
        except BaseException:
            self._socket.close()
            raise

    def send(self, content: bytes | str) -> None:
        """Send a message; raises LineCut."""
        try:
            if isinstance(content, str):
                self._protocol.send_text(content.encode())
            else:
                self._protocol.send_binary(content)
            self._flush()
        except (OSError, WebSocketException) as error:
            raise LineCut(str(error)) from error

    def receive(self) -> bytes | str:
        """The next message; raises LineCut."""
        parts: list[bytes] = []
        is_text = False
        for event in self._incoming():
            if isinstance(event, Frame) and event.opcode in _MESSAGES:
                is_text |= event.opcode is Opcode.TEXT
                parts.append(bytes(event.data))
                if event.fin:
                    break
        content = parts[0] if len(parts) == 1 else b"".join(parts)
        return content.decode() if is_text else content

    def close(self) -> None:
        """End it, with a word where that is possible."""
        with suppress(OSError, WebSocketException):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._flush()
        self._socket.close()

    def _shake_hands(self) -> None:
        event = next(self._incoming())
        if not isinstance(event, Response) or self._protocol.handshake_exc is not None:
            raise LineCut(f"no WebSocket: {self._protocol.handshake_exc}")

    def _incoming(self) -> Iterator[Any]:
        while True:
            while self._events:
                yield self._events.popleft()
            self._read()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            self._events.extend(self._protocol.events_received())
            self._flush()
        except (OSError, WebSocketException, InvalidHandshake) as error:
            raise LineCut(str(error)) from error
        if not self._events and (not data or self._protocol.state is not State.OPEN):
            if self._protocol.state is State.CONNECTING and data:
                return
            raise LineCut(f"closed with {self._protocol.close_code}")

    def _flush(self) -> None:
        waiting = self._protocol.data_to_send()
        if waiting:
            self._socket.sendall(waiting[0] if len(waiting) == 1 else b"".join(waiting))


def _authorised(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def _problem(document: Message) -> RemoteProblem:
    return RemoteProblem(
        str(document.get("code", "unknown")),
        str(document.get("detail") or document.get("title") or "no reason was told"),
    )


def _raw(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "shape": value.shape, "bytes": value.tobytes()}
    return value.item()


def _listed(value: Any) -> Any:
    return value.tolist()


def _decoded(content: bytes | str) -> Message:
    if isinstance(content, str):
        told: Message = msgspec.json.decode(content)
        return told
    binary: Message = _arrays(msgspec.msgpack.decode(content))
    return binary


def _arrays(told: Any) -> Any:
    """Arrays in place of what tells them; fresh ones, that whoever gets them may write to."""
    if not isinstance(told, dict):
        return told
    if told.keys() == {"dtype", "shape", "bytes"}:
        return np.frombuffer(told["bytes"], told["dtype"]).reshape(told["shape"]).copy()
    return {name: _arrays(value) for name, value in told.items()}
