"""Jobs as real processes: done, failed, stuck, cancelled, laid down and taken up again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from service.jobs.processes import processes_of
from service.jobs.states import AttemptState, JobState
from sim.errors import SurrogymError
from tests.service.jobs.conftest import House, until
from tests.service.jobs.light import Plan

Open = Callable[..., House]

DONE, FAILED, CANCELLED = JobState.DONE, JobState.FAILED, JobState.CANCELLED
RUNNING, QUEUED = JobState.RUNNING, JobState.QUEUED


def attempts(house: House, job_id: str) -> list[AttemptState]:
    return [each.state for each in house.jobs.repository.attempts(job_id)]


def test_a_job_is_done_and_what_it_made_is_there_with_its_hash(house: House) -> None:
    """Whoever downloads must be able to tell that it is the file that was made."""
    job = house.until(house.submit(Plan(steps=3)), DONE)
    assert (job.progress, job.outcome) == (1.0, {"numbers": [0, 1, 2]})
    (made,) = house.jobs.repository.artefacts(job.id)
    (file,) = made.files
    path = house.data.absolute() / made.folder / file["name"]
    assert json.loads(path.read_text()) == {"n": [0, 1, 2]}
    assert file["bytes"] == path.stat().st_size
    assert not list(path.parents[2].glob("work-*")), "a finished journal takes room for nothing"


def test_events_tell_the_whole_story_in_order(house: House) -> None:
    """They are what pages and programs follow a job by."""
    job = house.until(house.submit(Plan(steps=2)), DONE)
    events = house.events(job)
    assert [each.sequence for each in events] == list(range(1, len(events) + 1))
    states = [each.payload["state"] for each in events if each.kind == "state"]
    assert states == ["queued", "running", "done"]
    assert [each.payload["step"] for each in events if each.kind == "step"] == ["step/0", "step/1"]


def test_a_job_that_crashes_is_tried_again_and_then_given_up_with_the_reason(house: House) -> None:
    """A process may be lost by accident, but not for ever; secrets are in no reason."""
    plan = Plan(steps=2, crash_at=0, say="key sgk_aaaa_bbbb of postgresql://ann:secret@host/db")
    job = house.until(house.submit(plan), FAILED)
    assert attempts(house, job.id) == [AttemptState.CRASHED] * 3
    assert job.reason
    assert "3 attempts" in job.reason
    assert "exit code 1" in job.reason
    last = house.jobs.repository.attempts(job.id)[-1]
    assert last.last_lines
    assert "crashed as planned" in last.last_lines
    assert "secret" not in last.last_lines
    assert "sgk_" not in last.last_lines


def test_a_job_that_cannot_be_done_is_not_tried_again(house: House) -> None:
    """The same refusal three times helps nobody."""
    job = house.until(house.submit(Plan(refuse="no such parameter")), FAILED)
    assert attempts(house, job.id) == [AttemptState.REFUSED]
    assert job.reason == "no such parameter"


def test_a_stuck_attempt_is_ended_before_the_next_begins(open_house: Open) -> None:
    """Two processes on one journal would spoil it; the first must be gone with its children."""
    plan = Plan(steps=2, hang_at=1, children=1, ignores_asking=True)
    house = open_house(crashes=1)
    job = house.until(house.submit(plan, stall_seconds=8.0), FAILED)
    # The first finished a step, so that it does not count.
    assert attempts(house, job.id) == [AttemptState.STALLED] * 2
    assert processes_of(job.id) == []
    assert not (house.data / "overlap").exists()


def test_a_job_that_takes_too_long_fails(house: House) -> None:
    """Whoever said how long it may take does not want it again."""
    job = house.until(house.submit(Plan(hang_at=0), limit_seconds=1.0), FAILED)
    assert attempts(house, job.id) == [AttemptState.OVERDUE]


def test_a_running_job_is_cancelled_with_all_that_it_started(house: House) -> None:
    """Ray starts processes outside the group; none may stay behind."""
    job = house.until(house.submit(Plan(hang_at=1, children=2, ignores_asking=True)), RUNNING)
    until(lambda: processes_of(job.id), lambda found: len(found) == 3)
    house.jobs.cancel(job.id, reason="not wanted any more")
    seen = house.until(job, CANCELLED, seconds=5.0)
    assert seen.reason == "not wanted any more"
    assert processes_of(job.id) == []
    assert house.jobs.cancel(job.id).state is CANCELLED


def test_a_waiting_job_is_cancelled_at_once(house: House) -> None:
    """It has no process that would have to be asked."""
    first = house.until(house.submit(Plan(hang_at=0), cores=2), RUNNING)
    second = house.submit()
    assert house.jobs.cancel(second.id).state is CANCELLED
    assert attempts(house, second.id) == []
    house.jobs.cancel(first.id)


def test_a_resumed_job_does_no_finished_step_again_and_a_retried_one_does(house: House) -> None:
    """Resuming saves hours; retrying is for whoever doubts what is there."""
    job = house.submit(Plan(steps=4, pause=0.02, hang_at=2))
    until(lambda: house.jobs.get(job.id).step, lambda step: step == "step/1")
    house.jobs.cancel(job.id)
    house.until(job, CANCELLED)

    def done_by(attempt: int) -> int:
        found = [e for e in house.events(job) if e.kind == "step" and e.attempt == attempt]
        return sum(not each.payload["was_there"] for each in found)

    house.jobs.resume(job.id)
    until(lambda: [e.attempt for e in house.events(job) if e.kind == "step"], lambda a: 2 in a)
    house.jobs.cancel(job.id)
    house.until(job, CANCELLED)
    assert (done_by(1), done_by(2)) == (2, 0)
    house.jobs.retry(job.id)
    until(lambda: done_by(3), lambda count: count == 2)
    house.jobs.cancel(job.id)


def test_a_service_that_stops_lays_jobs_down_and_the_next_takes_them_up(house: House) -> None:
    """An upgrade of the service costs a job no finished step, and no attempt that counts."""
    job = house.submit(Plan(steps=6, pause=0.3))
    until(lambda: house.jobs.get(job.id).step, lambda step: step == "step/1")
    house.close()
    assert processes_of(job.id) == []
    house.open()
    seen = house.until(job, DONE)
    assert attempts(house, job.id) == [AttemptState.INTERRUPTED, AttemptState.DONE]
    steps = [e.payload for e in house.events(job) if e.kind == "step"]
    assert sum(not each["was_there"] for each in steps) == 6
    assert seen.attempts == 2


def test_jobs_never_have_more_cores_than_there_are(house: House) -> None:
    """Trainings that share a core take more than twice as long, all of them."""
    jobs = [house.submit(Plan(steps=2, pause=0.1), cores=cores) for cores in (1, 2, 1, 1)]
    most = 0

    def all_done() -> list[JobState]:
        nonlocal most
        most = max(most, house.jobs.repository.counts(house.jobs.host)[1])
        return [house.jobs.get(job.id).state for job in jobs]

    until(all_done, lambda states: set(states) == {DONE})
    assert most == 2


def test_a_process_whose_service_is_silent_ends_itself(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would work on beside its successor; a silent parent is as good as a dead one."""
    house = open_house(lease_seconds=2.0)
    job = house.until(house.submit(Plan(hang_at=0)), RUNNING)
    until(lambda: processes_of(job.id), bool)
    # As if the service had lost its lease and hung: nothing comes through the pipe any more.
    attempt = house.jobs.supervisor.attempts[job.id]
    monkeypatch.setattr(attempt, "reassure", lambda: None)
    until(lambda: attempts(house, job.id), lambda states: len(states) > 1)
    assert attempts(house, job.id)[0] is AttemptState.CRASHED


@pytest.mark.parametrize("name", ["/etc/passwd", "os:system", "../bank"])
def test_what_is_no_known_system_is_refused(house: House, name: str) -> None:
    """A name from outside is never a path or a module."""
    with pytest.raises((SurrogymError, ValueError)):
        house.submit(scenario=name)
