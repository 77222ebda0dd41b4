"""Clients as lean as one can be, the same for all servers: what is timed is who answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.errors import InvalidMeasurement
from benchmarks.servers import KEY, Server

_HEADERS = {"Authorization": f"Bearer {KEY}"}
_JSON = {**_HEADERS, "Content-Type": "application/json"}
Ends = Callable[[Any], bool]
"""Whether an episode ends with an answer."""


class Talk:
    """One session over a WebSocket, in one protocol or the other."""

    def __init__(self, socket: ClientConnection, reset: str, step: str, ends: Ends) -> None:
        self._socket, self._reset, self._step, self._ends = socket, reset, step, ends

    async def play(self, steps: int) -> None:
        """Begin an episode, and take so many steps, one after another."""
        await self._ask(self._reset)
        for _ in range(steps):
            if self._ends(await self._ask(self._step)):
                await self._ask(self._reset)

    async def close(self) -> None:
        """End it."""
        await self._socket.close()

    async def _ask(self, message: str) -> Any:
        await self._socket.send(message)
        told = json.loads(await self._socket.recv())
        if told["type"] == "error":
            raise InvalidMeasurement(f"refused: {told}")
        return told


async def talk_to_ours(server: Server, env: str) -> Talk:
    """A session of our service, by its own JSON stream."""
    made = begin(server, env=env, seed=1)
    address = f"ws://127.0.0.1:{server.port}/v1/sessions/{made}/stream"
    socket = await connect(address, additional_headers=_HEADERS, compression=None)
    await socket.recv()
    return Talk(
        socket,
        '{"type":"reset"}',
        '{"type":"step","action":0}',
        lambda told: bool(told["terminated"] or told["truncated"]),
    )


async def talk_to_openenv(server: Server) -> Talk:
    """A session of an OpenEnv server."""
    address = f"ws://127.0.0.1:{server.port}/ws"
    socket = await connect(address, compression=None)
    return Talk(
        socket,
        '{"type":"reset","data":{"seed":1}}',
        '{"type":"step","data":{"choice":0}}',
        lambda told: bool(told["data"]["done"]),
    )


async def seconds_of(talks: Sequence[Talk], steps: int) -> float:
    """That all take so many steps each, side by side."""
    began = time.perf_counter()
    await asyncio.gather(*(talk.play(steps) for talk in talks))
    return time.perf_counter() - began


def begin(server: Server, **order: Any) -> str:
    """A new session on our service; its id."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/v1/sessions", json.dumps(order), _JSON)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status != 201:
        raise InvalidMeasurement(f"no session: {content.decode()}")
    return str(json.loads(content)["id"])


def seconds_of_posts(server: Server, path: str, body: str, count: int) -> float:
    """That so many requests take, one after another over one connection."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    content = body.encode()
    began = time.perf_counter()
    for _ in range(count):
        connection.request("POST", path, content, _JSON)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise InvalidMeasurement(f"{path}: {answer.status} {told.decode()}")
    took = time.perf_counter() - began
    connection.close()
    return took


async def latencies(
    server: Server, path: str, body: bytes, *, per_second: float, seconds: float
) -> np.ndarray:
    """Seconds from when each request was due to its answer, at a steady rate, come what may."""
    due = np.arange(int(per_second * seconds)) / per_second
    found = np.empty(len(due))
    lines: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(16):
        lines.put_nowait(await asyncio.open_connection("127.0.0.1", server.port))
    head = "".join(f"{name}: {value}\r\n" for name, value in _JSON.items())
    request = (
        f"POST {path} HTTP/1.1\r\nHost: here\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
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
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    told = await reader.readexactly(length)
    if b" 200 " not in head[:16]:
        raise InvalidMeasurement(f"refused: {told.decode()}")
