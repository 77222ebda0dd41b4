"""Streams that workers serve themselves: handed over, and taken back for the last words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
    await _until_over(sessions, session, handed, revoked)
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


async def _until_over(
    sessions: Sessions, session: Session, handed: Handed, revoked: asyncio.Event
) -> None:
    """Wait until the client or the worker is gone, or take the connection back at an end."""
    with end_of(session) as ended:
        try:
            await any_of(handed.left, ended, sessions.stopping, revoked)
        finally:
            handed.let_go()
        await until_left(handed)


@contextmanager
def end_of(session: Session) -> Iterator[asyncio.Event]:
    """Set when a session is over."""
    ended = asyncio.Event()

    def tell(_: End) -> None:
        ended.set()

    session.on_end.append(tell)
    if session.end is not None:
        ended.set()
    try:
        yield ended
    finally:
        session.on_end.remove(tell)


async def any_of(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def until_left(handed: Handed) -> None:
    """Wait a little for a connection that was asked for: its worker may be in a long command."""
    with suppress(TimeoutError):
        await asyncio.wait_for(handed.left.wait(), _SECONDS_TO_LET_GO)
