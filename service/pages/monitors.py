"""Pages of monitors: what is watched, what drifts, what was seen of it, and what was done."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from service.keys.repository import Principal
from service.monitors import repository
from service.monitors.operations import Monitors
from service.monitors.routes import recent_residuals, view_of
from service.monitors.schemas import MonitorView, Residuals, Series
from service.pages.charts import Chart, Line
from service.pages.rendering import live_at, render
from service.pages.visitors import Visitor
from service.paging import Cursor, decode_place, paged
from service.platform import Platform
from service.problems import Problem
from service.schedules import repository as schedules
from service.schedules.operations import Schedules
from service.security import demand

router = APIRouter(include_in_schema=False)

_SHOWN, _MOST, _DAYS, _LINES, _RUNS = 50, 200, 100, 5, 20
MonitorId = Annotated[str, Path(max_length=32, pattern=r"^mon_[0-9a-f]+$")]
ScheduleId = Annotated[str, Form(max_length=32, pattern=r"^sch_[0-9a-f]+$")]


@router.get("/monitors", response_class=HTMLResponse)
def monitors_page(request: Request, visitor: Visitor, cursor: Cursor = None) -> HTMLResponse:
    """All monitors that the visitor may see, the newest first."""
    return render(
        request,
        "live-page.html",
        **_list(request, visitor, cursor),
        part="monitors-live.html",
        title="Monitors",
        live=live_at("/monitors/live", cursor),
        every=5,
    )


@router.get("/monitors/live", response_class=HTMLResponse)
def monitors_live(request: Request, visitor: Visitor, cursor: Cursor = None) -> HTMLResponse:
    """The part of the list that changes."""
    return render(request, "monitors-live.html", **_list(request, visitor, cursor))


@router.get("/monitors/{monitor_id}", response_class=HTMLResponse)
def monitor_page(request: Request, monitor_id: MonitorId, visitor: Visitor) -> HTMLResponse:
    """One monitor."""
    return render(request, "monitor.html", **_one(request, monitor_id, visitor))


@router.get("/monitors/{monitor_id}/live", response_class=HTMLResponse)
def monitor_live(request: Request, monitor_id: MonitorId, visitor: Visitor) -> HTMLResponse:
    """The part of a monitor's page that changes."""
    return render(request, "monitor-live.html", **_one(request, monitor_id, visitor))


@router.post("/monitors/{monitor_id}/do")
async def do(
    request: Request,
    monitor_id: MonitorId,
    visitor: Visitor,
    what: Annotated[str, Form(pattern="^(acknowledge|pause|resume)$")],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Answer an alarm with nothing, judge no more, or judge again."""
    _refuse_reader(visitor)
    monitors: Monitors = request.app.state.monitors
    if what == "acknowledge":
        if not reason.strip():
            raise Problem("refused_input", "say why the alarm asks for nothing")
        await run_sync(monitors.acknowledge, monitor_id, visitor.whose, reason)
    else:
        is_paused = what == "pause"
        await run_sync(lambda: monitors.pause(monitor_id, visitor.whose, is_paused=is_paused))
    return RedirectResponse(f"/monitors/{monitor_id}", status_code=303)


@router.post("/monitors/{monitor_id}/schedule")
async def schedule(
    request: Request,
    monitor_id: MonitorId,
    visitor: Visitor,
    schedule_id: ScheduleId,
    what: Annotated[str, Form(pattern="^(run|pause|resume)$")],
) -> Response:
    """Ask a schedule for a run, or let it begin nothing, or again."""
    _refuse_reader(visitor)
    found: Schedules = request.app.state.schedules
    if what == "run":
        await run_sync(found.run_now, schedule_id, visitor.whose, None)
    else:
        is_paused = what == "pause"
        await run_sync(
            lambda: found.pause(
                schedule_id, visitor.whose, is_paused=is_paused, reason="paused by hand"
            )
        )
    return RedirectResponse(f"/monitors/{monitor_id}", status_code=303)


def watched(session: Session, platform: Platform, visitor: Principal) -> list[MonitorView]:
    """The newest monitors that the visitor may see."""
    now = platform.clock.now()
    return [view_of(row, now) for row in repository.page(session, visitor.whose, None, _MOST)]


def asks_for_somebody(monitor: MonitorView) -> bool:
    """Whether there is an alarm, a failure, or telemetry that has stopped."""
    return monitor.state in ("alarm", "answering", "failed") or monitor.is_stale


def _list(request: Request, visitor: Principal, cursor: str | None) -> dict[str, Any]:
    platform: Platform = request.app.state.platform
    with platform.database.read() as session:
        found = repository.page(session, visitor.whose, decode_place(cursor), _SHOWN + 1)
        rows, following = paged(found, _SHOWN, lambda row: (row.created_at.isoformat(), row.id))
    now = platform.clock.now()
    return {"monitors": [view_of(row, now) for row in rows], "following": following}


def _one(request: Request, monitor_id: str, visitor: Principal) -> dict[str, Any]:
    platform: Platform = request.app.state.platform
    monitors: Monitors = request.app.state.monitors
    with platform.database.read() as session:
        row = repository.find(session, monitor_id, visitor.whose)
        seen = recent_residuals(session, row, _DAYS)
        rules = schedules.page(session, visitor.whose, None, _SHOWN, monitor_id)
        runs = schedules.page_of_runs(session, visitor.whose, None, _RUNS, monitor_id=monitor_id)
        days = repository.days(session, monitor_id, None, 1)
    found: Schedules = request.app.state.schedules
    return {
        "monitor": view_of(row, platform.clock.now()),
        "charts": [_chart(name, seen, what) for name, what in _wanted(seen)],
        "schedules": [found.view(rule) for rule in rules],
        "runs": runs,
        "last_day": days[0].day if days else None,
        "gaps": list(monitors.gaps(monitor_id, visitor.whose, _DAYS))[-10:],
        "shadow": monitors.shadow_report(monitor_id, visitor.whose) if row.shadow else None,
        "may_train": visitor.may("train"),
    }


def _wanted(seen: Residuals) -> list[tuple[str, str]]:
    """Two charts of each detector."""
    names = dict.fromkeys(series.detector for series in seen.series)
    return [(name, what) for name in names for what in ("evidence", "residuals")]


def _chart(detector: str, seen: Residuals, what: str) -> Chart:
    """The parts whose evidence is or was the greatest; what they are called is in the legend."""
    series = [each for each in seen.series if each.detector == detector and each.days]
    series.sort(key=lambda each: -max(each.evidence))
    shown = series[:_LINES]
    is_evidence = what == "evidence"
    title = (
        f"{detector}: evidence of drift, alarm above the dashed line"
        if is_evidence
        else f"{detector}: standardised residuals of the same parts"
    )
    levels = [("threshold", shown[0].threshold)] if shown and is_evidence else []
    return Chart(
        title=title,
        x_label="day",
        y_label=what,
        lines=[Line(name=each.part, xs=each.days, ys=_values(each, what)) for each in shown],
        levels=levels,
        marks=[(f"alarm on day {day}", float(day)) for day in seen.alarms],
    )


def _values(series: Series, what: str) -> list[float]:
    return series.evidence if what == "evidence" else series.residuals


def _refuse_reader(visitor: Principal) -> None:
    demand(visitor, "train")
