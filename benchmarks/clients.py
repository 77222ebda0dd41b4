"""Clients as lean as can be, the same for all servers: what is timed is who answers.

They speak over bare sockets with messages that are made once, many conversations in one thread, so
that little of what two cores can do goes into asking.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from selectors import EVENT_READ, DefaultSelector
from typing import Any

import numpy as np
import orjson
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from benchmarks.errors import InvalidMeasurement
from benchmarks.servers import KEY, Server

_HEADERS = {"Authorization": f"Bearer {KEY}"}
_JSON = {**_HEADERS, "Content-Type": "application/json"}
_CHUNK = 1 << 16
_WIDE, _WIDER = 126, 127
"""In place of a frame's length, where two or eight bytes with it follow."""
_PING, _CLOSE = int(Opcode.PING), int(Opcode.CLOSE)
Message = tuple[int, bytes]
"""Opcode and content."""
Ends = Callable[[Any], bool]
"""Whether an episode ends with an answer."""


class Talk:
    """One session, stepped again and again over one connection."""

    def __init__(
        self,
        line: socket.socket,
        reset: bytes,
        step: bytes,
        read: Callable[[bytearray], Iterator[Message]],
        ends: Ends,
    ) -> None:
        self.line = line
        self._reset, self._step, self._read, self._ends = reset, step, read, ends
        self._heard = bytearray()
        self._left = 0
        self._was_reset = False

    def begin(self, steps: int) -> None:
        """Begin an episode, and with it so many steps."""
        self._left = steps
        self._ask(is_reset=True)

    def hear(self) -> bool:
        """Take in what came, and ask for the next step; whether all were taken."""
        data = self.line.recv(_CHUNK)
        if not data:
            raise InvalidMeasurement("the server hung up")
        self._heard += data
        for opcode, content in self._read(self._heard):
            if opcode == _PING:
                self.line.sendall(_masked(Opcode.PONG, content))
            elif opcode == _CLOSE:
                raise InvalidMeasurement(f"the server closed: {content!r}")
            else:
                self._answered(orjson.loads(content))
        return self._left == 0

    def close(self) -> None:
        """End it."""
        self.line.close()

    def _answered(self, told: Any) -> None:
        if told.get("type") == "error":
            raise InvalidMeasurement(f"refused: {told}")
        if not self._was_reset:
            self._left -= 1
        if self._left:
            self._ask(is_reset=not self._was_reset and self._ends(told))

    def _ask(self, *, is_reset: bool) -> None:
        self._was_reset = is_reset
        self.line.sendall(self._reset if is_reset else self._step)


def talk_to_ours(server: Server, env: str) -> Talk:
    """A session of our service, by its own JSON stream."""
    made = begin(server, env=env, seed=1)
    return Talk(
        _shaken(server, f"/v1/sessions/{made}/stream", _HEADERS, greets=True),
        _masked(Opcode.TEXT, b'{"type":"reset"}'),
        _masked(Opcode.TEXT, b'{"type":"step","action":0}'),
        _messages,
        lambda told: bool(told["terminated"] or told["truncated"]),
    )


def talk_to_openenv(server: Server) -> Talk:
    """A session of an OpenEnv server."""
    return Talk(
        _shaken(server, "/ws", {}, greets=False),
        _masked(Opcode.TEXT, b'{"type":"reset","data":{"seed":1}}'),
        _masked(Opcode.TEXT, b'{"type":"step","data":{"choice":0}}'),
        _messages,
        lambda told: bool(told["data"]["done"]),
    )


def post_to_ours(server: Server, env: str) -> Talk:
    """A session of our service, by REST."""
    path = f"/v1/sessions/{begin(server, env=env, seed=1)}"
    return Talk(
        _connected(server),
        _post(f"{path}/reset", b"{}"),
        _post(f"{path}/step", b'{"action":0}'),
        _answers,
        lambda told: bool(told["terminated"] or told["truncated"]),
    )


def post_to_echo(server: Server) -> Talk:
    """Requests that are given back."""
    request = _post("/step", b'{"action":0}')
    return Talk(_connected(server), request, request, _answers, lambda _: False)


