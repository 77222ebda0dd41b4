"""The queue, on either database: who gets what, and who may still write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.clock import HandClock
from service.database import Database
from service.jobs.leases import Claim, End, Holder, LeaseLost, Leases
from service.jobs.notes import POINT, PROGRESS, Said
from service.jobs.operations import Desk
from service.jobs.processes import Identity, this_process
from service.jobs.repository import JobRepository
from service.jobs.results import Made, Result
from service.jobs.settings import JobSettings
from service.jobs.states import HELD, AttemptState, JobState
from service.problems import Problem
from service.scenarios.catalogue import Catalogue
from tests.service.jobs.conftest import NoModels, collect_spec

DEAD = Identity(pid=2**22 + 1, started=1)


@dataclass
class Queue:
    """A database with jobs, and services that want them."""

    url: str
    data: Path
    settings: JobSettings = field(default_factory=lambda: JobSettings(cores=4, queued_per_owner=50))
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        self.database = Database(self.url)
        self.database.upgrade()
        self.jobs = JobRepository(self.database, self.clock)
        self.open(self.settings)

    def open(self, settings: JobSettings) -> None:
        self.settings = settings
        self.desk = Desk(
            repository=self.jobs, registry=NoModels(), catalogue=Catalogue(self.data / "scenarios"),
            settings=self.settings, data=self.data, clock=self.clock,
        )  # fmt: skip

    def submit(self, owner: str = "ann", key: str | None = None, **given: Any) -> str:
        self.clock.advance(0.01)
        return self.desk.submit(owner, collect_spec(**given), key).id

    def service(self, name: str, host: str = "here", process: Identity | None = None) -> Leases:
        holder = Holder(id=name, host=host, process=process or this_process())
        return Leases(self.database, self.clock, holder, self.settings)

    def state(self, job_id: str) -> JobState:
        return self.jobs.get(job_id, None).state


@pytest.fixture
def queue(database_url: str, tmp_path: Path) -> Iterator[Queue]:
    made = Queue(url=database_url, data=tmp_path / "data")
    yield made
    made.database.close()


def claimed(service: Leases) -> Claim:
    claim = service.claim()
    assert claim is not None
    return claim


def test_the_same_key_gives_the_same_job_and_never_another_spec(queue: Queue) -> None:
    """A client that got no answer asks again, and must not train twice."""
    first = queue.submit(key="k", seed=1)
    assert queue.submit(key="k", seed=1) == first
    assert queue.submit("bob", key="k", seed=1) != first, "keys are each owner's own"
    with pytest.raises(Problem) as refused:
        queue.submit(key="k", seed=2)
    assert refused.value.code == "idempotency_key_reused"


def test_many_who_ask_at_once_under_one_key_get_one_job(queue: Queue) -> None:
    """A client's retries may overtake each other."""
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(queue.submit(key="k"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(queue.jobs.page(None, limit=10)) == 1


def test_services_that_compete_give_each_job_out_once_and_keep_within_the_cores(
    queue: Queue,
) -> None:
    """Two services on one machine and one database: nothing twice, no core two times."""
    for number in range(24):
        queue.submit(owner=f"owner {number % 3}", cores=1 + number % 3)
    services = [queue.service(name) for name in ("a", "b", "c")]
    given: list[str] = []
    most = [0]
    lock = threading.Lock()

    def work(service: Leases) -> None:
        while any(job.state is JobState.QUEUED for job in queue.jobs.page(None, limit=100)):
            claim = service.claim()
            if claim is None:
                continue
            with lock:
                given.append(claim.job_id)
                most[0] = max(most[0], queue.jobs.counts("here")[1])
            service.finish(claim, End(state=AttemptState.DONE))

    threads = [threading.Thread(target=work, args=(service,)) for service in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(given) == len(set(given)) == 24
    assert 3 <= most[0] <= 4


def test_a_large_job_is_not_passed_for_ever_by_small_ones(queue: Queue) -> None:
    """Whoever waits longest is next, although a smaller one would fit at once."""
    service = queue.service("a")
    first, large, small = (queue.submit(cores=cores) for cores in (2, 4, 1))
    claim = claimed(service)
    assert claim.job_id == first
    assert service.claim() is None
    service.finish(claim, End(state=AttemptState.DONE))
    assert claimed(service).job_id == large
    assert queue.state(small) is JobState.QUEUED


def test_who_has_less_at_work_comes_first(queue: Queue) -> None:
    """One owner's hundred jobs must not keep another's one waiting."""
    service = queue.service("a")
    queue.submit("ann")
    queue.submit("ann")
    bobs = queue.submit("bob")
    assert claimed(service).owner == "ann"
    assert claimed(service).job_id == bobs


def test_an_owner_may_have_so_many_jobs_open(queue: Queue) -> None:
    """A loop gone wild must not fill the database."""
    queue.open(JobSettings(cores=4, queued_per_owner=2))
    kept = queue.submit(key="first")
    queue.submit()
    with pytest.raises(Problem) as refused:
        queue.submit()
    assert refused.value.code == "quota_exceeded"
    assert refused.value.headers["Retry-After"]
    assert queue.submit(key="first") == kept, "asking again is no new job"
    queue.submit("bob")


def test_only_the_holder_writes_and_a_successor_only_after_a_death(queue: Queue) -> None:
    """A service that was given up for dead must change nothing when it comes back."""
    job_id = queue.submit()
    old, new = queue.service("old", process=DEAD), queue.service("new")
    claim = claimed(old)
    (orphan,) = new.orphans()
    assert new.is_dead(orphan)
    taken = new.adopt(orphan)
    assert taken is not None
    assert (taken.attempt, taken.token) == (claim.attempt, claim.token + 1)
    assert new.adopt(orphan) is None, "somebody else was quicker"
    said = [Said(kind=PROGRESS, at=queue.clock.now(), payload={"share": 0.5})]
    late_writes: list[Callable[[], object]] = [
        lambda: old.finish(claim, End(state=AttemptState.DONE)),
        lambda: old.take_in(claim, said, 10, 1),
        lambda: old.began(claim, DEAD),
    ]
    for late in late_writes:
        with pytest.raises(LeaseLost):
            late()
    assert old.renew() == {}
    assert new.renew() == {job_id: JobState.RUNNING}
    assert new.finish(taken, End(state=AttemptState.LOST)) is JobState.QUEUED


def test_a_living_service_is_left_alone_whatever_the_clock_says(queue: Queue) -> None:
    """Somebody sets the clock ahead by a day: no lease is worth anything, every process lives."""
    queue.submit()
    claimed(queue.service("old"))
    queue.clock.jump(24 * 3600)
    new = queue.service("new")
    assert not new.is_dead(new.orphans()[0])


def test_a_service_elsewhere_is_dead_when_its_lease_has_long_run_out(queue: Queue) -> None:
    """Processes of another machine cannot be seen; they have ended themselves by then."""
    queue.submit()
    claimed(queue.service("old", host="there", process=DEAD))
    new = queue.service("new")
    lease = queue.settings.lease_seconds
    queue.clock.advance(1.5 * lease)
    assert not new.is_dead(new.orphans()[0])
    queue.clock.advance(lease)
    assert new.is_dead(new.orphans()[0])


def test_events_are_kept_in_order_with_how_far_was_read(queue: Queue) -> None:
    """A kill between the two would tell things twice, or never."""
    job_id = queue.submit()
    service = queue.service("a")
    claim = claimed(service)
    at = datetime(2030, 1, 1, tzinfo=UTC)
    point = {"training": "ppo", "steps": 5, "seconds": 0.1, "mean_return": None}
    said = [
        Said(kind=PROGRESS, at=at, payload={"share": 0.25, "seconds_left": 30, "step": "collect"}),
        Said(kind=POINT, at=at, payload=point),
    ]
    service.take_in(claim, said, 120, 1)
    job = queue.jobs.get(job_id, None)
    assert (job.progress, job.seconds_left, job.step) == (0.25, 30, "collect")
    (only,) = queue.jobs.events(job_id, 0, kind=POINT)
    assert (only.payload, only.at, only.attempt) == (point, at, 1)
    again = service.mine(job_id)
    assert again is not None
    assert (again.read_bytes, again.steps) == (120, 1)
    after = queue.jobs.events(job_id, only.sequence - 1)
    assert [each.sequence for each in after] == [only.sequence]


def test_a_crashed_job_waits_a_little_longer_each_time(queue: Queue) -> None:
    """A machine short of memory is not helped by trying at once; a clock set back costs little."""
    job_id = queue.submit()
    service = queue.service("a")
    service.finish(claimed(service), End(state=AttemptState.CRASHED, reason="memory"))
    assert service.claim() is None
    queue.clock.advance(2.5)
    service.finish(claimed(service), End(state=AttemptState.CRASHED, reason="memory"))
    queue.clock.advance(2.5)
    assert service.claim() is None
    queue.clock.jump(-24 * 3600)
    claim = claimed(service)
    assert service.finish(claim, End(state=AttemptState.CRASHED)) is JobState.FAILED
    assert queue.jobs.get(job_id, None).attempts == 3


def test_services_that_die_do_not_use_up_a_job(queue: Queue) -> None:
    """A machine that is restarted ten times has ten reasons of its own."""
    job_id = queue.submit()
    for number in range(10):
        # Longer each time in a row, because a full disk is not full for ever.
        queue.clock.advance(130)
        dead = queue.service(f"dead {number}", process=DEAD)
        claimed(dead)
        alive = queue.service(f"alive {number}")
        taken = alive.adopt(alive.orphans()[0])
        assert taken is not None
        assert alive.finish(taken, End(state=AttemptState.LOST)) is JobState.QUEUED
    assert queue.state(job_id) is JobState.QUEUED


def test_what_was_made_is_published_once(queue: Queue) -> None:
    """A job that failed at being registered is resumed, and makes the same again."""
    job_id = queue.submit()
    service = queue.service("a")
    made = Made(name="n", kind="numbers", folder="jobs/x", files=({"name": "a"},), facts={"a": 1})
    result = Result(summary={"n": 1}, artefacts=(made,))
    refused = End(state=AttemptState.REFUSED, reason="not registered", result=result)
    assert service.finish(claimed(service), refused) is JobState.FAILED
    queue.jobs.renew(job_id, None, 50, afresh=False)
    assert queue.jobs.artefacts(job_id) == []
    claim = claimed(service)
    assert service.finish(claim, End(state=AttemptState.DONE, result=result)) is JobState.DONE
    assert [each.name for each in queue.jobs.artefacts(job_id)] == ["n"]
    with pytest.raises(LeaseLost):
        service.finish(claim, End(state=AttemptState.DONE, result=result))


def test_nobody_sees_or_touches_another_owners_job(queue: Queue) -> None:
    """And the answer is the same as for a job that never was."""
    job_id = queue.submit("ann")
    touches: list[Callable[[], object]] = [
        lambda: queue.jobs.get(job_id, "bob"),
        lambda: queue.jobs.cancel(job_id, "bob", None),
        lambda: queue.jobs.renew(job_id, "bob", 50, afresh=True),
        lambda: queue.jobs.get("job-none", "bob"),
    ]
    for touch in touches:
        with pytest.raises(Problem) as refused:
            touch()
        assert (refused.value.code, refused.value.detail) == ("not_found", "no job of that id")
    assert queue.jobs.page("bob", limit=10) == []


def test_pages_are_of_one_state_or_kind_and_meet_without_gap(queue: Queue) -> None:
    """Whoever pages while jobs come in sees each that was there once."""
    ids = [queue.submit() for _ in range(5)]
    queue.jobs.cancel(ids[2], None, None)
    first = queue.jobs.page("ann", limit=2)
    queue.submit()
    second = queue.jobs.page("ann", limit=10, before=first[1].id)
    assert [job.id for job in (*first[:2], *second)] == ids[::-1]
    found = queue.jobs.page("ann", limit=10, states=[JobState.CANCELLED], kinds=["collect"])
    assert [job.id for job in found] == [ids[2]]
    assert queue.jobs.page("ann", limit=10, kinds=["fit"]) == []


def test_a_cancelled_job_that_was_running_stays_held_until_its_processes_are_gone(
    queue: Queue,
) -> None:
    """Its cores are not free before."""
    job_id = queue.submit(cores=4)
    service = queue.service("a")
    claim = claimed(service)
    assert queue.jobs.cancel(job_id, "ann", None).state is JobState.CANCELLING
    queue.submit()
    assert service.claim() is None
    assert queue.state(job_id) in HELD
    assert service.finish(claim, End(state=AttemptState.CANCELLED)) is JobState.CANCELLED
    assert service.claim() is not None
    with pytest.raises(Problem):
        queue.jobs.renew(queue.submit(), None, 50, afresh=True)
