"""Who is told, at least once, signed, and never inside the service's own network."""

from __future__ import annotations

import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.jobs.runtime import Jobs
from service.jobs.settings import JobSettings
from service.models.operations import Evidence
from service.models.repository import Move
from service.webhooks.addresses import ForbiddenAddress, check_url, locate
from service.webhooks.sending import wait_after
from service.webhooks.settings import WebhookSettings
from service.webhooks.tables import DeliveryRow
from tests.service.conftest import KEY, InProcess, Served, StartInProcess
from tests.service.jobs.light import PROGRAM, Plan
from tests.service.test_models import saved, upload
from tests.service.webhooks.receiver import Receiver, is_signed, listening

QUICK = WebhookSettings(may_be_private=True, wait_seconds=0.05, look_seconds=0.05)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that listens."""
    with listening() as made:
        yield made


def made(service: InProcess, receiver: Receiver, **given: Any) -> dict[str, Any]:
    """A webhook of this receiver."""
    answer = service.client.post("/v1/webhooks", json={"url": receiver.url, **given})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def deliveries(service: InProcess, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    """What it was told, the newest first."""
    answer = service.client.get(f"/v1/webhooks/{webhook['id']}/deliveries")
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for what threads do."""
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_test_delivery_is_signed_with_the_secret_that_was_told_once(
    in_process: StartInProcess, receiver: Receiver
) -> None:
    """Whoever has the secret, and nobody else, can tell our calls from others'."""
    service = in_process(webhooks=QUICK)
    webhook = made(service, receiver)
    address = f"/v1/webhooks/{webhook['id']}"
    assert service.client.post(f"{address}/test").status_code == 202
    headers, body = receiver.wait(1)[0]
    assert is_signed(webhook["secret"], headers, body)
    assert not is_signed(webhook["secret"], headers, body + " ")
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert json.loads(body)["type"] == "webhook.test"
    for told in (service.client.get(address), service.client.get("/v1/webhooks")):
        assert "whsec_" not in told.text
    with service.app.state.platform.database.read() as session:
        stored = str(session.connection().exec_driver_sql("SELECT * FROM webhooks").all())
    assert webhook["secret"].removeprefix("whsec_") not in stored


def test_a_call_that_fails_is_made_again_with_the_same_id_and_body(
    in_process: StartInProcess, receiver: Receiver
) -> None:
    """A receiver that was down misses nothing, and knows a repeat when it sees one."""
    receiver.statuses = [500, 307]
    service = in_process(webhooks=QUICK)
    webhook = made(service, receiver)
    service.client.post(f"/v1/webhooks/{webhook['id']}/test")
    heard = receiver.wait(3)
    assert len({(headers["webhook-id"], body) for headers, body in heard}) == 1
    assert all(is_signed(webhook["secret"], headers, body) for headers, body in heard)
    eventually(lambda: deliveries(service, webhook)[0]["state"] == "delivered")
    delivery = deliveries(service, webhook)[0]
    assert (delivery["attempts"], delivery["status"]) == (3, 204)
    assert service.client.get(f"/v1/webhooks/{webhook['id']}").json()["failures"] == 0


