"""/v1/sessions/{id}/stream: commands and replies over one WebSocket, in order, pipelined.

Text messages are JSON, binary ones msgpack, and a reply has the form of its command. The service
says `hello` first, with the credit: so many commands may be under way, and no more are read. Keys
come in a header, or, from browsers, in a first message `{"type": "auth", "key": ...}`. Where it can
be, the worker that plays the session serves the socket itself; here is what serves the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import msgspec
from fastapi import APIRouter, WebSocket
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect

from service.keys.repository import Principal
from service.keys.vigil import Vigil
from service.problems import Problem
from service.security import COOKIE, Doorkeeper, demand, token_of
from service.sessions.allowance import Pace
from service.sessions.connection import connection_of
from service.sessions.encoding import Form, message_of, write_hello
from service.sessions.frames import Frame, Kind, refused
from service.sessions.handing import serve_directly
from service.sessions.operations import Sessions
from service.sessions.playing import problem_of
from service.sessions.session import End, Session
from service.sessions.words import OVER, RESTARTING, REVOKED, close, refuse

router = APIRouter()

_SECONDS_FOR_KEY = 10.0


@router.websocket("/sessions/{session_id}/stream")
async def stream(websocket: WebSocket, session_id: str) -> None:
    """Step a session."""
    sessions: Sessions = websocket.app.state.sessions
    await websocket.accept()
    try:
        principal = await stepper_of(websocket)
        session = await sessions.find(principal.owner, session_id)
    except Problem as problem:
        await refuse(websocket, problem)
    except WebSocketDisconnect:
        pass
    else:
        state = websocket.app.state
        doorkeeper: Doorkeeper = state.doorkeeper
        vigil: Vigil = state.vigil
        allowance, pace = doorkeeper.allowance(principal), doorkeeper.pace(principal)
        with vigil.over(principal) as revoked:
            if not await serve_directly(websocket, sessions, session, allowance, revoked):
                await Stream(websocket, sessions, session, pace, revoked).run()


async def stepper_of(websocket: WebSocket) -> Principal:
    """Who opened a socket, and may step; raises Problem for anybody else."""
    doorkeeper: Doorkeeper = websocket.app.state.doorkeeper
    if token_of(websocket.headers) is None and COOKIE not in websocket.cookies:
        principal = await doorkeeper.holder(await _key_in_message(websocket), _host(websocket))
    else:
        principal = await doorkeeper.principal(websocket)
    demand(principal, "step")
    connection = connection_of(websocket)
    if connection is not None:
        connection.trust()
    return principal


class Stream:
    """One socket on one session."""

    def __init__(
        self,
        websocket: WebSocket,
        sessions: Sessions,
        session: Session,
        pace: Pace,
        revoked: asyncio.Event,
    ) -> None:
        self._socket, self._sessions, self._session = websocket, sessions, session
        self._pace, self._revoked = pace, revoked
        self._credit = sessions.settings.credit
        self._under_way = 0
        self._replies: deque[Frame] = deque()
        self._has_news, self._has_credit = asyncio.Event(), asyncio.Event()
        self._end: End | None = session.end

    async def run(self) -> None:
        """Serve it until a side or the key is gone, the session is over, or the service stops."""
        self._session.on_end.append(self._ended)
        stopping, revoked = self._sessions.stopping, self._revoked
        sides = (self._read(), self._write(), stopping.wait(), revoked.wait())
        tasks = [asyncio.create_task(_until_gone(side)) for side in sides]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._session.on_end.remove(self._ended)
            for task in tasks:
                task.cancel()
        if revoked.is_set():
            await refuse(self._socket, REVOKED)
        elif stopping.is_set():
            await close(self._socket, RESTARTING, "the service restarts; sessions are kept")

    async def _read(self) -> None:
        """Pass commands on, as long as there is credit."""
        receive, submit = self._socket.receive, self._sessions.playing.submit
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            form = Form.MSGPACK if text is None else Form.JSON
            content = message["bytes"] if text is None else text.encode()
            problem = self._pace.against(content, is_json=form is Form.JSON)
            # Replies come in order, so that a refusal comes after all that was asked before.
            await self._until_under_way(self._credit if problem is None else 1)
            self._under_way += 1
            if problem is not None:
                asked = Frame(Kind.COMMAND, form, self._session.handle, b"")
                self._replied(refused(asked, problem, self._session.number or 0))
                continue
            try:
                submit(self._session, Kind.COMMAND, form, content, self._replied)
            except Problem as over:
                self._end = self._end or End("", over.code, over.detail or "")
                self._has_news.set()
                # What is left to say is said by the other side.
                await asyncio.Event().wait()

    async def _until_under_way(self, fewer_than: int) -> None:
        while self._under_way >= fewer_than:
            self._has_credit.clear()
            await self._has_credit.wait()

    def _replied(self, frame: Frame) -> None:
        self._replies.append(frame)
        self._has_news.set()

    def _ended(self, end: End) -> None:
        self._end = end
        self._has_news.set()

    async def _write(self) -> None:
        """Send replies in order; a session that is over says so last."""
        hello = write_hello(self._session.id, self._credit, self._session.number)
        await self._say(Form.JSON, hello)
        while True:
            while self._replies:
                frame = self._replies.popleft()
                await self._say(Form(frame.form), message_of(frame))
                self._under_way -= 1
                self._has_credit.set()
            self._sessions.touch(self._session)
            if self._end is not None:
                await refuse(self._socket, problem_of(self._end), OVER)
                return
            await self._has_news.wait()
            self._has_news.clear()

    async def _say(self, form: Form, content: bytes) -> None:
        if form is Form.JSON:
            await self._socket.send({"type": "websocket.send", "text": content.decode()})
        else:
            await self._socket.send({"type": "websocket.send", "bytes": content})


async def _until_gone(side: Coroutine[Any, Any, Any]) -> None:
    """One side of a socket; the socket may be gone at any time."""
    with suppress(WebSocketDisconnect, RuntimeError):
        await side


async def _key_in_message(websocket: WebSocket) -> str:
    try:
        text = await asyncio.wait_for(websocket.receive_text(), _SECONDS_FOR_KEY)
        said = msgspec.json.decode(text)
        if said["type"] == "auth" and isinstance(said["key"], str):
            return str(said["key"])
    except (TimeoutError, KeyError, TypeError, msgspec.MsgspecError):
        pass
    raise Problem("unauthenticated", 'say {"type": "auth", "key": "sgk_..."} first')


def _host(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else "unknown"
