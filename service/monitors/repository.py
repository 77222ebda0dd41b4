"""Monitors in the database: what came in, what was judged, and what was found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from service.monitors.tables import MonitorDayRow, MonitorEpochRow, MonitorRow
from service.monitors.telemetry import Epoch
from service.ownership import Place, find_owned, newest_first

OPEN, OBSERVED, SKIPPED, KEPT = "open", "observed", "skipped", "kept"
_CHUNK = 400


@dataclass(slots=True)
class Intake:
    """What became of a batch of epochs."""

    stored: int = 0
    duplicates: int = 0
    refused: list[tuple[int, int]] = field(default_factory=list)
    late: int = 0


def find(
    session: Session, monitor_id: str, owner: str | None = None, *, lock: bool = False
) -> MonitorRow:
    """One monitor, of this owner where one is named; raises Problem where there is none."""
    return find_owned(session, MonitorRow, monitor_id, owner, "monitor", lock=lock)


def page(
    session: Session, owner: str | None, before: Place | None, limit: int
) -> Sequence[MonitorRow]:
    """The newest first."""
    return session.scalars(newest_first(MonitorRow, owner, before, limit)).all()


def at_work(session: Session) -> Sequence[MonitorRow]:
    """Those that calibrate or watch, the oldest first."""
    query = select(MonitorRow).where(MonitorRow.state.in_(("calibrating", "watching")))
    return session.scalars(query.order_by(MonitorRow.created_at, MonitorRow.id)).all()


def shadowed(session: Session) -> Sequence[MonitorRow]:
    """Those on which a challenger watches."""
    rows = session.scalars(select(MonitorRow).order_by(MonitorRow.created_at, MonitorRow.id))
    return [row for row in rows if row.shadow]


def remove(session: Session, monitor_id: str) -> None:
    """A monitor with all that came in for it."""
    for table in (MonitorEpochRow, MonitorDayRow):
        session.execute(delete(table).where(table.monitor_id == monitor_id))
    session.execute(delete(MonitorRow).where(MonitorRow.id == monitor_id))


def take_in(session: Session, row: MonitorRow, epochs: Sequence[Epoch], now: datetime) -> Intake:
    """Store what is new of a batch, in the transaction that holds the monitor's row."""
    intake, fresh = Intake(), dict[tuple[int, int], Epoch]()
    known = _digests(session, row.id, epochs)
    for epoch in epochs:
        place = (epoch.day, epoch.position)
        before = known.get(place) or (fresh[place].digest if place in fresh else None)
        if before is None:
            fresh[place] = epoch
        elif before == epoch.digest:
            intake.duplicates += 1
        else:
            intake.refused.append(place)
    _insert(session, row.id, fresh.values())
    days = _enter_days(session, row.id, fresh.values(), now)
    intake.stored = len(fresh)
    intake.late = sum(1 for day, _ in fresh if _is_closed(row, days[day]))
    row.duplicates += intake.duplicates
    row.conflicts += len(intake.refused)
    row.late += intake.late
    if fresh:
        row.last_epoch_at = now
    return intake


def days(session: Session, monitor_id: str, before: int | None, limit: int) -> list[MonitorDayRow]:
    """Days, the newest first."""
    query = select(MonitorDayRow).where(MonitorDayRow.monitor_id == monitor_id)
    if before is not None:
        query = query.where(MonitorDayRow.day < before)
    return list(session.scalars(query.order_by(MonitorDayRow.day.desc()).limit(limit)))


def last_days(
    session: Session, monitor_id: str, limit: int
) -> tuple[int | None, list[MonitorDayRow]]:
    """The last days in order, and which day came before them."""
    found = days(session, monitor_id, None, limit + 1)
    earlier = found[limit].day if len(found) > limit else None
    return earlier, found[:limit][::-1]


def days_from(session: Session, monitor_id: str, first: int, limit: int) -> Sequence[MonitorDayRow]:
    """Days from one on, in order."""
    query = select(MonitorDayRow).where(
        MonitorDayRow.monitor_id == monitor_id, MonitorDayRow.day >= first
    )
    return session.scalars(query.order_by(MonitorDayRow.day).limit(limit)).all()


def contents(session: Session, monitor_id: str, day: int) -> list[dict[str, Any]]:
    """The epochs of a day, in order."""
    query = select(MonitorEpochRow.content).where(
        MonitorEpochRow.monitor_id == monitor_id, MonitorEpochRow.day == day
    )
    return list(session.scalars(query.order_by(MonitorEpochRow.position)))


def positions(session: Session, monitor_id: str, day: int) -> list[int]:
    """Which epochs of a day came."""
    query = select(MonitorEpochRow.position).where(
        MonitorEpochRow.monitor_id == monitor_id, MonitorEpochRow.day == day
    )
    return list(session.scalars(query.order_by(MonitorEpochRow.position)))


def is_complete(day: MonitorDayRow) -> bool:
    """Whether nothing of a day lacks."""
    return day.length is not None and day.received == day.length


def _is_closed(row: MonitorRow, day: MonitorDayRow) -> bool:
    return day.outcome != OPEN or day.day < row.next_day


def _digests(
    session: Session, monitor_id: str, epochs: Sequence[Epoch]
) -> dict[tuple[int, int], str]:
    """Of those that are there already."""
    wanted = defaultdict[int, set[int]](set)
    for epoch in epochs:
        wanted[epoch.day].add(epoch.position)
    found: dict[tuple[int, int], str] = {}
    for day, places in wanted.items():
        ordered = sorted(places)
        for begin in range(0, len(ordered), _CHUNK):
            rows = session.execute(
                select(MonitorEpochRow.position, MonitorEpochRow.digest).where(
                    MonitorEpochRow.monitor_id == monitor_id,
                    MonitorEpochRow.day == day,
                    MonitorEpochRow.position.in_(ordered[begin : begin + _CHUNK]),
                )
            )
            found |= {(day, position): digest for position, digest in rows}
    return found


def _insert(session: Session, monitor_id: str, epochs: Iterable[Epoch]) -> None:
    rows = [
        {
            "monitor_id": monitor_id,
            "day": epoch.day,
            "position": epoch.position,
            "digest": epoch.digest,
            "content": epoch.content,
        }
        for epoch in epochs
    ]
    if rows:
        session.execute(insert(MonitorEpochRow), rows)


def _enter_days(
    session: Session, monitor_id: str, epochs: Iterable[Epoch], now: datetime
) -> dict[int, MonitorDayRow]:
    by_day = defaultdict[int, list[Epoch]](list)
    for epoch in epochs:
        by_day[epoch.day].append(epoch)
    rows: dict[int, MonitorDayRow] = {}
    for day, fresh in by_day.items():
        row = session.get(MonitorDayRow, (monitor_id, day))
        if row is None:
            row = MonitorDayRow(
                monitor_id=monitor_id, day=day, received=0, length=None, first_at=now,
                last_at=now, outcome=OPEN, is_alarm=False,
            )  # fmt: skip
            session.add(row)
        row.received += len(fresh)
        row.last_at = now
        for epoch in fresh:
            if epoch.is_last:
                row.length = epoch.position + 1
        rows[day] = row
    return rows
