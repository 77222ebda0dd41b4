"""The last words on a stream, whoever served it."""

from __future__ import annotations

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from service.problems import Problem
from service.sessions.encoding import Form, write_problem

RESTARTING, REFUSED, OVER = 1012, 4400, 4410
"""Codes with which streams are closed: come back, do not, the session is over."""
REVOKED = Problem("unauthenticated", "the key with which this was opened was revoked")
_LONGEST_REASON = 100


async def refuse(websocket: WebSocket, problem: Problem, code: int = REFUSED) -> None:
    """Say what is wrong, and close."""
    message = write_problem(problem, Form.JSON).decode()
    try:
        await websocket.send({"type": "websocket.send", "text": message})
    except (WebSocketDisconnect, RuntimeError):
        return
    await close(websocket, code, problem.code)


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close, unless it is closed."""
    try:
        await websocket.close(code, reason[:_LONGEST_REASON])
    except (WebSocketDisconnect, RuntimeError):
        return
