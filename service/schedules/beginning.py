"""Whether a run that waits may begin, has to wait on, or is passed over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.orm import Session

from service.schedules import repository
from service.schedules.schemas import ScheduleOrder
from service.schedules.tables import RunRow, ScheduleRow


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a run that waits."""

    what: Literal["begin", "wait", "skip", "replace"]
    reason: str | None = None
    until: datetime | None = None
    """Not before, where that is known."""


BEGIN = Verdict("begin")


def judge(
    session: Session, row: ScheduleRow, order: ScheduleOrder, run: RunRow, now: datetime
) -> Verdict:
    """By what else is at work, by pause, cool-down and budget.

    An alarm and a changed objective are never passed over: they wait until they may begin.
    """
    if now < run.begin_at:
        return Verdict("wait", run.reason)
    if row.is_paused and run.trigger not in ("manual", "backfill"):
        return Verdict("wait", "the schedule is paused")
    other = repository.at_work_on(session, run.monitor_id)
    if other is not None:
        return _overlapping(order, run, other)
    if run.trigger == "manual":
        return BEGIN
    for verdict in (_cooling(session, order, run, now), _spent(session, order, run, now)):
        if verdict is not None:
            return verdict
    return BEGIN


def _overlapping(order: ScheduleOrder, run: RunRow, other: RunRow) -> Verdict:
    told = f"run {other.id} is at work on the monitor"
    if _must_not_be_lost(run) or order.overlap == "queue":
        return Verdict("wait", told)
    if order.overlap == "cancel" and other.schedule_id == run.schedule_id:
        return Verdict("replace", told)
    return Verdict("skip", told)


def _cooling(session: Session, order: ScheduleOrder, run: RunRow, now: datetime) -> Verdict | None:
    last = repository.last_ended(session, run.schedule_id)
    if last is None or run.trigger == "backfill":
        return None
    until = last + timedelta(seconds=order.cool_down_seconds)
    return None if now >= until else _put_off(run, f"cooling down until {_told(until)}", until)


def _spent(session: Session, order: ScheduleOrder, run: RunRow, now: datetime) -> Verdict | None:
    if order.budget is None:
        return None
    length = timedelta(days=order.budget.days)
    begun = repository.begun_since(session, run.schedule_id, now - length)
    if len(begun) < order.budget.runs:
        return None
    until = begun[-order.budget.runs] + length
    told = f"{len(begun)} runs in {order.budget.days:g} days: the budget is spent until "
    return _put_off(run, told + _told(until), until)


def _put_off(run: RunRow, reason: str, until: datetime) -> Verdict:
    return Verdict("wait" if _must_not_be_lost(run) else "skip", reason, until)


def _must_not_be_lost(run: RunRow) -> bool:
    return run.trigger in repository.NEVER_LOST


def _told(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
