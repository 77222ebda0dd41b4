"""Where a job's files are, within the data folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from service.jobs.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFolder:
    """Of one job: its finished steps, an attempt's notes each, and what was given with it.

    `work-N` is the journal of the N-th beginning; attempts share it, one after another.
    `attempt-N` belongs to one attempt alone, so that what a late one still writes touches nobody.
    """

    data: Path
    job_id: str

    @property
    def path(self) -> Path:
        """All of it."""
        return self.data / "jobs" / self.job_id

    @property
    def given(self) -> Path:
        """What came with the job rather than from another one."""
        return self.path / "given"

    def work(self, generation: int) -> Path:
        """The journal."""
        return self.path / f"work-{generation}"

    def attempt(self, number: int) -> AttemptFolder:
        """That of one attempt."""
        return AttemptFolder(path=self.path / f"attempt-{number}")

    def tidy(self, state: JobState, generation: int) -> None:
        """Remove journals that nobody goes on from."""
        for path in self.path.glob("work-*"):
            if state is JobState.DONE or path != self.work(generation):
                shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFolder:
    """Of one attempt."""

    path: Path

    @property
    def order(self) -> Path:
        """What it was told to do."""
        return self.path / "order.json"

    @property
    def notes(self) -> Path:
        """What it says, a line of JSON each."""
        return self.path / "notes.jsonl"

    @property
    def log(self) -> Path:
        """What it and its libraries print."""
        return self.path / "log.txt"

    @property
    def result(self) -> Path:
        """What it has made; there as a whole or not at all."""
        return self.path / "result"

    @property
    def refusal(self) -> Path:
        """Why the job cannot be done as it is."""
        return self.path / "refusal.json"
