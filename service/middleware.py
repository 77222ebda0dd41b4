"""What happens to every request: an id, a look at its size, a line in the log, a count."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.entrance import READS
from service.errors import as_problem, respond
from service.json_limits import check_json
from service.keys.repository import Principal
from service.keys.repository import Scope as Permission
from service.labels import SAFE, identity_of
from service.problems import Problem
from service.request_metrics import RequestMetrics
from service.security import demand, known_of
from service.sessions.encoding import MEDIA, Form
from service.settings import LimitSettings

_API = "/v1"


class Requests:
    """Gives each request an id, counts it, logs it, and answers what nobody caught."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; sockets get an id and nothing else."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        identity = _identity(scope)
        scope.setdefault("state", {})["request_id"] = identity
        structlog.contextvars.bind_contextvars(request_id=identity)
        try:
            if scope["type"] == "websocket":
                await self._app(scope, receive, send)
            else:
                await self._handle(scope, receive, send, identity)
        finally:
            structlog.contextvars.unbind_contextvars("request_id")

    async def _handle(self, scope: Scope, receive: Receive, send: Send, identity: str) -> None:
        began, status = time.perf_counter(), 0

        async def telling(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _label(message, identity)
            await send(message)

        try:
            await self._app(scope, receive, telling)
        except Exception as error:
            if status:
                raise
            await respond(identity, as_problem(error))(scope, receive, telling)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.answered(
                scope["method"], _route(scope), status, seconds, path=scope["path"]
            )


def _route(scope: Scope) -> str:
    """What a request is counted under: the path of its route, with names in place of values."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return "none"
    # FastAPI tells a route's path as its router has it, without what the app puts before that.
    is_whole = path.startswith(_API) or not scope["path"].startswith(f"{_API}/")
    return str(path) if is_whole else _API + path


def _identity(scope: Scope) -> str:
    return identity_of(Headers(scope=scope).get("x-request-id", ""))


def _label(message: Message, identity: str) -> None:
    headers: list[tuple[bytes, bytes]] = message["headers"]
    told = {name for name, _ in headers}
    headers.append((b"x-request-id", identity.encode()))
    headers.extend(one for one in SAFE if one[0] not in told)


class BodyLimits:
    """Stops bodies that are too large, too deep or of too many values, before they are parsed."""

    def __init__(
        self, app: ASGIApp, limits: LimitSettings, larger: Callable[[str], Permission | None]
    ) -> None:
        """`larger` tells what it takes to send an artefact to a path; None where none is sent."""
        self._app, self._limits, self._larger = app, limits, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its body, or answer why not."""
        if scope["type"] != "http" or scope["method"] in READS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        permission, known = self._larger(scope["path"]), known_of(scope)
        most = self._limits.body_bytes if permission is None else self._limits.artefact_bytes
        if known is None:
            most = min(most, self._limits.stranger_bytes)
        try:
            if permission is not None and known is not None:
                _refuse_without(permission, known)
            _refuse_announced(headers, most)
            # An artefact goes to disk as it comes; whatever else is read whole anyway.
            if permission is not None:
                passed = _counted(receive, most)
            else:
                passed = await self._read(headers, receive, most)
            await self._app(scope, passed, send)
        except _TooLarge:
            await respond(scope["state"]["request_id"], _too_large(most))(scope, receive, send)
        except Problem as problem:
            await respond(scope["state"]["request_id"], problem)(scope, receive, send)

    async def _read(self, headers: Headers, receive: Receive, most: int) -> Receive:
        seconds = self._limits.body_seconds
        try:
            async with asyncio.timeout(seconds):
                body = await _whole(_counted(receive, most))
        except TimeoutError as error:
            told = f"the whole body within {seconds:g} seconds"
            raise Problem("request_timeout", told, headers={"Connection": "close"}) from error
        media = headers.get("content-type", "application/json")
        if media != MEDIA[Form.MSGPACK]:
            check_json(body, self._limits.json_depth, self._limits.json_nodes)
        if media.startswith("application/json"):
            _refuse_odd_characters(body)
        return _replayed(body, receive)


def _refuse_without(permission: Permission, known: Principal) -> None:
    """Raise Problem for an artefact that its route would refuse when all of it is on disk."""
    try:
        demand(known, permission)
    except Problem as problem:
        problem.headers["Connection"] = "close"
        raise


async def _whole(receive: Receive) -> bytes:
    parts = list[bytes]()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(parts)


class _TooLarge(Exception):
    """More came than was announced or allowed."""


def _refuse_announced(headers: Headers, most: int) -> None:
    announced = headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced) > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    return Problem("too_large", f"at most {most} bytes", headers={"Connection": "close"})


def _counted(receive: Receive, most: int) -> Receive:
    seen = 0

    async def counting() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b"") or b"")
        if seen > most:
            raise _TooLarge
        return message

    return counting


def _replayed(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    is_told = False

    async def telling() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return telling


_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def _refuse_odd_characters(body: bytes) -> None:
    """Raise Problem for JSON with what is no character, or with NUL, which few stores take."""
    if b"\\u" not in body:
        return
    if _NUL.search(body):
        raise Problem("invalid_request", "text without NUL characters")
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem("malformed_json") from error
