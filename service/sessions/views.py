"""Sessions as they are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from service.sessions.operations import Sessions
from service.sessions.schemas import SessionView
from service.sessions.session import Session
from service.sessions.spec import SessionSpec
from service.sessions.tables import SessionRow


def view_of(sessions: Sessions, session: Session) -> SessionView:
    """A session that holds a slot."""
    used_at = sessions.time_of(session.last_used) if session.is_used else None
    return SessionView(
        **_told(session.spec, session.about),
        id=session.id,
        owner=session.owner,
        state="open",
        step_id=session.number,
        credit=sessions.settings.credit,
        created_at=session.created_at,
        used_at=used_at,
        idle_seconds=session.idle_seconds,
    )


def view_of_row(sessions: Sessions, row: SessionRow) -> SessionView:
    """A session as it was recorded, over or not."""
    session = sessions.found(row.owner, row.id)
    if session is not None:
        return view_of(sessions, session)
    used_at: datetime | None = row.used_at
    end = sessions.ending(row.id)
    return SessionView(
        **_told(SessionSpec.from_record(row.spec), row.about),
        id=row.id,
        owner=row.owner,
        state=row.state if end is None else end.state,  # type: ignore[arg-type]
        code=row.code if end is None else end.code,
        detail=row.detail if end is None else end.detail,
        step_id=None,
        credit=sessions.settings.credit,
        created_at=row.created_at,
        used_at=used_at,
        idle_seconds=row.idle_seconds,
    )


def _told(spec: SessionSpec, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "env": spec.env,
        "world": spec.world.name or "simulator",
        "world_digest": spec.world.digest,
        "seed": spec.seed,
        "num_envs": spec.num_envs,
        "autoreset_mode": None if spec.num_envs is None else spec.autoreset_mode,
        "actions": spec.actions,
        "mask": spec.mask,
        "history": spec.history,
        "spec_digest": spec.digest,
        "observation_space": about["observation_space"],
        "action_space": about["action_space"],
    }
