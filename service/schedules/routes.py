"""/v1/schedules and /v1/runs: what is done when, and what became of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from service.keys.repository import Principal
from service.paging import Cursor, Limit, Page, decode_place, paged
from service.problems import Problem
from service.schedules import repository, schemas
from service.schedules.operations import Schedules
from service.schedules.tables import RunRow
from service.security import Reader, Trainer, Whose

router = APIRouter(tags=["schedules"])

ScheduleId = Annotated[str, Path(max_length=32, pattern=r"^sch_[0-9a-f]+$")]
RunId = Annotated[str, Path(max_length=32, pattern=r"^run_[0-9a-f]+$")]
MonitorFilter = Annotated[str | None, Query(max_length=32, pattern=r"^mon_[0-9a-f]+$")]
IdempotencyKey = Annotated[
    str | None, Header(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")
]


@router.post("/schedules", status_code=201)
def create_schedule(
    request: Request, response: Response, order: schemas.ScheduleOrder, principal: Trainer
) -> schemas.ScheduleView:
    """Say what is done about a monitor: on its alarms, at certain times, when wishes change."""
    _refuse_unless_promoter(principal)
    row = _schedules(request).create(principal.owner, order)
    response.headers["Location"] = f"/v1/schedules/{row.id}"
    return _schedules(request).view(row)


@router.get("/schedules")
def list_schedules(
    request: Request,
    whose: Whose,
    limit: Limit = 50,
    cursor: Cursor = None,
    monitor: MonitorFilter = None,
) -> Page[schemas.ScheduleView]:
    """One's schedules, the newest first; an admin sees everybody's."""
    with request.app.state.platform.database.read() as session:
        found = repository.page(session, whose, decode_place(cursor), limit + 1, monitor)
        rows, following = paged(found, limit, lambda row: (row.created_at.isoformat(), row.id))
    return Page(items=[_schedules(request).view(row) for row in rows], next_cursor=following)


@router.get("/schedules/{schedule_id}")
def get_schedule(
    request: Request, schedule_id: ScheduleId, principal: Reader
) -> schemas.ScheduleView:
    """One schedule, and when its cron is due next."""
    with request.app.state.platform.database.read() as session:
        row = repository.find(session, schedule_id, principal.whose)
    return _schedules(request).view(row)


@router.patch("/schedules/{schedule_id}")
def change_schedule(
    request: Request, schedule_id: ScheduleId, wish: schemas.ScheduleChange, principal: Trainer
) -> schemas.ScheduleView:
    """Have some of it otherwise; runs that are at work go on as they began."""
    _refuse_unless_promoter(principal)
    row = _schedules(request).change(schedule_id, principal.whose, wish)
    return _schedules(request).view(row)


@router.delete("/schedules/{schedule_id}", status_code=204)
def delete_schedule(request: Request, schedule_id: ScheduleId, principal: Trainer) -> None:
    """End a schedule, whatever it has at work, and its runs."""
    _schedules(request).remove(schedule_id, principal.whose)


@router.post("/schedules/{schedule_id}/pause")
def pause_schedule(
    request: Request, schedule_id: ScheduleId, principal: Trainer, why: schemas.Why | None = None
) -> schemas.ScheduleView:
    """Begin nothing by itself any more; what is at work goes on."""
    reason = None if why is None else why.reason
    row = _schedules(request).pause(schedule_id, principal.whose, is_paused=True, reason=reason)
    return _schedules(request).view(row)


@router.post("/schedules/{schedule_id}/resume")
def resume_schedule(
    request: Request, schedule_id: ScheduleId, principal: Trainer
) -> schemas.ScheduleView:
    """Begin again; times that came in the meantime are passed over, an alarm is not."""
    row = _schedules(request).pause(schedule_id, principal.whose, is_paused=False)
    return _schedules(request).view(row)


@router.put("/schedules/{schedule_id}/objective", status_code=202)
def put_objective(
    request: Request, schedule_id: ScheduleId, wish: schemas.ObjectiveOrder, principal: Trainer
) -> schemas.RunView:
    """Want something else from now on: policies are trained for it, on the surrogate as it is."""
    return _told(_schedules(request).want(schedule_id, principal.whose, wish))


@router.post("/schedules/{schedule_id}/runs", status_code=202)
def run_now(
    request: Request,
    response: Response,
    schedule_id: ScheduleId,
    principal: Trainer,
    idempotency_key: IdempotencyKey = None,
) -> schemas.RunView:
    """Ask for a run at once; the same Idempotency-Key gives the same run."""
    run = _schedules(request).run_now(schedule_id, principal.whose, idempotency_key)
    response.headers["Location"] = f"/v1/runs/{run.id}"
    return _told(run)


@router.post("/schedules/{schedule_id}/backfill", status_code=202)
def backfill(
    request: Request, schedule_id: ScheduleId, wish: schemas.BackfillOrder, principal: Trainer
) -> Page[schemas.RunView]:
    """Make up for cron times of the past, each once."""
    runs = _schedules(request).backfill(schedule_id, principal.whose, wish)
    return Page(items=[_told(run) for run in runs])


@router.get("/runs")
def list_runs(
    request: Request,
    whose: Whose,
    limit: Limit = 50,
    cursor: Cursor = None,
    schedule: Annotated[str | None, Query(max_length=32, pattern=r"^sch_[0-9a-f]+$")] = None,
    monitor: MonitorFilter = None,
    state: Annotated[list[schemas.RunState] | None, Query(max_length=10)] = None,
) -> Page[schemas.RunView]:
    """One's runs, the newest first; an admin sees everybody's."""
    with request.app.state.platform.database.read() as session:
        found = repository.page_of_runs(
            session,
            whose,
            decode_place(cursor),
            limit + 1,
            schedule_id=schedule,
            monitor_id=monitor,
            states=state or (),
        )
        rows, following = paged(found, limit, lambda row: (row.created_at.isoformat(), row.id))
    return Page(items=[_told(row) for row in rows], next_cursor=following)


@router.get("/runs/{run_id}")
def get_run(request: Request, run_id: RunId, principal: Reader) -> schemas.RunView:
    """One run: what asked for it, what was decided, its jobs, and what came of it."""
    with request.app.state.platform.database.read() as session:
        return _told(repository.find_run(session, run_id, principal.whose))


@router.post("/runs/{run_id}/cancel")
def cancel_run(
    request: Request, run_id: RunId, principal: Trainer, why: schemas.Why | None = None
) -> schemas.RunView:
    """End a run and its jobs; the alarm that it answered stands."""
    reason = "it was cancelled" if why is None else why.reason
    return _told(_schedules(request).cancel_run(run_id, principal.whose, reason))


def _refuse_unless_promoter(principal: Principal) -> None:
    """Its runs move aliases."""
    if not principal.may("promote"):
        raise Problem("forbidden", "a schedule promotes: it needs the scope 'promote' too")


def _told(run: RunRow) -> schemas.RunView:
    return schemas.RunView.model_validate(run)


def _schedules(request: Request) -> Schedules:
    schedules: Schedules = request.app.state.schedules
    return schedules
