"""Who sends something is known before any of it is read, so that strangers cannot fill the memory.

FastAPI reads a body before it asks a route's dependencies; here keys are asked for before that.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problems import Problem
from service.security import Doorkeeper

READS = ("GET", "HEAD", "OPTIONS")
"""Methods without a body, whose routes ask for keys themselves."""
_SKIPPED_BYTES = 64 << 10
"""Of a body that is passed over to keep the connection; before a larger one it is closed."""


class Entrance:
    """Lets a request with a body in where its key is good, or where everybody may enter."""

    def __init__(
        self,
        app: ASGIApp,
        is_open: Callable[[str], bool],
        turned_away: Callable[[Scope, Problem], Response],
    ) -> None:
        self._app, self._is_open, self._turned_away = app, is_open, turned_away

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its principal known, or answer why not."""
        if scope["type"] == "http" and scope["method"] not in READS:
            doorkeeper: Doorkeeper = scope["app"].state.doorkeeper
            try:
                if not self._is_open(scope["path"]):
                    await doorkeeper.principal(HTTPConnection(scope))
            except Problem as problem:
                if _is_long(Headers(scope=scope)):
                    problem.headers["Connection"] = "close"
                await self._turned_away(scope, problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_long(headers: Headers) -> bool:
    announced = headers.get("content-length", "")
    if "transfer-encoding" in headers:
        return True
    return announced.isascii() and announced.isdigit() and int(announced) > _SKIPPED_BYTES
