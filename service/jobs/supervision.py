"""One thread that has charge of this service's jobs: starts, watches, ends and takes over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from service.clock import Clock
from service.jobs.attempts import PROGRAM, Attempted, Launcher
from service.jobs.folders import JobFolder
from service.jobs.leases import Claim, LeaseLost, Leases
from service.jobs.metrics import JobMetrics
from service.jobs.notes import STEP, read_notes
from service.jobs.processes import kill_all, processes_of
from service.jobs.publishing import Publisher
from service.jobs.settings import JobSettings
from service.jobs.states import AttemptState, JobState
from service.scenarios.catalogue import Catalogue

_SILENT_SECONDS = 30.0
"""Without a turn after which the supervisor is taken to be stuck."""
_GIVING_BACK_SECONDS = 3.0
"""For what follows on the end of processes, those that had to be killed included."""
_LAST_SECONDS = 0.5
"""Of a stop: to kill whatever is still there."""


class Supervisor:
    """Turns over and over: keep the leases, look at each process, take over, claim."""

    def __init__(
        self,
        *,
        leases: Leases,
        settings: JobSettings,
        data: Path,
        clock: Clock,
        publisher: Publisher,
        catalogue: Catalogue,
        metrics: JobMetrics,
        on_news: Callable[[str], None],
        program: tuple[str, ...] = PROGRAM,
    ) -> None:
        self._leases, self._settings, self._data, self._clock = leases, settings, data, clock
        self._publisher, self._metrics, self._on_news = publisher, metrics, on_news
        self._launcher = Launcher(
            data=data, settings=settings, clock=clock, catalogue=catalogue, program=program
        )
        self.attempts: dict[str, Attempted] = {}
        self._wake, self._ends = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._renewed = self._last_turn = float("-inf")
        self._seconds_to_stop = float("inf")
        self._log = structlog.get_logger("surrogym.jobs")

    def start(self) -> None:
        """Begin; jobs of a dead predecessor are taken over at once."""
        self._last_turn = self._clock.monotonic()
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End every process within so long, and give the jobs back to the queue."""
        self._seconds_to_stop = seconds
        self._ends.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def wake(self) -> None:
        """Look now: somebody has submitted or cancelled something."""
        self._wake.set()

    @property
    def is_well(self) -> bool:
        """Whether it turns."""
        silent = self._clock.monotonic() - self._last_turn
        return self._thread.is_alive() and silent < _SILENT_SECONDS

    def _run(self) -> None:
        # Processes are started by this thread, which must outlive them: the kernel ends them when
        # the thread ends that has started them.
        while not self._ends.is_set():
            self._turn()
            if self._wake.wait(self._settings.poll_seconds):
                self._wake.clear()
                self._renewed = float("-inf")
        self._lay_down()

    def _turn(self) -> None:
        for part in (self._renew, self._look, self._take_over, self._fill):
            try:
                part()
            except Exception as error:
                # A database that is away for a while: the leases hold until it is back.
                self._log.error("jobs: a turn failed", part=part.__name__, exc_info=error)
        self._last_turn = self._clock.monotonic()

    def _renew(self) -> None:
        now = self._clock.monotonic()
        if now - self._renewed < self._settings.heartbeat_seconds:
            return
        held = self._leases.renew()
        self._renewed = now
        for job_id, state in held.items():
            if job_id not in self.attempts:
                self._recover(job_id)
            elif state is JobState.CANCELLING:
                self.attempts[job_id].end(AttemptState.CANCELLED, None)
        for job_id in [each for each in self.attempts if each not in held]:
            self._let_go(job_id)
        for attempt in self.attempts.values():
            attempt.reassure()

    def _recover(self, job_id: str) -> None:
        """A claim that was kept although we were told that it failed."""
        claim = self._leases.mine(job_id)
        if claim is not None:
            self.attempts[job_id] = self._launcher.lost(claim)

    def _look(self) -> None:
        for job_id, attempt in list(self.attempts.items()):
            try:
                self._listen(attempt)
                attempt.watch()
                if attempt.has_ended:
                    self._settle(attempt)
            except LeaseLost:
                self._let_go(job_id)

    def _listen(self, attempt: Attempted) -> bool:
        """Make events of what was said; whether anything was."""
        claim = attempt.claim
        said, offset = read_notes(attempt.folder.notes, attempt.read_bytes)
        if offset == attempt.read_bytes:
            return False
        steps = attempt.steps + sum(
            each.kind == STEP and not each.payload.get("was_there") for each in said
        )
        self._leases.take_in(claim, said, offset, steps)
        attempt.heard(offset, steps)
        self._on_news(claim.job_id)
        return True

    def _settle(self, attempt: Attempted) -> None:
        """End an attempt whose process is gone, once nothing that it started is left."""
        claim = attempt.claim
        left = processes_of(claim.job_id)
        if left:
            kill_all(left)
            return
        while self._listen(attempt):
            pass
        end = self._publisher.publish(claim, attempt.verdict())
        state = self._leases.finish(claim, end)
        self.attempts.pop(claim.job_id, None)
        attempt.close()
        JobFolder(data=self._data, job_id=claim.job_id).tidy(state, claim.generation)
        self._metrics.ended(claim, end, attempt.seconds)
        self._log.info(
            "attempt ended",
            job_id=claim.job_id, attempt=claim.attempt, end=end.state.value, state=state.value,
            reason=end.reason,
        )  # fmt: skip
        self._on_news(claim.job_id)

    def _let_go(self, job_id: str) -> None:
        """Somebody else has the job: end our process, write nothing."""
        attempt = self.attempts.pop(job_id, None)
        if attempt is not None:
            self._log.warning("lease lost", job_id=job_id, attempt=attempt.claim.attempt)
            attempt.kill()
            attempt.close()

    def _take_over(self) -> None:
        for orphan in self._leases.orphans():
            if self._leases.is_dead(orphan):
                claim = self._leases.adopt(orphan)
                if claim is not None:
                    self._log.info("job taken over", job_id=claim.job_id, attempt=claim.attempt)
                    self.attempts[claim.job_id] = self._launcher.lost(claim)

    def _fill(self) -> None:
        while not self._ends.is_set() and self._settings.cores:
            claim = self._leases.claim()
            if claim is None:
                return
            self._metrics.claimed(claim)
            self._begin(claim)

    def _begin(self, claim: Claim) -> None:
        attempt = self._launcher.launch(claim)
        self.attempts[claim.job_id] = attempt
        process = attempt.process
        if process is not None:
            with suppress(LeaseLost):
                self._leases.began(claim, process)
        self._on_news(claim.job_id)

    def _lay_down(self) -> None:
        """End all processes together, and give the jobs back."""
        for attempt in self.attempts.values():
            attempt.end(AttemptState.INTERRUPTED, "the service was stopped")
        patience = self._settings.grace_seconds + _GIVING_BACK_SECONDS
        seconds = min(patience, self._seconds_to_stop - _LAST_SECONDS)
        deadline = self._clock.monotonic() + seconds
        while self.attempts and self._clock.monotonic() < deadline:
            try:
                self._look()
            except Exception as error:
                self._log.error("jobs: stopping failed", exc_info=error)
            self._ends.wait(0.05)
        for job_id in list(self.attempts):
            self._let_go(job_id)
