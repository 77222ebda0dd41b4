"""Evidence for a promotion, as the gate of a stored job measured it: no figures from outside."""

from __future__ import annotations

from pathlib import PurePosixPath

from sqlalchemy.orm import Session

from service.jobs.states import JobState
from service.jobs.tables import ArtefactRow, JobRow
from service.models.operations import Evidence
from service.ownership import find_owned
from service.problems import Problem

_GATED = "retrain"
"""The kind of job that ends with a gate."""


def evidence_of(
    session: Session, job_id: str, owner: str | None, name: str, version: int
) -> Evidence:
    """What a job's gate measured of the version that it made, against the one it stood on.

    Raises Problem for a job that is not there, is not done, or made something else.
    """
    job = find_owned(session, JobRow, job_id, owner, "job")
    if job.kind != _GATED or job.state != JobState.DONE or job.outcome is None:
        raise Problem("promotion_refused", f"only a {_GATED} job that is done has evidence")
    made = session.get(ArtefactRow, (job_id, "policy"))
    if made is None or made.published != {"name": name, "version": version}:
        raise Problem("promotion_refused", "the job has not registered this version of this model")
    measured = job.outcome["evidence"]
    return Evidence(
        job=job_id,
        champion=_held_against(job, name),
        low=measured["low"],
        value=measured["value"],
        high=measured["high"],
        episodes=measured["count"],
    )


def _held_against(job: JobRow, name: str) -> int | None:
    """The version of this model that was in charge in the job; None where it was another model."""
    folder = PurePosixPath(job.inputs["policy"])
    return int(folder.name) if folder.parent == PurePosixPath("models", name) else None
