"""Jobs over HTTP."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from service.jobs.examples import EXAMPLES
from service.jobs.runtime import Jobs
from service.jobs.settings import JobSettings
from service.jobs.specs import SPEC
from tests.service.conftest import InProcess, StartInProcess
from tests.service.jobs.conftest import QUICK, until
from tests.service.jobs.light import PROGRAM, Plan

JOBS = "/v1/training-jobs"
DONE = {"done", "failed", "cancelled"}


@pytest.fixture
def lit(in_process: StartInProcess, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """A service whose jobs are light."""
    monkeypatch.setattr("service.app.Jobs", partial(Jobs, program=PROGRAM))
    return in_process(jobs=JobSettings(**QUICK))  # type: ignore[arg-type]


@pytest.fixture
def still(in_process: StartInProcess) -> InProcess:
    """A service that runs no job."""
    return in_process(jobs=JobSettings(cores=0))


def order(plan: Plan | None = None, **spec: Any) -> dict[str, Any]:
    title = None if plan is None else plan.title()
    return {"kind": "collect", "scenario": "clinic", "title": title, **spec}


def ended(service: InProcess, job_id: str) -> dict[str, Any]:
    look: Callable[[], dict[str, Any]] = lambda: service.client.get(f"{JOBS}/{job_id}").json()  # noqa: E731
    found: dict[str, Any] = until(look, lambda job: job["state"] in DONE)
    return found


def heard(service: InProcess, job_id: str, **headers: str) -> list[dict[str, Any]]:
    """What the stream of events tells until it ends."""
    with service.client.stream("GET", f"{JOBS}/{job_id}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = list(answer.iter_lines())
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def test_events_are_told_no_longer_than_the_key_is_good(still: InProcess) -> None:
    """The stream of a job that goes on for days would outlive the key that opened it."""
    job_id = still.client.post(JOBS, json=order()).json()["id"]
    headers = still.key("read", owner="operator")
    revoke = still.app.state.keyring.revoke
    threading.Timer(0.5, revoke, [headers["Authorization"].split("_")[1]]).start()
    assert len(heard(still, job_id, **headers)) == 1


def test_a_job_is_submitted_followed_and_its_artefact_fetched(lit: InProcess) -> None:
    """The whole story as a client meets it."""
    answer = lit.client.post(JOBS, json=order(Plan(steps=2, say="hello")))
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["id"]
    assert answer.headers["location"] == f"{JOBS}/{job_id}"
    events = heard(lit, job_id)
    assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
    assert events[-1]["payload"]["state"] == "done"
    assert heard(lit, job_id, **{"Last-Event-ID": "3"}) == events[3:]
    assert heard(lit, job_id, **{"Last-Event-ID": str(len(events))}) == []
    job = ended(lit, job_id)
    assert job["outcome"] == {"numbers": [0, 1]}
    assert [each["state"] for each in job["attempts_made"]] == ["done"]
    log = lit.client.get(f"{JOBS}/{job_id}/logs")
    assert log.text.strip() == "hello"
    offset = log.headers["next-offset"]
    assert lit.client.get(f"{JOBS}/{job_id}/logs", params={"offset": offset}).text == ""
    cut = lit.client.get(f"{JOBS}/{job_id}/logs", params={"offset": 9999})
    assert cut.text == log.text, "a log that was cut is read from its beginning"
    (made,) = lit.client.get(f"{JOBS}/{job_id}/artefacts").json()["items"]
    assert lit.client.get(f"{JOBS}/{job_id}/artefacts/numbers").json() == made
    (file,) = made["files"]
    content = lit.client.get(f"{JOBS}/{job_id}/artefacts/numbers/{file['name']}").content
    assert hashlib.sha256(content).hexdigest() == file["sha256"]
    assert lit.client.get(f"{JOBS}/{job_id}/curve").json()["items"] == []


def test_the_page_of_a_job_says_where_what_it_made_comes_from(lit: InProcess) -> None:
    """Also of a job from before that was noted."""
    facts = {"commit": "0123456789ab", "inputs": {"transitions": "0f" * 32}}
    pages = []
    for plan in (Plan(steps=1), Plan(steps=1, facts=facts)):
        job_id = lit.client.post(JOBS, json=order(plan)).json()["id"]
        ended(lit, job_id)
        pages.append(lit.client.get(f"/jobs/{job_id}"))
    assert [page.status_code for page in pages] == [200, 200]
    assert "not noted" in pages[0].text
    assert "0123456789ab" in pages[1].text
    assert "0f" * 8 in pages[1].text


def test_a_key_makes_submitting_safe_to_repeat(still: InProcess) -> None:
    """A client whose answer was lost does not know whether the job is there."""
    headers = {"Idempotency-Key": "once"}
    first = still.client.post(JOBS, json=order(), headers=headers)
    again = still.client.post(JOBS, json=order(), headers=headers)
    assert first.json()["id"] == again.json()["id"]
    other = still.client.post(JOBS, json=order(seed=5), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_jobs_are_cancelled_resumed_and_retried(still: InProcess) -> None:
    """Each where the job is in a state for it, and 409 where it is not."""
    job_id = still.client.post(JOBS, json=order()).json()["id"]
    assert still.client.post(f"{JOBS}/{job_id}/resume").status_code == 409
    body = {"reason": "changed my mind"}
    cancelled = still.client.post(f"{JOBS}/{job_id}/cancel", json=body)
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    assert cancelled.json()["reason"] == "changed my mind"
    assert still.client.post(f"{JOBS}/{job_id}/resume").json()["state"] == "queued"
    still.client.post(f"{JOBS}/{job_id}/cancel")
    assert still.client.post(f"{JOBS}/{job_id}/retry").json()["generation"] == 2


def test_lists_are_paged_filtered_and_each_owners_own(still: InProcess) -> None:
    """An admin sees all; anybody else, in lists and by id, only what is his."""
    ann, bob = still.key("train", owner="ann"), still.key("train", owner="bob")
    ids = [still.client.post(JOBS, json=order(), headers=ann).json()["id"] for _ in range(3)]
    still.client.post(f"{JOBS}/{ids[0]}/cancel", headers=ann)
    page = still.client.get(JOBS, params={"limit": 2}, headers=ann).json()
    rest = still.client.get(JOBS, params={"cursor": page["next_cursor"]}, headers=ann).json()
    assert [job["id"] for job in page["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None
    states = still.client.get(JOBS, params={"state": ["cancelled"], "kind": "collect"}).json()
    assert [job["id"] for job in states["items"]] == [ids[0]]
    assert still.client.get(JOBS, headers=bob).json()["items"] == []
    anns = still.client.get(JOBS, params={"owner": "ann"}).json()["items"]
    assert [job["id"] for job in anns] == ids[::-1]
    assert still.client.get(JOBS, params={"owner": "bob"}).json()["items"] == []
    assert still.client.get(JOBS, params={"owner": "ann"}, headers=bob).status_code == 403
    ended = still.client.post(f"{JOBS}/{ids[1]}/cancel", json={"reason": "the machine is needed"})
    assert (ended.json()["owner"], ended.json()["state"]) == ("ann", "cancelled")
    for path in ("", "/events", "/logs", "/curve", "/artefacts", "/artefacts/a", "/artefacts/a/b"):
        assert still.client.get(f"{JOBS}/{ids[0]}{path}", headers=bob).status_code == 404, path
    assert still.client.post(f"{JOBS}/{ids[0]}/retry", headers=bob).status_code == 404
    reader = still.key("read", owner="ann")
    assert still.client.post(JOBS, json=order(), headers=reader).status_code == 403


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "run", "scenario": "clinic"},
        order(scenario="os:system"),
        order(scenario="../../etc/passwd"),
        order(scenario="clinik"),
        order(episodes=0),
        order(cores=999),
        order(entrypoint="rm -rf /"),
        order(publish={"transitions": "name"}),
        order(publish={"policy": "name"}),
        order(kind="pipeline", publish={"policy": "Clinic-Policy"}),
        order(kind="pipeline", publish={"policy": "clinic", "surrogate": "clinic"}),
        {"kind": "fit", "scenario": "clinic", "transitions": "/etc/passwd"},
        {"kind": "fit", "scenario": "clinic", "transitions": {"given": "telemetry"}},
        {"kind": "train", "scenario": "clinic", "surrogate": {"model": "a@1"}, "budget": {}},
        {"kind": "evaluate", "scenario": "clinic", "parameters": {"a": 1e999}},
    ],
)
def test_what_no_job_could_be_is_refused(in_process: StartInProcess, spec: dict[str, Any]) -> None:
    """At the door, with a problem document; a name is never a path, a module or a command."""
    service = in_process(jobs=JobSettings(cores=2, lease_seconds=20, poll_seconds=60))
    answer = service.client.post(
        JOBS, content=json.dumps(spec), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.client.get(JOBS).json()["items"] == []


def test_a_policy_is_never_judged_by_one_episode() -> None:
    """No interval comes of one, which was found out when the training was over."""
    with pytest.raises(ValidationError, match="judge_episodes"):
        SPEC.validate_python({"kind": "fine_tune", **EXAMPLES["fine_tune"], "judge_episodes": 1})


def test_an_input_must_be_there_and_ones_own(still: InProcess) -> None:
    """A job that stands on nothing would fail after the queue."""
    ann, bob = still.key("train", owner="ann"), still.key("train", owner="bob")
    job_id = still.client.post(JOBS, json=order(), headers=ann).json()["id"]
    spec = {
        "kind": "fit",
        "scenario": "clinic",
        "transitions": {"job": job_id, "artefact": "transitions"},
    }
    assert still.client.post(JOBS, json=spec, headers=ann).status_code == 409
    assert still.client.post(JOBS, json=spec, headers=bob).status_code == 404
    spec["transitions"] = {"model": "nothing@1"}
    assert still.client.post(JOBS, json=spec, headers=ann).status_code == 404


def test_jobs_are_counted(lit: InProcess) -> None:
    """What operators watch: jobs by state, waits, attempts, cores."""
    ended(lit, lit.client.post(JOBS, json=order(Plan())).json()["id"])
    attempts = 'surrogym_job_attempts_total{end="done",kind="collect"} 1.0'
    # Counted a moment after the job is done.
    told = until(lambda: lit.client.get("/metrics").text, lambda text: attempts in text)
    assert 'surrogym_jobs{state="done"} 1.0' in told
    assert 'surrogym_job_queue_seconds_count{kind="collect"} 1.0' in told
    assert 'surrogym_job_cores{of="all"} 2.0' in told
