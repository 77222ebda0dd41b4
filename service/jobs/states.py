"""What a job and an attempt can be in."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    """Waits for cores, for the first time or again."""
    RUNNING = "running"
    CANCELLING = "cancelling"
    """Was cancelled while it ran; its processes are being ended."""
    CANCELLED = "cancelled"
    FAILED = "failed"
    DONE = "done"

    @property
    def is_final(self) -> bool:
        """Whether nothing happens any more unless somebody asks for it."""
        return self in FINAL

    @property
    def is_held(self) -> bool:
        """Whether a service has charge of it, and cores are kept for it."""
        return self in HELD


FINAL = (JobState.CANCELLED, JobState.FAILED, JobState.DONE)
HELD = (JobState.RUNNING, JobState.CANCELLING)


class AttemptState(StrEnum):
    """What became of one process that worked on a job."""

    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    """The job cannot be done as it is: trying again would not help."""
    CRASHED = "crashed"
    """The process ended without a result."""
    STALLED = "stalled"
    """There was no news for too long, so it was ended."""
    OVERDUE = "overdue"
    """It took longer than it may, so it was ended."""
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The service was stopped, and laid it down."""
    LOST = "lost"
    """The service that had charge of it was killed."""

    @property
    def is_its_own_fault(self) -> bool:
        """Whether such ends in a row are a reason to give up soon."""
        return self in (AttemptState.CRASHED, AttemptState.STALLED)
