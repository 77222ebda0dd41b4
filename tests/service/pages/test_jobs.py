"""Pages of jobs: the queue, one job, and what a visitor may do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.jobs.settings import JobSettings
from service.jobs.specs import SPEC
from service.jobs.tables import JobRow
from tests.service.conftest import InProcess, StartInProcess
from tests.service.pages.test_by_hand import ORIGIN
from tests.service.pages.test_sign_in import signed_in


@pytest.fixture
def queued(in_process: StartInProcess) -> tuple[InProcess, str]:
    """A service without cores, whose one job waits."""
    service = in_process(jobs=JobSettings(cores=0))
    spec = {"kind": "collect", "scenario": "clinic", "episodes": 4, "title": "first <look>"}
    job = service.app.state.jobs.submit("planning", SPEC.validate_python(spec))
    return service, str(job.id)


def test_a_job_is_shown_and_cancelled(queued: tuple[InProcess, str]) -> None:
    """Its title is a user's text, so that it is escaped; its page has what was asked for."""
    service, job = queued
    client = signed_in(service)
    assert "first &lt;look&gt;" in client.get("/jobs").text
    page = client.get(f"/jobs/{job}").text
    assert "queued" in page
    assert '"episodes": 4' in page.replace("&#34;", '"')
    assert f"/v1/training-jobs/{job}/events" in page
    client.post(f"/jobs/{job}/do", headers=ORIGIN, data={"what": "cancel"})
    page = client.get(f"/jobs/{job}").text
    assert "cancelled" in page
    assert "Begin anew" in page
    assert "/events" not in page


def test_how_long_a_job_took_is_said_of_one_that_is_over(queued: tuple[InProcess, str]) -> None:
    """A job that is done and took two minutes "so far" leaves its reader waiting."""
    service, job = queued
    client = signed_in(service)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    for ended, said in ((None, "so far"), (began + timedelta(seconds=127), "took 2 min 7 s")):
        with service.app.state.platform.database.begin() as session:
            row = session.get(JobRow, job)
            row.started_at, row.ended_at, row.progress = began, ended, 1.0
        page = client.get(f"/jobs/{job}").text
        assert said in page
        assert ("so far" in page) == (ended is None)


def test_others_do_not_see_a_job(queued: tuple[InProcess, str]) -> None:
    """Neither in the list nor by its address."""
    service, job = queued
    key = service.key("read", owner="other")["Authorization"].split()[1]
    client = signed_in(service, key)
    assert "look" not in client.get("/jobs").text
    assert client.get(f"/jobs/{job}").status_code == 404


def test_who_may_only_read_cancels_nothing(queued: tuple[InProcess, str]) -> None:
    """Looking is not acting."""
    service, job = queued
    key = service.key("read", owner="planning")["Authorization"].split()[1]
    client = signed_in(service, key)
    assert "Cancel" not in client.get(f"/jobs/{job}").text
    answer = client.post(f"/jobs/{job}/do", headers=ORIGIN, data={"what": "cancel"})
    assert answer.status_code == 403
