"""What can be done with jobs, for routes, pages and the scheduler alike."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from service.clock import Clock
from service.jobs.folders import JobFolder
from service.jobs.job import Job
from service.jobs.registry import Registry
from service.jobs.repository import JobRepository, Order
from service.jobs.settings import JobSettings
from service.jobs.specs import (
    BaseSpec,
    FromJob,
    FromModel,
    Given,
    Input,
    Spec,
    digest_of,
    inputs_of,
)
from service.jobs.states import JobState
from service.problems import Problem
from service.scenarios.catalogue import Catalogue
from training.journal import whole_folder

Material = Mapping[str, Path]
"""Folders that come with a job, by the name under which its spec asks for them (`given`)."""


class Desk:
    """Takes orders: everything is checked before a job is put into the queue."""

    def __init__(
        self,
        *,
        repository: JobRepository,
        registry: Registry,
        catalogue: Catalogue,
        settings: JobSettings,
        data: Path,
        clock: Clock,
    ) -> None:
        self._repository, self._registry, self._settings = repository, registry, settings
        self._catalogue, self._data, self._clock = catalogue, data, clock

    def submit(
        self,
        owner: str,
        spec: Spec,
        idempotency_key: str | None = None,
        material: Material | None = None,
    ) -> Job:
        """Put a job into the queue; the same key and spec again give the same job.

        Raises Problem, and SurrogymError for a spec that cannot be done as it is.
        """
        digest = digest_of(spec)
        if idempotency_key is not None:
            known = self._repository.find_key(owner, idempotency_key, digest)
            if known is not None:
                return known
        self._refuse(spec, owner)
        job_id = self._new_id()
        given = material or {}
        inputs = {
            name: self._folder(job_id, owner, asked, given) for name, asked in inputs_of(spec)
        }
        self._copy(job_id, given)
        order = Order(
            id=job_id,
            owner=owner,
            kind=spec.kind,
            title=spec.title,
            spec=spec.model_dump(mode="json"),
            digest=digest,
            inputs=inputs,
            cores=spec.cores,
            idempotency_key=idempotency_key,
        )
        job = self._repository.add(order, self._settings.queued_per_owner)
        if job.id != job_id:
            shutil.rmtree(self._job(job_id).path, ignore_errors=True)
        return job

    def _refuse(self, spec: BaseSpec, owner: str) -> None:
        self._catalogue.reference(spec.scenario)
        spec.check()
        for kind, name in spec.publish.items():
            self._registry.check_name(name, kind, owner)
        most = self._settings.cores
        if most and spec.cores > most:
            raise Problem(
                "refused_input", f"{spec.cores} cores asked for, {most} are here: ask for fewer"
            )

    def _folder(self, job_id: str, owner: str, asked: Input, given: Material) -> str:
        """Where an input is, within the data folder."""
        match asked:
            case FromJob():
                return self._artefact(asked, owner)
            case FromModel():
                found = self._registry.resolve(asked.model).folder
                return str(found.absolute().relative_to(self._data))
            case Given():
                if asked.given not in given:
                    raise Problem("refused_input", f"nothing was given as {asked.given!r}")
                return str((self._job(job_id).given / asked.given).relative_to(self._data))

    def _artefact(self, asked: FromJob, owner: str) -> str:
        job = self._repository.get(asked.job, owner)
        if job.state is not JobState.DONE:
            raise Problem("conflict", f"job {job.id} is {job.state}: wait until it is done")
        return self._repository.artefact(job.id, asked.artefact).folder

    def _copy(self, job_id: str, given: Material) -> None:
        for name, folder in given.items():
            with whole_folder(self._job(job_id).given / name) as partial:
                shutil.copytree(folder, partial, dirs_exist_ok=True)

    def _job(self, job_id: str) -> JobFolder:
        return JobFolder(data=self._data, job_id=job_id)

    def _new_id(self) -> str:
        """Later jobs have larger ids, so that lists in their order are lists by time."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        return f"job-{milliseconds:012x}{secrets.token_hex(6)}"
