"""Who has charge of a job: claims, renewals, and what only the holder may write.

A claim gives a token that grows each time. Everything a holder writes goes through `_fenced`, which
locks the row and compares, so that a service that was given up for dead changes nothing any more.
All of it works alike on SQLite, where a transaction that writes has the whole database, and on
PostgreSQL, where it has the row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from service.clock import Clock
from service.database import Database
from service.jobs.notes import PROGRESS, STEP, Said
from service.jobs.processes import Identity
from service.jobs.results import Result
from service.jobs.settings import JobSettings
from service.jobs.states import HELD, AttemptState, JobState
from service.jobs.tables import ArtefactRow, AttemptRow, EventRow, JobRow

_LONGEST_WAIT = timedelta(minutes=2)
"""Before a crashed job is tried again."""
OnFailure = Callable[[Session, JobRow], None]


class LeaseLost(Exception):
    """Somebody else has charge of the job by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A running service."""

    id: str
    host: str
    process: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A job that this service has charge of."""

    job_id: str
    owner: str
    kind: str
    spec: dict[str, Any]
    inputs: dict[str, str]
    generation: int
    attempt: int
    token: int
    waited_seconds: float
    read_bytes: int = 0
    """How much of the attempt's notes has become events."""
    steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A job whose holder is another service, perhaps dead."""

    job_id: str
    token: int
    host: str
    holder_process: str
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an attempt ended."""

    state: AttemptState
    reason: str | None = None
    exit_code: int | None = None
    last_lines: str | None = None
    result: Result | None = None
    published: dict[str, dict[str, Any]] | None = None


