"""Schedules and runs in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.ownership import Place, find_owned, newest_first
from service.schedules.tables import RunRow, ScheduleRow

WAITING = "waiting"
AT_WORK = ("calibrating", "retraining", "shadowing")
ENDED = ("promoted", "kept", "skipped", "failed", "cancelled")
NEVER_LOST = ("alarm", "objective")
"""Triggers that come once: their runs wait, where others are passed over."""


def find(
    session: Session, schedule_id: str, owner: str | None = None, *, lock: bool = False
) -> ScheduleRow:
    """One schedule, of this owner where one is named; raises Problem where there is none."""
    return find_owned(session, ScheduleRow, schedule_id, owner, "schedule", lock=lock)


def find_run(
    session: Session, run_id: str, owner: str | None = None, *, lock: bool = False
) -> RunRow:
    """One run, of this owner where one is named; raises Problem where there is none."""
    return find_owned(session, RunRow, run_id, owner, "run", lock=lock)


def page(
    session: Session,
    owner: str | None,
    before: Place | None,
    limit: int,
    monitor_id: str | None = None,
) -> Sequence[ScheduleRow]:
    """The newest first."""
    query = newest_first(ScheduleRow, owner, before, limit)
    if monitor_id is not None:
        query = query.where(ScheduleRow.monitor_id == monitor_id)
    return session.scalars(query).all()


def page_of_runs(
    session: Session,
    owner: str | None,
    before: Place | None,
    limit: int,
    *,
    schedule_id: str | None = None,
    monitor_id: str | None = None,
    states: Sequence[str] = (),
) -> Sequence[RunRow]:
    """The newest first."""
    query = newest_first(RunRow, owner, before, limit)
    if schedule_id is not None:
        query = query.where(RunRow.schedule_id == schedule_id)
    if monitor_id is not None:
        query = query.where(RunRow.monitor_id == monitor_id)
    if states:
        query = query.where(RunRow.state.in_(states))
    return session.scalars(query).all()


def awake(session: Session) -> Sequence[ScheduleRow]:
    """Those that are not paused."""
    query = select(ScheduleRow).where(~ScheduleRow.is_paused)
    return session.scalars(query.order_by(ScheduleRow.created_at, ScheduleRow.id)).all()


def open_runs(session: Session) -> Sequence[RunRow]:
    """Those at work, then those that wait; what must not be lost goes first, then the oldest."""
    query = select(RunRow).where(RunRow.state.in_((WAITING, *AT_WORK)))
    found = session.scalars(query.order_by(RunRow.begin_at, RunRow.id)).all()
    return sorted(found, key=lambda row: (row.state == WAITING, row.trigger not in NEVER_LOST))


def with_key(session: Session, schedule_id: str, key: str) -> RunRow | None:
    """The run that answers something."""
    return session.scalar(
        select(RunRow).where(RunRow.schedule_id == schedule_id, RunRow.key == key)
    )


def with_keys_like(session: Session, schedule_id: str, beginning: str) -> Sequence[RunRow]:
    """Runs whose keys begin alike, the oldest first."""
    query = select(RunRow).where(
        RunRow.schedule_id == schedule_id, RunRow.key.startswith(beginning, autoescape=True)
    )
    return session.scalars(query.order_by(RunRow.number)).all()


def at_work_on(session: Session, monitor_id: str) -> RunRow | None:
    """The run that is at work on a monitor; there is one at most."""
    query = select(RunRow).where(RunRow.monitor_id == monitor_id, RunRow.state.in_(AT_WORK))
    return session.scalar(query.limit(1))


def last_ended(session: Session, schedule_id: str) -> datetime | None:
    """When the last run that began has ended."""
    return session.scalar(
        select(func.max(RunRow.ended_at)).where(
            RunRow.schedule_id == schedule_id, RunRow.started_at.is_not(None)
        )
    )


def begun_since(session: Session, schedule_id: str, since: datetime) -> list[datetime]:
    """When runs have begun, the oldest first."""
    query = select(RunRow.started_at).where(
        RunRow.schedule_id == schedule_id, RunRow.started_at > since
    )
    return [at for at in session.scalars(query.order_by(RunRow.started_at)) if at is not None]