def seconds_of(talks: Sequence[Talk], steps: int) -> float:
    """That all take so many steps each, side by side."""
    if len(talks) == 1:
        began = time.perf_counter()
        talks[0].begin(steps)
        while not talks[0].hear():
            pass
        return time.perf_counter() - began
    with DefaultSelector() as selector:
        began = time.perf_counter()
        for talk in talks:
            selector.register(talk.line, EVENT_READ, talk)
            talk.begin(steps)
        under_way = len(talks)
        while under_way:
            for key, _ in selector.select():
                if key.data.hear():
                    selector.unregister(key.fileobj)
                    under_way -= 1
        return time.perf_counter() - began


def _connected(server: Server) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # With a time limit every read would ask the kernel twice.
    line.settimeout(None)
    return line


def _shaken(server: Server, path: str, headers: dict[str, str], *, greets: bool) -> socket.socket:
    """A WebSocket's connection after the handshake and, where the server says one, its greeting."""
    line = _connected(server)
    protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{server.port}{path}"))
    request = protocol.connect()
    for name, value in headers.items():
        request.headers[name] = value
    protocol.send_request(request)
    line.sendall(b"".join(protocol.data_to_send()))
    heard = 0
    while heard < 1 + greets:
        protocol.receive_data(line.recv(_CHUNK))
        if protocol.handshake_exc is not None:
            raise InvalidMeasurement(f"no stream: {protocol.handshake_exc}")
        heard += len(protocol.events_received())
    return line


def _masked(opcode: Opcode, content: bytes) -> bytes:
    return Frame(opcode, content).serialize(mask=True)


def _messages(heard: bytearray) -> Iterator[Message]:
    """The frames of a server that are whole; none is in pieces."""
    while len(heard) >= 2:
        size, at = heard[1], 2
        if size >= _WIDE:
            at += 8 if size == _WIDER else 2
            size = int.from_bytes(heard[2:at], "big")
        if len(heard) < at + size:
            return
        message = heard[0] & 0xF, bytes(heard[at : at + size])
        del heard[: at + size]
        yield message


def _post(path: str, body: bytes) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in _JSON.items())
    length = f"Content-Length: {len(body)}\r\n\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: here\r\n{head}{length}".encode() + body


def _answers(heard: bytearray) -> Iterator[Message]:
    """The answers to requests that are whole."""
    while (end := heard.find(b"\r\n\r\n") + 4) >= 4:
        head = bytes(heard[:end])
        at = end + _length(head)
        if len(heard) < at:
            return
        content = bytes(heard[end:at])
        if b" 200 " not in head[:16]:
            raise InvalidMeasurement(f"refused: {content.decode()}")
        del heard[:at]
        yield Opcode.TEXT, content


def _length(head: bytes) -> int:
    return int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])


def begin(server: Server, **order: Any) -> str:
    """A new session on our service; its id."""
    return str(post(server, "/v1/sessions", order)["id"])


def post(server: Server, path: str, document: dict[str, Any]) -> Any:
    """What a server answers."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", path, json.dumps(document), _JSON)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status not in (200, 201):
        raise InvalidMeasurement(f"{path}: {answer.status} {content.decode()}")
    return json.loads(content)


async def latencies(
    server: Server, path: str, body: bytes, *, per_second: float, seconds: float
) -> np.ndarray:
    """Seconds from when each request was due to its answer, at a steady rate, come what may."""
    due = np.arange(int(per_second * seconds)) / per_second
    found = np.empty(len(due))
    lines: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(16):
        lines.put_nowait(await asyncio.open_connection("127.0.0.1", server.port))
    request = _post(path, body)
    began = time.perf_counter() + 0.2

    async def one(number: int) -> None:
        at = began + due[number]
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        line = await lines.get()
        await _exchange(line, request)
        found[number] = time.perf_counter() - at
        lines.put_nowait(line)

    await asyncio.gather(*(one(number) for number in range(len(due))))
    while not lines.empty():
        lines.get_nowait()[1].close()
    return found


async def _exchange(
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes
) -> None:
    reader, writer = line
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    told = await reader.readexactly(_length(head))
    if b" 200 " not in head[:16]:
        raise InvalidMeasurement(f"refused: {told.decode()}")
