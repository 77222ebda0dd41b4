"""The first page: what is running, what drifts, what was promoted."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.jobs.states import JobState
from service.keys.repository import Principal
from service.models import repository
from service.pages.jobs import open_jobs
from service.pages.monitors import asks_for_somebody, watched
from service.pages.rendering import render
from service.pages.visitors import Visitor
from service.platform import Platform
from service.schedules import repository as schedules
from service.sessions.operations import Sessions

router = APIRouter(include_in_schema=False)

_SHOWN = 10


@router.get("/", response_class=HTMLResponse)
def overview_page(request: Request, visitor: Visitor) -> HTMLResponse:
    """What is going on."""
    return render(
        request,
        "live-page.html",
        **_all(request, visitor),
        part="overview-live.html",
        title="Overview",
        live="/live",
        every=5,
    )


@router.get("/live", response_class=HTMLResponse)
def overview_live(request: Request, visitor: Visitor) -> HTMLResponse:
    """The part that changes: all of it."""
    return render(request, "overview-live.html", **_all(request, visitor))


def _all(request: Request, visitor: Principal) -> dict[str, Any]:
    platform: Platform = request.app.state.platform
    sessions: Sessions = request.app.state.sessions
    jobs = open_jobs(request, visitor)
    with platform.database.read() as session:
        moves = repository.recent_moves(session, _SHOWN)
        monitors = watched(session, platform, visitor)
        runs = schedules.page_of_runs(session, visitor.whose, None, _SHOWN)
    return {
        "jobs": jobs,
        "running": sum(job.state.is_held for job in jobs),
        "waiting": sum(job.state is JobState.QUEUED for job in jobs),
        "drifting": [each for each in monitors if asks_for_somebody(each)],
        "watched": len(monitors),
        "runs": runs,
        "moves": moves,
        "sessions": sessions.count(visitor.whose),
    }
