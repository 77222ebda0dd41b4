"""Pages of training jobs: the queue, and one job with its curves as it learns."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.jobs.attempts import clean
from service.jobs.folders import JobFolder
from service.jobs.job import Event, Job
from service.jobs.runtime import Jobs
from service.jobs.states import JobState
from service.keys.repository import Principal
from service.pages.charts import Chart, Line
from service.pages.rendering import live_at, render
from service.pages.visitors import Visitor
from service.paging import Cursor, decode_cursor, paged
from service.security import demand

router = APIRouter(include_in_schema=False)

_SHOWN = 50
_MOST_POINTS = 20_000
_LOG_BYTES = 16 << 10
JobId = Annotated[str, Path(max_length=40, pattern="^[A-Za-z0-9_-]+$")]


@router.get("/jobs", response_class=HTMLResponse)
def jobs_page(request: Request, visitor: Visitor, cursor: Cursor = None) -> HTMLResponse:
    """All jobs that the visitor may see, the newest first."""
    return render(
        request,
        "live-page.html",
        **_list(request, visitor, cursor),
        part="jobs-live.html",
        title="Training jobs",
        live=live_at("/jobs/live", cursor),
        every=3,
    )


@router.get("/jobs/live", response_class=HTMLResponse)
def jobs_live(request: Request, visitor: Visitor, cursor: Cursor = None) -> HTMLResponse:
    """The part of the list that changes."""
    return render(request, "jobs-live.html", **_list(request, visitor, cursor))


@router.get("/jobs/{job_id}", response_class=HTMLResponse)
def job_page(request: Request, job_id: JobId, visitor: Visitor) -> HTMLResponse:
    """One job."""
    return render(request, "job.html", **_one(request, job_id, visitor))


@router.get("/jobs/{job_id}/live", response_class=HTMLResponse)
def job_live(request: Request, job_id: JobId, visitor: Visitor) -> HTMLResponse:
    """The part of a job's page that changes."""
    return render(request, "job-live.html", **_one(request, job_id, visitor))


@router.post("/jobs/{job_id}/do")
async def do(
    request: Request,
    job_id: JobId,
    visitor: Visitor,
    what: Annotated[str, Form(pattern="^(cancel|resume|retry)$")],
) -> Response:
    """Cancel a job, let it go on, or begin it anew."""
    demand(visitor, "train")
    jobs = _jobs(request)
    act = {"cancel": jobs.cancel, "resume": jobs.resume, "retry": jobs.retry}[what]
    await run_sync(act, job_id, visitor.whose)
    return RedirectResponse(f"/jobs/{job_id}", status_code=303)


def open_jobs(request: Request, visitor: Principal) -> list[Job]:
    """What waits or runs, the newest first, and what failed last."""
    states = [state for state in JobState if not state.is_final or state is JobState.FAILED]
    return _jobs(request).repository.page(visitor.whose, limit=_SHOWN, states=states)[:_SHOWN]


def _list(request: Request, visitor: Principal, cursor: str | None) -> dict[str, Any]:
    before = None if cursor is None else str(decode_cursor(cursor, str)[0])
    found = _jobs(request).repository.page(visitor.whose, limit=_SHOWN, before=before)
    rows, following = paged(found, _SHOWN, lambda job: (job.id,))
    return {"jobs": rows, "following": following}


def _one(request: Request, job_id: str, visitor: Principal) -> dict[str, Any]:
    jobs = _jobs(request)
    job = jobs.get(job_id, visitor.whose)
    points = jobs.repository.events(job_id, 0, _MOST_POINTS, kind="point")
    return {
        "job": job,
        "attempts": jobs.repository.attempts(job_id),
        "artefacts": jobs.repository.artefacts(job_id),
        "curves": _curves(points),
        "log": _log(jobs, job),
        "may_train": visitor.may("train"),
    }


def _curves(points: list[Event]) -> Chart | None:
    """Mean returns by training, over environment steps; those of the last generation's attempts."""
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for point in points:
        told = point.payload
        value = told.get("evaluation")
        value = told.get("mean_return") if value is None else value
        if value is None:
            continue
        xs, ys = lines.setdefault(str(told["training"]), ([], []))
        if xs and told["steps"] < xs[-1]:
            # An attempt that was killed left a curve that the next one draws anew.
            xs.clear()
            ys.clear()
        xs.append(float(told["steps"]))
        ys.append(float(value))
    if not lines:
        return None
    return Chart(
        title="Learning curves: mean return over environment steps",
        x_label="environment steps",
        y_label="mean return",
        lines=[Line(name=name, xs=xs, ys=ys) for name, (xs, ys) in lines.items()],
    )


def _log(jobs: Jobs, job: Job) -> str:
    path = JobFolder(data=jobs.data, job_id=job.id).attempt(job.attempts).log
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_BYTES))
            return clean(file.read())
    except FileNotFoundError:
        return ""


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs
