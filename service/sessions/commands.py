"""Steps and resets over HTTP, passed on as they come: the worker reads them, and writes replies.

FastAPI's reading of bodies and its dependencies take longer than a step. So these routes tell
OpenAPI what they take, and handle requests themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from service.problems import Problem
from service.security import Doorkeeper
from service.sessions.encoding import Form
from service.sessions.frames import Kind
from service.sessions.operations import Sessions

MSGPACK = "application/msgpack"
_MEDIA = {Form.JSON: "application/json", Form.MSGPACK: MSGPACK}


class CommandRoute(APIRoute):
    """A route whose request goes to the session as it is."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What handles a request."""
        kind = Kind[self.name.upper()]

        async def handle(request: Request) -> Response:
            app = request.app
            doorkeeper: Doorkeeper = app.state.doorkeeper
            sessions: Sessions = app.state.sessions
            principal = await doorkeeper.principal(request)
            if not principal.may("step"):
                raise Problem("forbidden", "this needs the scope 'step'")
            session_id = request.path_params["session_id"]
            session = sessions.found(principal.owner, session_id) or await sessions.find(
                principal.owner, session_id
            )
            form = _form(request)
            reply = await sessions.ask(session, kind, form, await request.body() or b"{}")
            return Response(reply.content, media_type=_MEDIA[form])

        return handle


def _form(request: Request) -> Form:
    given = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if given == MSGPACK:
        return Form.MSGPACK
    if given != "application/json":
        raise Problem("unsupported_media_type", f"send application/json or {MSGPACK}")
    return Form.JSON
