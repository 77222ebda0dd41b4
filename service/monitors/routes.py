"""/v1/monitors: telemetry in, drift out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.orm import Session

from service.monitors import repository, schemas
from service.monitors.operations import Monitors
from service.monitors.tables import MonitorDayRow, MonitorRow
from service.paging import Cursor, Limit, Page, decode_cursor, decode_place, paged
from service.security import Reader, Trainer, Whose

router = APIRouter(prefix="/monitors", tags=["monitors"])

MonitorId = Annotated[str, Path(max_length=32, pattern=r"^mon_[0-9a-f]+$")]


@router.post("", status_code=201)
def create_monitor(
    request: Request, response: Response, order: schemas.MonitorOrder, principal: Trainer
) -> schemas.MonitorView:
    """Begin to watch a system; it calibrates on simulated days, and telemetry may come at once."""
    row = _monitors(request).create(principal.owner, order)
    response.headers["Location"] = f"/v1/monitors/{row.id}"
    return view_of(row, request.app.state.platform.clock.now())


@router.get("")
def list_monitors(
    request: Request, whose: Whose, limit: Limit = 50, cursor: Cursor = None
) -> Page[schemas.MonitorView]:
    """One's monitors, the newest first; an admin sees everybody's."""
    platform = request.app.state.platform
    with platform.database.read() as session:
        found = repository.page(session, whose, decode_place(cursor), limit + 1)
        rows, following = paged(found, limit, lambda row: (row.created_at.isoformat(), row.id))
    now = platform.clock.now()
    return Page(items=[view_of(row, now) for row in rows], next_cursor=following)


@router.get("/{monitor_id}")
def get_monitor(request: Request, monitor_id: MonitorId, principal: Reader) -> schemas.MonitorView:
    """One monitor: its state, what was raised, and what drifted."""
    platform = request.app.state.platform
    with platform.database.read() as session:
        row = repository.find(session, monitor_id, principal.whose)
    return view_of(row, platform.clock.now())


@router.delete("/{monitor_id}", status_code=204)
def delete_monitor(request: Request, monitor_id: MonitorId, principal: Trainer) -> None:
    """End a monitor and forget its telemetry."""
    _monitors(request).remove(monitor_id, principal.whose)


@router.post("/{monitor_id}/epochs")
def add_epochs(
    request: Request, monitor_id: MonitorId, batch: schemas.EpochBatch, principal: Trainer
) -> schemas.Received:
    """Store epochs, each once: in any order, late, and as often as one likes."""
    intake = _monitors(request).take_in(monitor_id, principal.whose, batch)
    return schemas.Received(
        stored=intake.stored,
        duplicates=intake.duplicates,
        refused=[schemas.Refused(day=day, index=index) for day, index in intake.refused],
        late=intake.late,
    )


@router.get("/{monitor_id}/days")
def list_days(
    request: Request,
    monitor_id: MonitorId,
    principal: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.DayView]:
    """Days, the newest first, with the verdicts of the detectors."""
    before = int(decode_cursor(cursor, int)[0]) if cursor else None
    with request.app.state.platform.database.read() as session:
        repository.find(session, monitor_id, principal.whose)
        found = repository.days(session, monitor_id, before, limit + 1)
        rows, following = paged(found, limit, lambda row: (row.day,))
    items = [schemas.DayView.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, next_cursor=following)


@router.get("/{monitor_id}/gaps")
def list_gaps(request: Request, monitor_id: MonitorId, principal: Reader) -> Page[schemas.Gap]:
    """What did not come, of the last two hundred days."""
    found = _monitors(request).gaps(monitor_id, principal.whose, 200)
    return Page(items=[schemas.Gap.model_validate(gap) for gap in found])


@router.get("/{monitor_id}/residuals")
def get_residuals(
    request: Request,
    monitor_id: MonitorId,
    principal: Reader,
    days: Annotated[int, Query(ge=1, le=500)] = 100,
) -> schemas.Residuals:
    """What the detectors saw of each part of the system, day by day, for plots."""
    with request.app.state.platform.database.read() as session:
        return recent_residuals(
            session, repository.find(session, monitor_id, principal.whose), days
        )


@router.put("/{monitor_id}/shadow")
def put_shadow(
    request: Request, monitor_id: MonitorId, wish: schemas.ShadowOrder, principal: Trainer
) -> schemas.ShadowReport:
    """Compare a challenger with who is in charge, on every whole day that comes from now on."""
    monitors = _monitors(request)
    monitors.let_shadow(monitor_id, principal.whose, wish.policy)
    return monitors.shadow_report(monitor_id, principal.whose)


@router.get("/{monitor_id}/shadow")
def get_shadow(request: Request, monitor_id: MonitorId, principal: Reader) -> schemas.ShadowReport:
    """What the challenger that watches would have done, and what that would have cost."""
    return _monitors(request).shadow_report(monitor_id, principal.whose)


@router.delete("/{monitor_id}/shadow", status_code=204)
def delete_shadow(request: Request, monitor_id: MonitorId, principal: Trainer) -> None:
    """Compare no more; what was found stays with its days."""
    _monitors(request).drop_shadow(monitor_id, principal.whose)


@router.post("/{monitor_id}/acknowledge")
def acknowledge(
    request: Request, monitor_id: MonitorId, told: schemas.Acknowledgement, principal: Trainer
) -> schemas.MonitorView:
    """Answer an alarm with nothing: watch on from the next day, with fresh detectors."""
    row = _monitors(request).acknowledge(monitor_id, principal.whose, told.reason)
    return view_of(row, request.app.state.platform.clock.now())


@router.post("/{monitor_id}/pause")
def pause_monitor(
    request: Request, monitor_id: MonitorId, principal: Trainer
) -> schemas.MonitorView:
    """Store telemetry without judging it."""
    row = _monitors(request).pause(monitor_id, principal.whose, is_paused=True)
    return view_of(row, request.app.state.platform.clock.now())


@router.post("/{monitor_id}/resume")
def resume_monitor(
    request: Request, monitor_id: MonitorId, principal: Trainer
) -> schemas.MonitorView:
    """Judge again, what came in the meantime included; a failed monitor tries anew."""
    row = _monitors(request).pause(monitor_id, principal.whose, is_paused=False)
    return view_of(row, request.app.state.platform.clock.now())


def view_of(row: MonitorRow, now: datetime) -> schemas.MonitorView:
    """A monitor as it is shown."""
    stale_seconds = row.watch.get("stale_seconds")
    last = row.last_epoch_at or row.created_at
    told = {
        name: getattr(row, name)
        for name in schemas.MonitorView.model_fields
        if name not in ("is_stale", "watch", "shadow")
    }
    is_stale = stale_seconds is not None and now - last > timedelta(seconds=stale_seconds)
    return schemas.MonitorView(
        **told,
        is_stale=is_stale,
        watch=schemas.WatchOrder.model_validate(row.watch),
        shadow=row.shadow["policy"] if row.shadow else None,
    )


def recent_residuals(session: Session, row: MonitorRow, days: int) -> schemas.Residuals:
    """Series over the last days that were judged by the detectors of now."""
    judged = repository.days(session, row.id, None, days)[::-1]
    return residuals_of([day for day in judged if day.generation == row.generation])


def residuals_of(days: list[MonitorDayRow]) -> schemas.Residuals:
    """Series of every detector and part over some days, in order."""
    series: dict[tuple[str, str], schemas.Series] = {}
    for day in days:
        for detector, verdict in (day.verdicts or {}).items():
            for position, part in enumerate(verdict["names"]):
                one = series.setdefault(
                    (detector, part),
                    schemas.Series(
                        detector=detector, part=part, threshold=verdict["threshold"],
                        days=[], residuals=[], evidence=[],
                    ),
                )  # fmt: skip
                one.days.append(day.day)
                one.residuals.append(verdict["residuals"][position])
                one.evidence.append(_evidence(verdict, position))
    return schemas.Residuals(
        series=list(series.values()), alarms=[day.day for day in days if day.is_alarm]
    )


def _evidence(verdict: dict[str, Any], position: int) -> float:
    return float(max(verdict["up"][position], verdict["down"][position]))


def _monitors(request: Request) -> Monitors:
    monitors: Monitors = request.app.state.monitors
    return monitors