class Leases:
    """The jobs of one running service."""

    def __init__(
        self, database: Database, clock: Clock, holder: Holder, settings: JobSettings
    ) -> None:
        self._database, self._clock = database, clock
        self._holder, self._settings = holder, settings
        self.on_failure: list[OnFailure] = []
        """Who hears of jobs that fail for good, in the transactions that note it."""

    def claim(self) -> Claim | None:
        """Take charge of the next job in the queue, where there are cores for it.

        Owners with fewer jobs at work come first, then who has waited longest. The first in the
        queue is not passed by a smaller one, which might keep it waiting for ever.
        """
        if not self._is_somebody_waiting():
            return None
        with self._database.begin() as session:
            self._lock_host(session)
            row = session.scalar(self._next())
            if row is None or row.cores > self._free_cores(session):
                return None
            return self._take(session, row)

    def renew(self) -> dict[str, JobState]:
        """Hold on to all that is held; the jobs that are, by id."""
        until = self._until()
        with self._database.begin() as session:
            session.execute(
                update(JobRow)
                .where(JobRow.holder == self._holder.id, JobRow.state.in_(HELD))
                .values(lease_until=until)
            )
            rows = session.execute(
                select(JobRow.id, JobRow.state).where(
                    JobRow.holder == self._holder.id, JobRow.state.in_(HELD)
                )
            )
            return {job_id: JobState(state) for job_id, state in rows}

    def began(self, claim: Claim, process: Identity) -> None:
        """Note which process works on it; raises LeaseLost."""
        with self._database.begin() as session:
            self._fenced(session, claim)
            _attempt(session, claim).process = str(process)

    def take_in(self, claim: Claim, said: Sequence[Said], read_bytes: int, steps: int) -> None:
        """Make events of what an attempt has said, each once; raises LeaseLost."""
        with self._database.begin() as session:
            row, attempt = self._fenced(session, claim), _attempt(session, claim)
            attempt.read_bytes, attempt.steps = read_bytes, steps
            for each in said:
                tell(session, row, each.kind, each.at, each.payload, claim.attempt)
                _note_progress(row, each)

    def finish(self, claim: Claim, end: End) -> JobState:
        """End an attempt, and with it the job or not; raises LeaseLost."""
        now = self._clock.now()
        with self._database.begin() as session:
            row, attempt = self._fenced(session, claim), _attempt(session, claim)
            attempt.state, attempt.reason, attempt.ended_at = end.state, end.reason, now
            attempt.exit_code, attempt.last_lines = end.exit_code, end.last_lines
            if end.result is not None:
                _keep(session, row, end.result, end.published or {})
            if attempt.steps:
                row.crashes = row.losses = 0
            state, reason = self._after(row, end, is_vain=attempt.steps == 0)
            row.state, row.reason = state, reason
            row.holder = row.host = row.holder_process = row.lease_until = None
            row.seconds_left = None
            row.ended_at = now if state.is_final else None
            if state is JobState.DONE:
                row.progress = 1.0
            elif state is JobState.QUEUED:
                row.queued_at, row.not_before = now, self._not_before(row, end, now)
            told = {"state": state, "reason": reason, "attempt_ended": end.state}
            tell(session, row, "state", now, told, claim.attempt)
            if state is JobState.FAILED:
                for hear in self.on_failure:
                    hear(session, row)
            return state

    def orphans(self) -> list[Orphan]:
        """Jobs that other services hold."""
        with self._database.read() as session:
            rows = session.scalars(
                select(JobRow).where(JobRow.state.in_(HELD), JobRow.holder != self._holder.id)
            )
            return [_orphan(row) for row in rows]

    def is_dead(self, orphan: Orphan) -> bool:
        """Whether its holder surely works on it no more.

        On this machine its process tells. On another the lease must have run out for as long again:
        by then the job's own process has ended itself, whatever the clocks say to each other.
        """
        if orphan.host == self._holder.host:
            return not Identity.parse(orphan.holder_process).is_alive
        patience = timedelta(seconds=self._settings.lease_seconds)
        return orphan.lease_until + patience < self._clock.now()

    def adopt(self, orphan: Orphan) -> Claim | None:
        """Take charge of the job of a dead holder; None where somebody else has."""
        with self._database.begin() as session:
            row = session.get(JobRow, orphan.job_id, with_for_update=True)
            if row is None or row.token != orphan.token or row.state not in HELD:
                return None
            self._hold(row)
            return _claim(row, session.get_one(AttemptRow, (row.id, row.attempts)))

    def mine(self, job_id: str) -> Claim | None:
        """The claim on a job that this service holds, as the database has it."""
        with self._database.read() as session:
            row = session.get(JobRow, job_id)
            if row is None or row.holder != self._holder.id or row.state not in HELD:
                return None
            return _claim(row, session.get_one(AttemptRow, (row.id, row.attempts)))

    def _take(self, session: Session, row: JobRow) -> Claim:
        now = self._clock.now()
        self._hold(row)
        row.state, row.started_at = JobState.RUNNING, row.started_at or now
        row.attempts += 1
        attempt = AttemptRow(
            job_id=row.id,
            number=row.attempts,
            generation=row.generation,
            state=AttemptState.RUNNING,
            host=self._holder.host,
            started_at=now,
            steps=0,
            read_bytes=0,
        )
        session.add(attempt)
        told = {"state": JobState.RUNNING, "reason": None}
        tell(session, row, "state", now, told, row.attempts)
        return _claim(row, attempt, (now - row.queued_at).total_seconds())

    def _hold(self, row: JobRow) -> None:
        row.token += 1
        row.holder, row.host = self._holder.id, self._holder.host
        row.holder_process, row.lease_until = str(self._holder.process), self._until()

    def _fenced(self, session: Session, claim: Claim) -> JobRow:
        row = session.get(JobRow, claim.job_id, with_for_update=True)
        if row is None or row.token != claim.token or row.holder != self._holder.id:
            raise LeaseLost(claim.job_id)
        return row

    def _after(self, row: JobRow, end: End, *, is_vain: bool) -> tuple[JobState, str | None]:
        """What becomes of a job when an attempt has ended so, in vain or after some steps."""
        if end.state is AttemptState.DONE:
            return JobState.DONE, end.reason
        if row.state == JobState.CANCELLING or end.state is AttemptState.CANCELLED:
            return JobState.CANCELLED, row.reason
        if end.state in (AttemptState.REFUSED, AttemptState.OVERDUE):
            return JobState.FAILED, end.reason
        if end.state.is_its_own_fault and is_vain:
            row.crashes += 1
            if row.crashes >= self._settings.crashes:
                told = f"given up after {row.crashes} attempts without a finished step"
                return JobState.FAILED, f"{told}: {end.reason}"
        if end.state is AttemptState.LOST and is_vain:
            row.losses += 1
            if row.losses >= self._settings.losses:
                told = f"the service ended {row.losses} times before the job finished a step"
                return JobState.FAILED, told
        return JobState.QUEUED, end.reason

    def _not_before(self, row: JobRow, end: End, now: datetime) -> datetime | None:
        """A crash is waited for, and so is a second loss: a full disk is not full for ever."""
        doublings = row.crashes if end.state.is_its_own_fault else row.losses - 1
        if end.state is AttemptState.INTERRUPTED or doublings < 1:
            return None
        wait = self._settings.wait_seconds * 2.0 ** min(doublings, 20)
        return now + min(_LONGEST_WAIT, timedelta(seconds=wait))

    def _next(self) -> Any:
        """The first in the queue."""
        now = self._clock.now()
        at_work = (
            select(JobRow.owner, func.count().label("jobs"))
            .where(JobRow.state.in_(HELD))
            .group_by(JobRow.owner)
            .subquery()
        )
        # What lies beyond the longest wait was written before somebody set the clock back.
        is_due = or_(
            JobRow.not_before.is_(None),
            JobRow.not_before <= now,
            JobRow.not_before > now + 2 * _LONGEST_WAIT,
        )
        return (
            select(JobRow)
            .outerjoin(at_work, at_work.c.owner == JobRow.owner)
            .where(JobRow.state == JobState.QUEUED, JobRow.cores <= self._settings.cores, is_due)
            .order_by(func.coalesce(at_work.c.jobs, 0), JobRow.queued_at, JobRow.id)
            .limit(1)
            .with_for_update(of=JobRow, skip_locked=True)
        )

    def _is_somebody_waiting(self) -> bool:
        """Asked first, because it takes no lock."""
        with self._database.read() as session:
            waiting = select(JobRow.id).where(JobRow.state == JobState.QUEUED).limit(1)
            return session.scalar(waiting) is not None

    def _free_cores(self, session: Session) -> int:
        taken = session.scalar(
            select(func.coalesce(func.sum(JobRow.cores), 0)).where(
                JobRow.state.in_(HELD), JobRow.host == self._holder.host
            )
        )
        return self._settings.cores - int(taken or 0)

    def _lock_host(self, session: Session) -> None:
        """One claim at a time on one machine, or two services would fill the same cores."""
        if not self._database.is_sqlite:
            digest = hashlib.sha256(self._holder.host.encode()).digest()
            key = int.from_bytes(digest[:8], signed=True)
            session.execute(select(func.pg_advisory_xact_lock(key)))

    def _until(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._settings.lease_seconds)


