"""One process that works on a job, as the service that has started it sees it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import service
from service.clock import Clock
from service.jobs.folders import AttemptFolder, JobFolder
from service.jobs.leases import Claim, End
from service.jobs.processes import MARK, Identity, end_group, kill_all, processes_of
from service.jobs.results import read_result
from service.jobs.settings import JobSettings
from service.jobs.states import AttemptState
from service.scenarios.catalogue import Catalogue
from training.journal import write_json

PROGRAM = (sys.executable, "-m", "service.jobs.attempt")
_LAST_BYTES = 4000
_SECRETS = re.compile(r"sgk_\w+|(?<=://)[^/@\s]*:[^/@\s]*(?=@)")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Attempted:
    """An attempt that this service has charge of; without a process where that is lost."""

    def __init__(
        self,
        claim: Claim,
        folder: AttemptFolder,
        settings: JobSettings,
        clock: Clock,
        child: subprocess.Popen[bytes] | None = None,
        pipe: int | None = None,
    ) -> None:
        self.claim, self.folder = claim, folder
        self.read_bytes, self.steps = claim.read_bytes, claim.steps
        self._settings, self._clock = settings, clock
        self._child, self._pipe = child, pipe
        self._began = self._heard = clock.monotonic()
        self._ending: tuple[AttemptState, str | None] | None = None
        self._kill_at = float("inf")
        self._limit = min(settings.limit_seconds, claim.spec["limit_seconds"] or float("inf"))
        self._patience = min(settings.stall_seconds, claim.spec["stall_seconds"] or float("inf"))

    @property
    def process(self) -> Identity | None:
        """The process, where it still runs."""
        return None if self._child is None else Identity.of(self._child.pid)

    @property
    def has_ended(self) -> bool:
        """Whether its process is gone."""
        return self._child is None or self._child.poll() is not None

    @property
    def seconds(self) -> float:
        """Since it began, or was taken over."""
        return self._clock.monotonic() - self._began

    def heard(self, read_bytes: int, steps: int) -> None:
        """There was news."""
        self.read_bytes, self.steps = read_bytes, steps
        self._heard = self._clock.monotonic()

    def reassure(self) -> None:
        """Tell the process that the job is still ours."""
        if self._pipe is not None:
            with suppress(BlockingIOError, BrokenPipeError):
                os.write(self._pipe, b".")

    def watch(self) -> None:
        """End it where it is stuck or overdue, and for good where it was asked to end."""
        now = self._clock.monotonic()
        if self._ending is None:
            if now - self._began > self._limit:
                self.end(AttemptState.OVERDUE, f"longer than {self._limit:g} s")
            elif now - self._heard > self._patience:
                self.end(AttemptState.STALLED, f"no news for {self._patience:g} s")
        elif now >= self._kill_at:
            self._kill_at = float("inf")
            self.kill()
        self._cut_log()

    def end(self, state: AttemptState, reason: str | None) -> None:
        """Ask its processes to end; they are killed a little later. The first reason counts."""
        if self._ending is None:
            self._ending = (state, reason)
            self._kill_at = self._clock.monotonic() + self._settings.grace_seconds
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End at once whatever works on the job."""
        self._signal(signal.SIGKILL)
        kill_all(processes_of(self.claim.job_id))

    def verdict(self) -> End:
        """How it ended, when nothing of it runs any more."""
        result = read_result(self.folder.result)
        code = None if self._child is None else self._child.returncode
        if result is not None:
            return End(state=AttemptState.DONE, exit_code=code, result=result)
        refusal = _refusal(self.folder.refusal)
        if refusal is not None:
            return End(state=AttemptState.REFUSED, reason=refusal, exit_code=code)
        told = self._last_lines()
        if self._ending is not None:
            state, reason = self._ending
            return End(state=state, reason=reason, exit_code=code, last_lines=told)
        if code is None:
            reason = "the service that had charge of it was killed"
            return End(state=AttemptState.LOST, reason=reason, last_lines=told)
        return End(state=AttemptState.CRASHED, reason=_told(code), exit_code=code, last_lines=told)

    def close(self) -> None:
        """Leave nothing behind but its folder."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=1.0)
        shutil.rmtree(ray_folder(self.claim), ignore_errors=True)

    def _signal(self, how: signal.Signals) -> None:
        if self._child is not None and self._child.poll() is None:
            end_group(self._child.pid, how)

    def _last_lines(self) -> str | None:
        try:
            with self.folder.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
                return clean(file.read())
        except FileNotFoundError:
            return None

    def _cut_log(self) -> None:
        with suppress(FileNotFoundError):
            if self.folder.log.stat().st_size > self._settings.log_bytes:
                # It is opened for appending, so that whoever writes goes on at the new end.
                os.truncate(self.folder.log, 0)


def clean(content: bytes) -> str:
    """A log as it may be shown: no keys, no passwords of URLs, nothing that is not text."""
    text = content.decode("utf-8", "replace").replace("\0", "")
    return _SECRETS.sub("***", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """Starts the processes of jobs."""

    data: Path
    settings: JobSettings
    clock: Clock
    catalogue: Catalogue
    program: tuple[str, ...] = PROGRAM
    """What is run with the attempt's folder and our number."""

    def launch(self, claim: Claim) -> Attempted:
        """Start the process of a claim; it ends with us."""
        folder = self._folder(claim)
        shutil.rmtree(folder.path, ignore_errors=True)
        folder.path.mkdir(parents=True)
        write_json(folder.order, self._order(claim))
        reads, writes = os.pipe()
        os.set_blocking(writes, False)
        try:
            with folder.log.open("ab") as log:
                child = subprocess.Popen(
                    [*self.program, str(folder.path), str(os.getpid())],
                    stdin=reads, stdout=log, stderr=log, env=_environment(claim),
                    start_new_session=True,
                )  # fmt: skip
        except BaseException:
            os.close(writes)
            raise
        finally:
            os.close(reads)
        return Attempted(claim, folder, self.settings, self.clock, child, writes)

    def lost(self, claim: Claim) -> Attempted:
        """An attempt whose process is not our child: whatever is left of it will be ended."""
        return Attempted(claim, self._folder(claim), self.settings, self.clock)

    def _folder(self, claim: Claim) -> AttemptFolder:
        return JobFolder(data=self.data, job_id=claim.job_id).attempt(claim.attempt)

    def _order(self, claim: Claim) -> dict[str, object]:
        job = JobFolder(data=self.data, job_id=claim.job_id)
        return {
            "job": claim.job_id,
            "attempt": claim.attempt,
            "spec": claim.spec,
            "system": self.catalogue.reference(claim.spec["scenario"]),
            "inputs": {name: str(self.data / path) for name, path in claim.inputs.items()},
            "work": str(job.work(claim.generation)),
            "data": str(self.data),
            "lease_seconds": self.settings.lease_seconds,
        }


def ray_folder(claim: Claim) -> Path:
    """Where a Ray of this attempt keeps its files; short, because of sockets' names."""
    return Path(tempfile.gettempdir()) / f"sg-{claim.job_id[-10:]}-{claim.attempt}"


def _environment(claim: Claim) -> dict[str, str]:
    """What the process knows: the service's own settings, passwords among them, it does not."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SURROGYM_") and not name.startswith("PG")
    }
    root = str(Path(service.__file__).resolve().parents[1])
    path = os.pathsep.join(part for part in (root, kept.get("PYTHONPATH")) if part)
    return kept | dict.fromkeys(_THREADS, "1") | {
        MARK: claim.job_id,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "RAY_TMPDIR": str(ray_folder(claim)),
    }  # fmt: skip


def _refusal(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text())["reason"]).replace("\0", "")
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _told(code: int) -> str:
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code} and no result"
