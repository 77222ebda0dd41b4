"""/v1/training-jobs: every stage of the work, as jobs that survive."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.jobs.attempts import clean
from service.jobs.examples import openapi_examples
from service.jobs.folders import JobFolder
from service.jobs.job import Job
from service.jobs.runtime import Jobs
from service.jobs.schemas import (
    ArtefactDocument,
    AttemptDocument,
    CancelOrder,
    EventDocument,
    JobDocument,
    JobStory,
    KindName,
    PointDocument,
)
from service.jobs.specs import Spec
from service.jobs.states import JobState
from service.keys.vigil import Vigil
from service.paging import Cursor, Limit, Page, decode_cursor, encode_cursor, paged
from service.problems import Problem
from service.security import Reader, Trainer, Whose

router = APIRouter(prefix="/training-jobs", tags=["training jobs"])

JobId = Annotated[str, Path(max_length=40, pattern="^[A-Za-z0-9_-]+$")]
ArtefactName = Annotated[str, Path(max_length=60, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same spec gives the job that is there already",
    ),
]
_LOG_BYTES = 256 << 10


def _own_job(request: Request, job_id: JobId, asks: Reader) -> Job:
    """The job of the path; a Problem before anything is answered where it is not one's own."""
    return _jobs(request).get(job_id, asks.whose)


OwnJob = Annotated[Job, Depends(_own_job)]


@router.post("", status_code=202)
def submit_job(
    request: Request,
    response: Response,
    spec: Annotated[Spec, Body(openapi_examples=openapi_examples())],
    asks: Trainer,
    idempotency_key: IdempotencyKey = None,
) -> JobDocument:
    """Put a job into the queue."""
    job = _jobs(request).submit(asks.owner, spec, idempotency_key)
    response.headers["Location"] = f"/v1/training-jobs/{job.id}"
    return _told(job)


@router.get("")
def list_jobs(
    request: Request,
    whose: Whose,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Annotated[list[JobState] | None, Query(max_length=10)] = None,
    kind: Annotated[list[KindName] | None, Query(max_length=10)] = None,
) -> Page[JobDocument]:
    """One's jobs, the newest first; an admin sees everybody's."""
    before = None if cursor is None else str(decode_cursor(cursor, str)[0])
    found = _jobs(request).repository.page(
        whose, limit=limit, before=before, states=state or (), kinds=kind or ()
    )
    shown, following = paged(found, limit, lambda job: (job.id,))
    return Page(items=[_told(job) for job in shown], next_cursor=following)


@router.get("/{job_id}")
def get_job(request: Request, job: OwnJob) -> JobStory:
    """One job, its spec and its attempts."""
    made = [
        AttemptDocument.model_validate(each, from_attributes=True)
        for each in _jobs(request).repository.attempts(job.id)
    ]
    return JobStory(**_told(job).model_dump(), spec=job.spec, attempts_made=made)


@router.post("/{job_id}/cancel", status_code=202)
def cancel_job(
    request: Request, job_id: JobId, asks: Trainer, order: CancelOrder | None = None
) -> JobDocument:
    """Cancel a job, whether it waits or runs; nothing of it runs any more within seconds."""
    reason = None if order is None else order.reason
    return _told(_jobs(request).cancel(job_id, asks.whose, reason))


@router.post("/{job_id}/resume", status_code=202)
def resume_job(request: Request, job_id: JobId, asks: Trainer) -> JobDocument:
    """Go on with a failed or cancelled job after its last finished step."""
    return _told(_jobs(request).resume(job_id, asks.whose))


@router.post("/{job_id}/retry", status_code=202)
def retry_job(request: Request, job_id: JobId, asks: Trainer) -> JobDocument:
    """Begin a failed or cancelled job from the start."""
    return _told(_jobs(request).retry(job_id, asks.whose))


@router.get("/{job_id}/events", response_class=EventSourceResponse)
async def follow_job(
    request: Request,
    job: OwnJob,
    asks: Reader,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """All that happens, as it happens, to the end of job or key; taken up after Last-Event-ID."""
    begin = after if last_event_id is None else _sequence(last_event_id)
    vigil: Vigil = request.app.state.vigil
    with vigil.over(asks) as revoked:
        async for event in _jobs(request).follow(job.id, begin, revoked):
            told = EventDocument.model_validate(event, from_attributes=True)
            yield ServerSentEvent(
                data=told.model_dump(mode="json"), event=event.kind, id=str(event.sequence)
            )


@router.get("/{job_id}/curve")
def get_curve(
    request: Request, job: OwnJob, limit: Limit = 200, cursor: Cursor = None
) -> Page[PointDocument]:
    """Points of the learning curves, in order."""
    after = 0 if cursor is None else int(decode_cursor(cursor, int)[0])
    events = _jobs(request).repository.events(job.id, after, limit + 1, kind="point")
    shown = events[:limit]
    return Page(
        items=[PointDocument(attempt=each.attempt, **each.payload) for each in shown],
        next_cursor=encode_cursor(shown[-1].sequence) if len(events) > limit else None,
    )


@router.get("/{job_id}/logs", response_class=PlainTextResponse)
def get_log(
    request: Request,
    job: OwnJob,
    attempt: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    offset: Annotated[int, Query(ge=0, le=2**40)] = 0,
) -> PlainTextResponse:
    """What an attempt has printed, the last one's by default; `Next-Offset` says where to go on."""
    folder = JobFolder(data=_jobs(request).data, job_id=job.id)
    content, end = _read(folder.attempt(attempt or job.attempts).log, offset)
    return PlainTextResponse(clean(content), headers={"Next-Offset": str(end)})


@router.get("/{job_id}/artefacts")
def list_artefacts(request: Request, job: OwnJob) -> Page[ArtefactDocument]:
    """What a job has made."""
    found = _jobs(request).repository.artefacts(job.id)
    return Page(
        items=[ArtefactDocument.model_validate(each, from_attributes=True) for each in found]
    )


@router.get("/{job_id}/artefacts/{name}")
def get_artefact(request: Request, job: OwnJob, name: ArtefactName) -> ArtefactDocument:
    """One artefact: its files with their hashes."""
    found = _jobs(request).repository.artefact(job.id, name)
    return ArtefactDocument.model_validate(found, from_attributes=True)


@router.get("/{job_id}/artefacts/{name}/{file}", response_class=FileResponse)
def download_file(
    request: Request, job: OwnJob, name: ArtefactName, file: ArtefactName
) -> FileResponse:
    """One file of an artefact; its ETag is its SHA-256."""
    jobs = _jobs(request)
    found = jobs.repository.artefact(job.id, name)
    known = next((each for each in found.files if each["name"] == file), None)
    path = jobs.data / found.folder / file
    if known is None or not path.is_file():
        raise Problem("not_found", "the artefact has no file of that name")
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=file,
        headers={"ETag": f'"{known["sha256"]}"'},
    )


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


def _told(job: Job) -> JobDocument:
    return JobDocument.model_validate(job, from_attributes=True)


def _sequence(last_event_id: str) -> int:
    # Browsers send back what they were given; anything else begins from the start.
    return int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 10 else 0


def _read(path: FilePath, offset: int) -> tuple[bytes, int]:
    """Some of a file from an offset on, and the offset behind it; all of one that was cut."""
    try:
        with path.open("rb") as file:
            begin = offset if offset <= file.seek(0, os.SEEK_END) else 0
            file.seek(begin)
            content = file.read(_LOG_BYTES)
            return content, begin + len(content)
    except FileNotFoundError:
        return b"", 0
