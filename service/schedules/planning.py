"""What is due, as runs that wait: each alarm, time and wish once, whoever looks how often."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from service.monitors import repository as monitors
from service.monitors.tables import MonitorRow
from service.schedules import repository
from service.schedules.cron import due_after, missed_since
from service.schedules.schemas import CronOrder, ScheduleOrder, Trigger
from service.schedules.settings import ScheduleSettings
from service.schedules.tables import RunRow, ScheduleRow

_MOST_AT_ONCE = 1000
"""Cron times that are looked at in one turn."""


def order_of(row: ScheduleRow) -> ScheduleOrder:
    """What is wanted, as it was asked for."""
    return ScheduleOrder.model_validate(row.order)


def is_due(session: Session, row: ScheduleRow, now: datetime) -> bool:
    """Whether there is anything to plan; found by reading alone."""
    on = order_of(row).on
    if on.cron is not None:
        times = due_after(on.cron.expression, on.cron.time_zone, row.planned_until)
        following = next(times, None)
        if following is not None and following <= now:
            return True
    return on.alarm and _unanswered(session, row) is not None


def plan(session: Session, row: ScheduleRow, now: datetime, settings: ScheduleSettings) -> int:
    """Add the runs that are due, in the transaction that holds the schedule's row; how many."""
    order = order_of(row)
    planned = 0
    if order.on.cron is not None:
        planned += _plan_times(session, row, order.on.cron, now)
    if order.on.alarm:
        planned += _plan_alarm(session, row, now, settings)
    return planned


def add(
    session: Session,
    row: ScheduleRow,
    trigger: Trigger,
    key: str,
    planned_at: datetime,
    now: datetime,
    **given: Any,
) -> RunRow:
    """A run that answers something, or the one that is there already."""
    known = repository.with_key(session, row.id, key)
    if known is not None:
        return known
    row.runs += 1
    values: Mapping[str, Any] = {"begin_at": planned_at, "state": repository.WAITING} | given
    run = RunRow(
        id=f"run_{secrets.token_hex(12)}",
        schedule_id=row.id,
        monitor_id=row.monitor_id,
        owner=row.owner,
        number=row.runs,
        trigger=trigger,
        key=key,
        planned_at=planned_at,
        created_at=now,
        **values,
    )
    session.add(run)
    session.flush()
    return run


def jittered(schedule_id: str, cron: CronOrder, time: datetime) -> datetime:
    """A time, later by what belongs to it: the same whoever asks."""
    drawn = sha256(f"{schedule_id} {time.isoformat()}".encode()).digest()
    share = int.from_bytes(drawn[:8], "big") / 2**64
    return time + timedelta(seconds=share * cron.jitter_seconds)


def _plan_times(session: Session, row: ScheduleRow, cron: CronOrder, now: datetime) -> int:
    late, due = missed_since(
        cron.expression,
        cron.time_zone,
        row.planned_until,
        now,
        timedelta(seconds=cron.catch_up_seconds),
        _MOST_AT_ONCE,
    )
    if not late and not due:
        return 0
    if late:
        told = f"{len(late)} times were missed by more than {cron.catch_up_seconds:g} seconds"
        add(
            session, row, "cron", _key(late[-1]), late[-1], now,
            state="skipped", reason=told, ended_at=now,
        )  # fmt: skip
    for time in due:
        add(session, row, "cron", _key(time), time, now, begin_at=jittered(row.id, cron, time))
    row.planned_until = max([row.planned_until, *late[-1:], *due[-1:]])
    return len(due)


def _key(time: datetime) -> str:
    return f"cron:{time.isoformat()}"


def _plan_alarm(
    session: Session, row: ScheduleRow, now: datetime, settings: ScheduleSettings
) -> int:
    found = _unanswered(session, row)
    if found is None:
        return 0
    begin_at, tries = now, len(found.failed)
    if found.failed:
        last = found.failed[-1].ended_at
        assert last is not None
        wait = settings.retry_seconds * 2.0 ** (tries - 1)
        begin_at = max(now, last + timedelta(seconds=wait))
    key = f"{found.about}{tries + 1}"
    add(session, row, "alarm", key, found.raised, now, begin_at=begin_at)
    return 1


@dataclass(frozen=True, slots=True)
class _Alarm:
    """One that nobody answers."""

    about: str
    """How the keys of its runs begin."""
    raised: datetime
    failed: Sequence[RunRow]
    """Answers that came to nothing, the oldest first."""


def _unanswered(session: Session, row: ScheduleRow) -> _Alarm | None:
    """The alarm of the monitor, unless it is being answered or somebody has decided."""
    monitor = session.get(MonitorRow, row.monitor_id)
    if monitor is None or monitor.state != "alarm" or monitor.alarm is None:
        return None
    about = f"alarm:{monitor.generation}:{monitor.alarm['day']}:"
    before = repository.with_keys_like(session, row.id, about)
    if before and (before[-1].state != "failed" or before[-1].ended_at is None):
        return None
    return _Alarm(about, datetime.fromisoformat(monitor.alarm["at"]), before)


def monitor_of(session: Session, row: ScheduleRow | RunRow, *, lock: bool = False) -> MonitorRow:
    """The monitor that it is about."""
    return monitors.find(session, row.monitor_id, lock=lock)