def tell(
    session: Session,
    row: JobRow,
    kind: str,
    at: datetime,
    payload: dict[str, Any],
    attempt: int | None = None,
) -> None:
    """Append an event to a job whose row is locked."""
    row.last_event += 1
    session.add(
        EventRow(
            job_id=row.id,
            sequence=row.last_event,
            kind=kind,
            at=at,
            attempt=attempt,
            payload=payload,
        )
    )


def _attempt(session: Session, claim: Claim) -> AttemptRow:
    return session.get_one(AttemptRow, (claim.job_id, claim.attempt))


def _claim(row: JobRow, attempt: AttemptRow, waited_seconds: float = 0.0) -> Claim:
    return Claim(
        job_id=row.id,
        owner=row.owner,
        kind=row.kind,
        spec=row.spec,
        inputs=row.inputs,
        generation=attempt.generation,
        attempt=attempt.number,
        token=row.token,
        waited_seconds=waited_seconds,
        read_bytes=attempt.read_bytes,
        steps=attempt.steps,
    )


def _orphan(row: JobRow) -> Orphan:
    assert row.host is not None
    assert row.holder_process is not None
    assert row.lease_until is not None
    return Orphan(
        job_id=row.id,
        token=row.token,
        host=row.host,
        holder_process=row.holder_process,
        lease_until=row.lease_until,
    )


def _note_progress(row: JobRow, said: Said) -> None:
    told = said.payload
    if said.kind == PROGRESS:
        share, left = told.get("share"), told.get("seconds_left")
        row.progress = min(1.0, max(0.0, share)) if isinstance(share, int | float) else 0.0
        row.seconds_left = max(0.0, left) if isinstance(left, int | float) else None
    if said.kind in (PROGRESS, STEP) and told.get("step"):
        row.step = str(told["step"])[:100]


def _keep(
    session: Session, row: JobRow, result: Result, published: dict[str, dict[str, Any]]
) -> None:
    row.outcome = result.summary
    session.execute(delete(ArtefactRow).where(ArtefactRow.job_id == row.id))
    for made in result.artefacts:
        session.add(
            ArtefactRow(
                job_id=row.id,
                name=made.name,
                kind=made.kind,
                folder=made.folder,
                files=list(made.files),
                facts=made.facts,
                published=published.get(made.name),
            )
        )