def test_a_job_that_fails_is_told_whoever_began_it(
    in_process: StartInProcess, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night's training that came to nothing must not be found out in the morning."""
    monkeypatch.setattr("service.app.Jobs", partial(Jobs, program=PROGRAM))
    jobs = JobSettings(cores=2, crashes=1, poll_seconds=0.03, wait_seconds=0.05)
    service = in_process(webhooks=QUICK, jobs=jobs)
    made(service, receiver, events=["job.failed"])
    submitted = []
    for plan in (Plan(steps=1), Plan(refuse="no such thing"), Plan(crash_at=0)):
        order = {"kind": "collect", "scenario": "clinic", "title": plan.title()}
        submitted.append(service.client.post("/v1/training-jobs", json=order).json()["id"])
    heard = [json.loads(body) for _, body in receiver.wait(2, 120.0)]
    told = {each["data"]["job"]: each["data"]["reason"] for each in heard}
    assert {each["type"] for each in heard} == {"job.failed"}
    assert set(told) == set(submitted[1:])
    assert told[submitted[1]] == "no such thing"
    assert "given up after 1 attempts" in told[submitted[2]]


def test_waits_double_up_to_a_day_of_tries() -> None:
    """A receiver that is down for a night is told in the morning, and not stormed until then."""
    settings = WebhookSettings()
    waits = [wait_after(n, "dlv_1", settings) for n in range(1, settings.attempts)]
    assert all(1.4 < later / earlier < 2.7 for earlier, later in itertools.pairwise(waits[:8]))
    assert 6 * 3600 < sum(waits) < 48 * 3600
    assert wait_after(3, "dlv_1", settings) != wait_after(3, "dlv_2", settings)


def test_a_receiver_that_never_answers_well_is_given_up_and_disabled(
    in_process: StartInProcess, receiver: Receiver
) -> None:
    """Else a receiver that was taken down would be called for ever."""
    receiver.statuses = [500] * 4
    service = in_process(webhooks=QUICK.model_copy(update={"attempts": 2, "failures": 4}))
    webhook = made(service, receiver)
    address = f"/v1/webhooks/{webhook['id']}"
    service.client.post(f"{address}/test")
    eventually(lambda: deliveries(service, webhook)[0]["state"] == "given up")
    service.client.post(f"{address}/test")
    eventually(lambda: not service.client.get(address).json()["is_enabled"])
    assert "4 calls" in service.client.get(address).json()["reason"]
    assert service.client.post(f"{address}/test").json()["code"] == "conflict"
    assert service.client.post(f"{address}/enable").json()["is_enabled"]
    service.client.post(f"{address}/test")
    eventually(lambda: deliveries(service, webhook)[0]["state"] == "delivered")


def test_a_receiver_that_is_gone_is_left_alone(
    in_process: StartInProcess, receiver: Receiver
) -> None:
    """410 is how a receiver says that nobody wants to hear any more."""
    receiver.statuses = [410]
    service = in_process(webhooks=QUICK)
    webhook = made(service, receiver)
    service.client.post(f"/v1/webhooks/{webhook['id']}/test")
    eventually(lambda: not service.client.get(f"/v1/webhooks/{webhook['id']}").json()["is_enabled"])


def test_a_promotion_is_told_if_and_only_if_it_is_kept(
    in_process: StartInProcess, receiver: Receiver, tmp_path: Path
) -> None:
    """The outbox is filled in the transaction of the move: what is undone was never said."""
    service = in_process(webhooks=QUICK)
    made(service, receiver, events=["model.promoted", "model.kept"])
    models = service.app.state.models
    for seed in (1, 2):
        upload(service, saved(tmp_path / f"{seed}", seed))
    first, second = (Move(version=n, actor="x", reason="y", evidence=None) for n in (1, 2))

    def broken(*_: Any) -> None:
        raise RuntimeError

    models.on_move.append(broken)
    with pytest.raises(RuntimeError):
        models.promote("front-desk", first, None)
    models.on_move.remove(broken)
    assert models.promote("front-desk", first, None)[0]
    assert not models.promote("front-desk", second, None)[0]
    better = Evidence(champion=1, low=-0.3, value=-0.2, high=-0.1, episodes=50)
    assert models.promote("front-desk", second, better)[0]
    receiver.wait(3)
    time.sleep(0.3)
    told = sorted((each["type"], each["data"]["version"]) for each in receiver.bodies())
    assert told == [("model.kept", 2), ("model.promoted", 1), ("model.promoted", 2)]


def test_each_owner_hears_of_what_is_his(
    in_process: StartInProcess, receiver: Receiver, tmp_path: Path
) -> None:
    """Others' systems are nobody's business; an admin may ask to hear all."""
    service = in_process(webhooks=QUICK)
    stranger = service.key("train", owner="stranger")
    order = {"url": receiver.url, "hears_all": True}
    assert service.client.post("/v1/webhooks", json=order, headers=stranger).status_code == 403
    order["hears_all"] = False
    theirs = service.client.post("/v1/webhooks", json=order, headers=stranger).json()
    ours = made(service, receiver)
    assert service.client.get(f"/v1/webhooks/{ours['id']}", headers=stranger).status_code == 404
    with service.app.state.platform.database.begin() as session:
        service.app.state.webhooks.announce(session, "operator", "run.failed", {"run": "r"})
    assert len(deliveries(service, ours)) == 1
    assert deliveries(service, theirs) == []


INSIDE = (
    "http://127.0.0.1/", "http://[::1]/", "http://10.1.2.3/", "http://169.254.169.254/latest",
    "http://192.168.0.1:8080/", "http://[::ffff:127.0.0.1]/", "http://0.0.0.0/",
    "http://[fe80::1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
    "http://100.64.0.1/", "ftp://example.com/", "http://user:secret@example.com/",
    "http://224.0.0.1/", "http:///nowhere", "http://a:99999/",
)  # fmt: skip


def test_addresses_inside_are_refused_at_the_door(service: InProcess) -> None:
    """A webhook would otherwise be a way to call what only the service can reach."""
    for url in INSIDE:
        answer = service.client.post("/v1/webhooks", json={"url": url})
        assert answer.status_code == 422, (url, answer.text)
        with pytest.raises(ForbiddenAddress):
            check_url(url, may_be_private=False)


@pytest.mark.parametrize("name", ["localhost", "2130706433", "0x7f.1", "inside.example"])
def test_names_are_looked_up_at_each_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may mean something else by then, or two things at once, or be a number in disguise."""
    if name == "inside.example":
        both = [(2, 1, 6, "", (ip, 80)) for ip in ("93.184.216.34", "10.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    check_url(f"http://{name}/", may_be_private=False)
    with pytest.raises(ForbiddenAddress, match="not public"):
        locate(f"http://{name}/", may_be_private=False)


def test_the_address_that_was_looked_at_is_the_one_that_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Looking a name up twice would let it change in between."""
    found = [(2, 1, 6, "", ("93.184.216.34", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    target = locate("https://example.com/a?b=c", may_be_private=False)
    assert target.url == "https://93.184.216.34:443/a?b=c"
    assert (target.host, target.name) == ("example.com", "example.com")


def test_what_was_to_be_told_survives_a_kill(tmp_path: Path, receiver: Receiver) -> None:
    """The outbox is in the database: kill -9 between what happened and the call loses nothing."""
    environment = {
        "SURROGYM_KEY": KEY,
        "SURROGYM_WEBHOOKS__MAY_BE_PRIVATE": "true",
        "SURROGYM_WEBHOOKS__TIMEOUT_SECONDS": "0.5",
        "SURROGYM_WEBHOOKS__WAIT_SECONDS": "0.2",
        "SURROGYM_WEBHOOKS__LOOK_SECONDS": "0.2",
    }
    with closing(Served(data=tmp_path / "data", environment=environment)) as served:
        served.start()
        webhook = served.client().post("/v1/webhooks", json={"url": receiver.url}).json()
        receiver.statuses = [503] * 1000
        ids = {
            served.client().post(f"/v1/webhooks/{webhook['id']}/test").json()["id"]
            for _ in range(5)
        }
        receiver.wait(2)
        served.kill()
        receiver.statuses = []
        served.start()

        def is_all_told() -> bool:
            answer = served.client().get(f"/v1/webhooks/{webhook['id']}/deliveries")
            return {each["state"] for each in answer.json()["items"]} == {"delivered"}

        eventually(is_all_told)
        assert {headers["webhook-id"] for headers, _ in receiver.heard} == ids
        assert all(is_signed(webhook["secret"], *each) for each in receiver.heard)
        assert "whsec_" not in served.log()


def test_two_services_do_not_tell_the_same_at_once(
    in_process: StartInProcess, receiver: Receiver, database_url: str
) -> None:
    """At least once is no excuse for twice where nobody died."""
    both = [in_process(webhooks=QUICK, database_url=database_url) for _ in range(2)]
    webhook = made(both[0], receiver)
    for _ in range(10):
        both[0].client.post(f"/v1/webhooks/{webhook['id']}/test")
    eventually(lambda: {d["state"] for d in deliveries(both[1], webhook)} == {"delivered"})
    ids = [headers["webhook-id"] for headers, _ in receiver.heard]
    assert len(ids) == len(set(ids)) == 10
    with both[0].app.state.platform.database.read() as session:
        assert session.query(DeliveryRow).count() == 10
