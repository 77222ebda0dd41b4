"""/openenv/{env}: the base address that OpenEnv's clients are given.

`EnvClient(base_url=".../openenv/clinic", headers={"Authorization": "Bearer sgk_..."})`
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Path, Request, WebSocket
from starlette.websockets import WebSocketDisconnect

from service.keys.vigil import Vigil
from service.openenv import documents
from service.openenv.visit import Visit, Wrong, told
from service.problems import Problem
from service.scenarios.catalogue import Catalogue
from service.security import Stepper
from service.sessions.allowance import Pace
from service.sessions.operations import Sessions
from service.sessions.stream import stepper_of
from service.sessions.words import RESTARTING, REVOKED
from sim.errors import SurrogymError

router = APIRouter(prefix="/openenv/{env}", tags=["openenv"], include_in_schema=False)

Env = Annotated[str, Path(max_length=200)]
Data = Annotated[dict[str, Any], Body(default_factory=dict)]
_NO_KEY = 1008
"""The code with which a socket without a good key is closed: against the policy."""


@router.get("/openapi.json")
def openapi(request: Request, env: Env) -> dict[str, Any]:
    """Of this environment alone."""
    _refuse_unknown(request, env)
    return documents.openapi(env)


@router.get("/health")
def health(request: Request, env: Env) -> dict[str, str]:
    """Whether it is up."""
    _refuse_unknown(request, env)
    return {"status": "healthy"}


@router.get("/metadata")
def metadata(request: Request, env: Env) -> dict[str, str]:
    """What it is."""
    _refuse_unknown(request, env)
    catalogue: Catalogue = request.app.state.catalogue
    return {"name": env, "description": catalogue.summary(env)}


@router.get("/schema")
def schema(request: Request, env: Env) -> dict[str, Any]:
    """Of its messages."""
    _refuse_unknown(request, env)
    told = {"action": documents.ACTION, "observation": documents.OBSERVATION}
    return {**told, "reset_observation": documents.OBSERVATION, "state": documents.STATE}


@router.post("/mcp")
async def mcp(request: Request, env: Env) -> dict[str, Any]:
    """JSON-RPC, of which no method is offered."""
    _refuse_unknown(request, env)
    try:
        asked = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return _rpc_error(None, -32700, "Parse error")
    if not isinstance(asked, dict) or "method" not in asked:
        return _rpc_error(None, -32600, "Invalid request")
    return _rpc_error(asked.get("id"), -32601, "Method not found: there are no tools")


@router.post("/reset")
async def reset(request: Request, env: Env, principal: Stepper, data: Data) -> dict[str, Any]:
    """The first observation of an episode that ends with the answer, as OpenEnv has it."""
    visit = Visit(_sessions(request), principal.owner, env)
    try:
        return await _plainly(visit.reset(data))
    finally:
        await visit.leave()


@router.post("/step")
async def step(request: Request, env: Env, principal: Stepper, data: Data) -> dict[str, Any]:
    """One step of an episode that ends with the answer; episodes are stepped on /ws."""
    visit = Visit(_sessions(request), principal.owner, env)
    # Over HTTP they wrap the action that they send as it is on /ws.
    inner = data.get("action")
    try:
        await _plainly(visit.reset({}))
        return await _plainly(visit.step(inner if isinstance(inner, dict) else data))
    finally:
        await visit.leave()


@router.get("/state")
def state(request: Request, env: Env) -> dict[str, Any]:
    """Of no episode: each is on a connection of its own."""
    _refuse_unknown(request, env)
    return {"episode_id": None, "step_count": 0}


@router.websocket("/ws")
async def connection(websocket: WebSocket, env: str) -> None:
    """A client's episodes, one after another, in a session of its own."""
    sessions: Sessions = websocket.app.state.sessions
    await websocket.accept()
    try:
        principal = await stepper_of(websocket)
    except Problem as problem:
        await _refuse(websocket, problem)
        return
    except WebSocketDisconnect:
        return
    visit = Visit(sessions, principal.owner, env)
    vigil: Vigil = websocket.app.state.vigil
    try:
        with vigil.over(principal) as revoked:
            pace = websocket.app.state.doorkeeper.pace(principal)
            await _until_revoked(_converse(websocket, sessions, visit, pace), revoked)
        if revoked.is_set():
            await _refuse(websocket, REVOKED)
    except (WebSocketDisconnect, RuntimeError, KeyError):
        # Gone, or it sent bytes, which this protocol has not.
        pass
    finally:
        await visit.leave()


async def _until_revoked(talk: Coroutine[Any, Any, None], revoked: asyncio.Event) -> None:
    tasks = [asyncio.create_task(each) for each in (talk, revoked.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if not tasks[0].cancelled():
        tasks[0].result()


async def _refuse(websocket: WebSocket, problem: Problem) -> None:
    await _say(websocket, Wrong("SESSION_ERROR", f"{problem.code}: {problem.detail}").document)
    await websocket.close(_NO_KEY)


async def _converse(websocket: WebSocket, sessions: Sessions, visit: Visit, pace: Pace) -> None:
    while not sessions.stopping.is_set():
        text = await websocket.receive_text()
        problem = pace.against(text.encode(), is_json=True)
        if problem is not None:
            await _say(websocket, told(problem))
            continue
        answer = await visit.answer(text)
        if answer is None:
            await websocket.close()
            return
        await _say(websocket, answer)
    await websocket.close(RESTARTING)


async def _say(websocket: WebSocket, document: dict[str, Any]) -> None:
    await websocket.send({"type": "websocket.send", "text": orjson.dumps(document).decode()})


async def _plainly(answer: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    try:
        return await answer
    except Wrong as wrong:
        raise Problem("refused_input", wrong.args[1]) from wrong


def _refuse_unknown(request: Request, env: str) -> None:
    try:
        request.app.state.catalogue.reference(env)
    except SurrogymError as error:
        raise Problem("not_found", str(error)) from error


def _rpc_error(identity: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message}}


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions
