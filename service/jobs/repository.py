"""Jobs as their owners read and steer them; who may write as a holder is in `leases`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.clock import Clock
from service.database import Database
from service.jobs.job import Artefact, Attempt, Event, Job
from service.jobs.leases import tell
from service.jobs.states import FINAL, HELD, JobState
from service.jobs.tables import ArtefactRow, AttemptRow, EventRow, JobRow
from service.ownership import find_owned
from service.problems import Problem, retry_after

_OPEN = (JobState.QUEUED, *HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job that is to be put into the queue."""

    id: str
    owner: str
    kind: str
    title: str | None
    spec: dict[str, Any]
    digest: str
    inputs: dict[str, str]
    cores: int
    idempotency_key: str | None


class JobRepository:
    """All jobs; `owner` None asks for those of everybody, as an admin may."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(self, order: Order, most_open: int) -> Job:
        """Put a job into the queue, or find the one that has its key.

        Raises Problem for a key of another spec, and where the owner has too many jobs open.
        """
        try:
            with self._database.begin() as session:
                known = self._with_key(session, order.owner, order.idempotency_key)
                if known is None:
                    _refuse_too_many(session, order.owner, most_open)
                    row = self._row(order)
                    session.add(row)
                    session.flush()
                    tell(session, row, "state", row.created_at, _queued())
                    return Job.of(row)
        except IntegrityError:
            # Somebody with the same key was quicker, on PostgreSQL.
            with self._database.read() as session:
                known = self._with_key(session, order.owner, order.idempotency_key)
            if known is None:
                raise
        return _same(known, order.digest)

    def find_key(self, owner: str, key: str, digest: str) -> Job | None:
        """The job that was submitted under a key; raises Problem for another spec."""
        with self._database.read() as session:
            known = self._with_key(session, owner, key)
        return None if known is None else _same(known, digest)

    def get(self, job_id: str, owner: str | None) -> Job:
        """One job; raises Problem where there is none, or none of this owner."""
        with self._database.read() as session:
            return Job.of(_owned(session, job_id, owner))

    def page(
        self,
        owner: str | None,
        *,
        limit: int,
        before: str | None = None,
        states: Sequence[JobState] = (),
        kinds: Sequence[str] = (),
    ) -> list[Job]:
        """The newest first, and one more than `limit` where there are more."""
        asked = select(JobRow).order_by(JobRow.id.desc()).limit(limit + 1)
        if owner is not None:
            asked = asked.where(JobRow.owner == owner)
        if before is not None:
            asked = asked.where(JobRow.id < before)
        if states:
            asked = asked.where(JobRow.state.in_(states))
        if kinds:
            asked = asked.where(JobRow.kind.in_(kinds))
        with self._database.read() as session:
            return [Job.of(row) for row in session.scalars(asked)]

    def attempts(self, job_id: str) -> list[Attempt]:
        """The oldest first."""
        with self._database.read() as session:
            rows = session.scalars(
                select(AttemptRow).where(AttemptRow.job_id == job_id).order_by(AttemptRow.number)
            )
            return [Attempt.of(row) for row in rows]

    def events(
        self, job_id: str, after: int, limit: int = 500, kind: str | None = None
    ) -> list[Event]:
        """What happened after an event, in order."""
        asked = (
            select(EventRow)
            .where(EventRow.job_id == job_id, EventRow.sequence > after)
            .order_by(EventRow.sequence)
            .limit(limit)
        )
        if kind is not None:
            asked = asked.where(EventRow.kind == kind)
        with self._database.read() as session:
            return [Event.of(row) for row in session.scalars(asked)]

    def artefacts(self, job_id: str) -> list[Artefact]:
        """What a job has made, by name."""
        with self._database.read() as session:
            rows = session.scalars(
                select(ArtefactRow).where(ArtefactRow.job_id == job_id).order_by(ArtefactRow.name)
            )
            return [Artefact.of(row) for row in rows]

    def artefact(self, job_id: str, name: str) -> Artefact:
        """One of them; raises Problem where there is none."""
        with self._database.read() as session:
            row = session.get(ArtefactRow, (job_id, name))
        if row is None:
            raise Problem("not_found", "the job has made no artefact of that name")
        return Artefact.of(row)

    def cancel(self, job_id: str, owner: str | None, reason: str | None) -> Job:
        """Cancel a job that waits at once, one that runs soon; again is no harm.

        Raises Problem for a job that has ended otherwise.
        """
        now = self._clock.now()
        with self._database.begin() as session:
            row = _owned(session, job_id, owner, lock=True)
            state = JobState(row.state)
            if state in (JobState.CANCELLING, JobState.CANCELLED):
                return Job.of(row)
            if state.is_final:
                raise Problem("conflict", f"the job is {state}: there is nothing to cancel")
            is_waiting = state is JobState.QUEUED
            row.state = JobState.CANCELLED if is_waiting else JobState.CANCELLING
            row.reason = reason or "it was cancelled"
            row.ended_at = now if is_waiting else None
            tell(session, row, "state", now, {"state": row.state, "reason": row.reason})
            return Job.of(row)

    def renew(self, job_id: str, owner: str | None, most_open: int, *, afresh: bool) -> Job:
        """Put a failed or cancelled job into the queue again.

        It goes on after its last finished step, or begins from the start. Raises Problem for a job
        in another state.
        """
        now = self._clock.now()
        with self._database.begin() as session:
            row = _owned(session, job_id, owner, lock=True)
            state = JobState(row.state)
            if state not in FINAL or state is JobState.DONE:
                raise Problem("conflict", f"the job is {state}, and not failed or cancelled")
            _refuse_too_many(session, row.owner, most_open)
            row.state, row.reason, row.queued_at = JobState.QUEUED, None, now
            row.not_before = row.ended_at = row.outcome = None
            row.crashes = row.losses = 0
            if afresh:
                row.generation += 1
                row.progress, row.step = 0.0, None
            session.execute(delete(ArtefactRow).where(ArtefactRow.job_id == row.id))
            tell(session, row, "state", now, _queued())
            return Job.of(row)

    def counts(self, host: str) -> tuple[dict[JobState, int], int]:
        """Jobs by state, and cores that are taken on a machine."""
        with self._database.read() as session:
            found = session.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
            states = {JobState(state): count for state, count in found}
            taken = session.scalar(
                select(func.coalesce(func.sum(JobRow.cores), 0)).where(
                    JobRow.state.in_(HELD), JobRow.host == host
                )
            )
        return states, int(taken or 0)

    def _row(self, order: Order) -> JobRow:
        now = self._clock.now()
        return JobRow(
            id=order.id,
            owner=order.owner,
            kind=order.kind,
            title=order.title,
            spec=order.spec,
            spec_digest=order.digest,
            inputs=order.inputs,
            idempotency_key=order.idempotency_key,
            state=JobState.QUEUED,
            cores=order.cores,
            created_at=now,
            queued_at=now,
            progress=0.0,
            generation=1,
            attempts=0,
            crashes=0,
            losses=0,
            last_event=0,
            token=0,
        )

    def _with_key(self, session: Session, owner: str, key: str | None) -> JobRow | None:
        if key is None:
            return None
        return session.scalar(
            select(JobRow).where(JobRow.owner == owner, JobRow.idempotency_key == key)
        )


def _owned(session: Session, job_id: str, owner: str | None, *, lock: bool = False) -> JobRow:
    return find_owned(session, JobRow, job_id, owner, "job", lock=lock)


def _refuse_too_many(session: Session, owner: str, most_open: int) -> None:
    count = session.scalar(
        select(func.count()).where(JobRow.owner == owner, JobRow.state.in_(_OPEN))
    )
    if (count or 0) >= most_open:
        raise Problem(
            "quota_exceeded",
            f"{count} jobs are waiting or running, {most_open} may: wait, or cancel some",
            headers=retry_after(30),
        )


def _same(row: JobRow, digest: str) -> Job:
    if row.spec_digest != digest:
        raise Problem(
            "idempotency_key_reused", "this key came with another spec before: take a new one"
        )
    return Job.of(row)


def _queued() -> dict[str, Any]:
    return {"state": JobState.QUEUED, "reason": None}
