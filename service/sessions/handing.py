"""Streams that workers serve themselves: handed over, and taken back for the last words."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import WebSocket

from service.sessions.allowance import Allowance
from service.sessions.connection import connection_of
from service.sessions.link import Handed
from service.sessions.operations import Sessions
from service.sessions.playing import problem_of
from service.sessions.session import End, Session
from service.sessions.words import OVER, RESTARTING, REVOKED, close, refuse

_SECONDS_TO_LET_GO = 2.0


async def serve_directly(
    websocket: WebSocket,
    sessions: Sessions,
    session: Session,
    allowance: Allowance,
    revoked: asyncio.Event,
) -> bool:
    """Have the session's worker serve a socket until it is over; whether that could be done."""
    connection = connection_of(websocket)
    if connection is None:
        return False
    descriptor = await connection.passed_on()
    if descriptor is None:
        return False
    handed = await sessions.playing.hand_over(session, descriptor, allowance)
    if handed is None:
        return False
    await until_over(sessions, session, handed, revoked)
    if handed.is_gone:
        return True
    connection.release()
    if session.end is not None:
        await refuse(websocket, problem_of(session.end), OVER)
    elif revoked.is_set():
        await refuse(websocket, REVOKED)
    elif sessions.stopping.is_set():
        await close(websocket, RESTARTING, "the service restarts; sessions are kept")
    else:
        await close(websocket, RESTARTING, "its process is gone; the session is kept")
    return True


async def until_over(
    sessions: Sessions,
    session: Session,
    handed: Handed,
    revoked: asyncio.Event,
    idle_seconds: float | None = None,
) -> None:
    """Wait until the client or the worker is gone, or take the connection back at an end.

    Taken back too when the session was not used for so many seconds, where any are given.
    """
    ends = asyncio.Event()

    def ended(_: End) -> None:
        ends.set()

    session.on_end.append(ended)
    waits = [handed.left.wait(), ends.wait(), sessions.stopping.wait(), revoked.wait()]
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        is_over = session.end is not None
        while not is_over:
            used = session.last_used
            done, _ = await asyncio.wait(
                tasks, timeout=idle_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            is_over = bool(done) or (
                session.last_used == used and not sessions.playing.is_busy(session)
            )
        if not handed.left.is_set():
            handed.let_go()
            with suppress(TimeoutError):
                await asyncio.wait_for(handed.left.wait(), _SECONDS_TO_LET_GO)
    finally:
        session.on_end.remove(ended)
        for task in tasks:
            task.cancel()
        handed.let_go()
