"""A service of jobs alone, on either database, and what tests ask of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.clock import SystemClock
from service.database import Database
from service.jobs.job import Event, Job
from service.jobs.runtime import Jobs
from service.jobs.settings import JobSettings
from service.jobs.specs import SPEC, Spec
from service.jobs.states import JobState
from service.platform import Platform
from service.scenarios.catalogue import Catalogue
from service.settings import Settings
from tests.service.jobs.light import PROGRAM, Plan

QUICK = {
    "cores": 2,
    "poll_seconds": 0.03,
    "heartbeat_seconds": 0.2,
    "lease_seconds": 4.0,
    "grace_seconds": 0.3,
    "wait_seconds": 0.05,
}


def collect_spec(**given: Any) -> Spec:
    """A job of the simplest kind."""
    return SPEC.validate_python({"kind": "collect", "scenario": "clinic", **given})


class NoModels:
    """Nothing is registered."""

    def register(self, **_: Any) -> Any:
        raise LookupError("no registry")

    def check_name(self, name: str, kind: str, owner: str) -> None:
        pass

    def resolve(self, reference: str, kind: Any = None) -> Any:
        raise LookupError("no registry")


@dataclass
class House:
    """A service of jobs alone whose jobs are light."""

    url: str
    data: Path
    settings: dict[str, Any] = field(default_factory=dict)
    jobs: Jobs = field(init=False)

    def open(self) -> House:
        """Start it, as after a kill where it was there before."""
        database = Database(self.url)
        database.upgrade()
        settings = Settings(data=self.data, jobs=JobSettings(**QUICK | self.settings))
        platform = Platform(settings=settings, database=database, clock=SystemClock())
        catalogue = Catalogue(self.data / "scenarios")
        self.jobs = Jobs(platform, catalogue, NoModels(), program=PROGRAM)
        self._database = database
        asyncio.run(self.jobs.start())
        return self

    def close(self) -> None:
        """Stop it."""
        asyncio.run(self.jobs.stop(8.0))
        self._database.close()

    def submit(self, plan: Plan | None = None, *, owner: str = "ann", **given: Any) -> Job:
        """Put a light job into the queue."""
        spec = collect_spec(title=(plan or Plan()).title(), **given)
        return self.jobs.submit(owner, spec)

    def until(self, job: Job, *states: JobState, seconds: float = 30.0) -> Job:
        """The job when it is in one of the states."""
        until(lambda: self.jobs.get(job.id), lambda seen: seen.state in states, seconds)
        return self.jobs.get(job.id)

    def events(self, job: Job) -> list[Event]:
        """All that happened to it."""
        return self.jobs.repository.events(job.id, 0, 10_000)


def until(look: Callable[[], Any], is_there: Callable[[Any], bool], seconds: float = 30.0) -> Any:
    """Look again and again."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if is_there(seen):
            return seen
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """One local Ray for a module that needs one.

    It ends with it: whoever comes after has his own, whose processes look for modules where he is.
    """
    from training.rllib.session import ray_session

    with ray_session(num_cpus=2):
        yield


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Opens one on SQLite, with the settings given."""
    opened: list[House] = []

    def open_one(**settings: Any) -> House:
        url = f"sqlite:///{tmp_path / 'jobs.db'}"
        opened.append(House(url=url, data=tmp_path / "data", settings=settings).open())
        return opened[-1]

    yield open_one
    for house in opened:
        house.close()


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    """One with nothing configured."""
    return open_house()
