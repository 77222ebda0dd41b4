"""Steps and resets over HTTP, passed on as they come: the worker reads them, and writes replies.

FastAPI takes longer to find a route among all that there are, to read a body and to ask its
dependencies than a step takes. So a door before the app knows these two paths and handles them by
itself; the routes behind it tell OpenAPI what they take. Of a client who steps one session time and
again over one connection, the session's worker takes them in itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.problems import Problem
from service.security import Doorkeeper, demand
from service.sessions.encoding import MEDIA, Form, form_of
from service.sessions.frames import ROUTES, Kind
from service.sessions.lending import Loan, lendable_of
from service.sessions.operations import Sessions

_PATH = re.compile(r"/v1/sessions/(ses_[0-9a-f]{1,36})/(step|reset)")


@dataclass(frozen=True, slots=True)
class _Route:
    """What requests are counted under, as that of the app's own routes."""

    path: str


_ROUTES = {kind: _Route(path) for kind, path in ROUTES.items()}


class CommandDoor:
    """Answers steps and resets, and lets everything else through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a command; its problems are told by whoever is before."""
        found = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if found is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        session_id, name = found.groups()
        kind = Kind[name.upper()]
        scope["route"] = _ROUTES[kind]
        response = await _answered(Request(scope, receive), kind, session_id)
        await response(scope, receive, send)


class CommandRoute(APIRoute):
    """A route whose request goes to the session as it is."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What handles a request."""
        kind = Kind[self.name.upper()]

        async def handle(request: Request) -> Response:
            return await _answered(request, kind, request.path_params["session_id"])

        return handle


async def _answered(request: Request, kind: Kind, session_id: str) -> Response:
    state = request.app.state
    doorkeeper: Doorkeeper = state.doorkeeper
    sessions: Sessions = state.sessions
    principal = await doorkeeper.principal(request)
    demand(principal, "step")
    session = sessions.found(principal.owner, session_id) or await sessions.find(
        principal.owner, session_id
    )
    form = form_of(request.headers.get("content-type", MEDIA[Form.JSON]))
    if form is None:
        told = " or ".join(MEDIA.values())
        raise Problem("unsupported_media_type", f"send {told}")
    reply = await sessions.ask(session, kind, form, await request.body() or b"{}")
    connection = lendable_of(request)
    if connection is not None and connection.is_regular(session.id):
        allowance = doorkeeper.allowance(principal)
        connection.lend(Loan(sessions, session, allowance, state.vigil.over(principal)))
    return Response(reply.content, media_type=MEDIA[form])
