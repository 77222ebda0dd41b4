"""Training jobs from Python: submit, follow, fetch."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from service.client.transport import NotReached, Transport
from service.jobs.schemas import (
    ArtefactDocument,
    EventDocument,
    JobDocument,
    JobStory,
    PointDocument,
)
from sim.errors import SurrogymError
from training.journal import whole_folder

_URL = "/v1/training-jobs"
_FINAL = frozenset({"done", "failed", "cancelled"})


class DamagedDownload(SurrogymError):
    """A file that is not what the service said it would send."""


class JobsClient:
    """The queue."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def submit(self, spec: Mapping[str, Any], *, idempotency_key: str | None = None) -> JobDocument:
        """Put a job into the queue, once, however often the request is lost and sent again."""
        answer = self._transport.request(
            "POST",
            _URL,
            may_repeat=True,
            json=dict(spec),
            headers={"Idempotency-Key": idempotency_key or uuid.uuid4().hex},
        )
        return JobDocument.model_validate(answer.json())

    def list(self, **filters: Any) -> list[JobDocument]:
        """One's jobs, the newest first; `state`, `kind` and `owner` choose."""
        return [JobDocument.model_validate(item) for item in self._transport.items(_URL, **filters)]

    def get(self, job_id: str) -> JobStory:
        """One job, its spec and its attempts."""
        return JobStory.model_validate(self._transport.request("GET", f"{_URL}/{job_id}").json())

    def follow(self, job_id: str, after: int = 0) -> Iterator[EventDocument]:
        """All that happens, each thing once and in order, until the job ends.

        Goes on where it was when the service was away. Raises NotReached when patience is at its
        end.
        """
        until = time.monotonic() + self._transport.patience_seconds
        while True:
            try:
                for event in self._events(job_id, after):
                    after, until = (
                        event.sequence,
                        time.monotonic() + self._transport.patience_seconds,
                    )
                    yield event
            except httpx2.TransportError as error:
                if time.monotonic() >= until:
                    raise NotReached(f"{self._transport.address} does not answer") from error
                time.sleep(0.5)
                continue
            if self.get(job_id).state in _FINAL:
                return
            time.sleep(0.2)

    def wait(self, job_id: str) -> JobStory:
        """A job that has ended, well or not."""
        for _ in self.follow(job_id):
            pass
        return self.get(job_id)

    def cancel(self, job_id: str, reason: str | None = None) -> JobDocument:
        """Cancel a job, whether it waits or runs."""
        return self._act(job_id, "cancel", {"reason": reason})

    def resume(self, job_id: str) -> JobDocument:
        """Go on with a failed or cancelled job after its last finished step."""
        return self._act(job_id, "resume")

    def retry(self, job_id: str) -> JobDocument:
        """Begin a failed or cancelled job from the start."""
        return self._act(job_id, "retry")

    def curve(self, job_id: str) -> Sequence[PointDocument]:
        """Points of a job's learning curves, in order."""
        found = self._transport.items(f"{_URL}/{job_id}/curve")
        return [PointDocument.model_validate(item) for item in found]

    def artefacts(self, job_id: str) -> Sequence[ArtefactDocument]:
        """What a job has made."""
        found = self._transport.items(f"{_URL}/{job_id}/artefacts")
        return [ArtefactDocument.model_validate(item) for item in found]

    def download(self, job_id: str, name: str, folder: Path) -> None:
        """Write the files of an artefact as a folder, whole or not at all.

        Raises DamagedDownload for a file whose SHA-256 is not what the service told.
        """
        url = f"{_URL}/{job_id}/artefacts/{name}"
        told = ArtefactDocument.model_validate(self._transport.request("GET", url).json())
        with whole_folder(folder) as partial:
            for file in told.files:
                content = self._transport.request("GET", f"{url}/{file.name}").content
                if hashlib.sha256(content).hexdigest() != file.sha256:
                    raise DamagedDownload(f"{file.name}: not what the service sent: ask again")
                (partial / file.name).write_bytes(content)

    def log(self, job_id: str) -> str:
        """What the last attempt has printed, at most its first 256 KiB."""
        return self._transport.request("GET", f"{_URL}/{job_id}/logs").text

    def _act(self, job_id: str, what: str, told: Mapping[str, Any] | None = None) -> JobDocument:
        answer = self._transport.request("POST", f"{_URL}/{job_id}/{what}", json=told)
        return JobDocument.model_validate(answer.json())

    def _events(self, job_id: str, after: int) -> Iterator[EventDocument]:
        headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
        with self._transport.stream(f"{_URL}/{job_id}/events", headers=headers) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    yield EventDocument.model_validate(json.loads(line[5:]))
