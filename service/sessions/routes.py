"""/v1/sessions: environments that are stepped over the network."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Request, Response

from service.ownership import is_seen
from service.paging import Cursor, Limit, Page, decode_place, paged
from service.problems import Problem
from service.security import Reader, Stepper, Whose
from service.sessions.commands import CommandRoute
from service.sessions.operations import Sessions
from service.sessions.ordering import spec_of
from service.sessions.schemas import (
    Reply,
    ResetOrder,
    Restored,
    RestoreOrder,
    SessionOrder,
    SessionView,
    SnapshotView,
    StepOrder,
)
from service.sessions.stream import router as stream
from service.sessions.tables import SessionRow
from service.sessions.views import view_of, view_of_row

router = APIRouter(tags=["sessions"])
_commands = APIRouter(route_class=CommandRoute)

SessionId = Annotated[str, Path(max_length=40, pattern=r"^ses_[0-9a-f]+$")]


@router.post("/sessions", status_code=201)
async def create_session(
    request: Request, response: Response, order: SessionOrder, principal: Stepper
) -> SessionView:
    """Begin a session. It has to be reset before it is stepped."""
    sessions = _sessions(request)
    spec = await run_sync(spec_of, sessions, order)
    session = await sessions.create(principal.owner, spec, order.idle_seconds)
    response.headers["Location"] = f"/v1/sessions/{session.id}"
    return view_of(sessions, session)


@router.get("/sessions")
def list_sessions(
    request: Request, whose: Whose, limit: Limit = 50, cursor: Cursor = None
) -> Page[SessionView]:
    """One's sessions, the newest first, those that are over for a while too.

    An admin sees everybody's.
    """
    sessions = _sessions(request)
    rows = sessions.records.page(whose, limit, decode_place(cursor))
    shown, following = paged(rows, limit, lambda row: (row.created_at.isoformat(), row.id))
    return Page(items=[view_of_row(sessions, row) for row in shown], next_cursor=following)


@router.get("/sessions/{session_id}")
def show_session(request: Request, session_id: SessionId, principal: Reader) -> SessionView:
    """One session, and why it is over if it is."""
    sessions = _sessions(request)
    row: SessionRow | None = sessions.records.find(session_id)
    if row is None or not row.about or not is_seen(row.owner, principal.whose):
        raise Problem("not_found", "no session of that id")
    return view_of_row(sessions, row)


@router.delete("/sessions/{session_id}", status_code=204)
async def delete_session(request: Request, session_id: SessionId, principal: Stepper) -> None:
    """End a session, an admin anybody's; to end it again changes nothing."""
    await _sessions(request).delete(principal.whose, session_id, by=principal.owner)


@_commands.post("/sessions/{session_id}/reset")
def reset(session_id: SessionId, order: ResetOrder, principal: Stepper) -> Reply:
    """Begin an episode, in all environments of a batch or in some."""
    del session_id, order, principal
    raise AssertionError("its route handles it")


@_commands.post("/sessions/{session_id}/step")
def step(session_id: SessionId, order: StepOrder, principal: Stepper) -> Reply:
    """Step once. For speed, send the same over a stream, or in msgpack."""
    del session_id, order, principal
    raise AssertionError("its route handles it")


@router.post("/sessions/{session_id}/snapshot", status_code=201)
async def snapshot_session(
    request: Request, session_id: SessionId, principal: Stepper
) -> SnapshotView:
    """Keep where a session is: by its actions, so that it is small."""
    sessions = _sessions(request)
    session = await sessions.find(principal.owner, session_id)
    row = await sessions.snapshot(session)
    return SnapshotView.model_validate(row.document)


@router.post("/sessions/{session_id}/restore")
async def restore_session(
    request: Request, session_id: SessionId, order: RestoreOrder, principal: Stepper
) -> Restored:
    """Go to a snapshot of this session, or of another with the same spec digest."""
    sessions = _sessions(request)
    session = await sessions.find(principal.owner, session_id)
    return Restored(next_step_id=await sessions.restore(session, order.snapshot_id))


router.include_router(_commands)
router.include_router(stream)


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions
