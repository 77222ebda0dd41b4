"""Sessions over HTTP: who may have how many, for how long, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from service.clock import HandClock
from tests.service.conftest import InProcess
from tests.service.sessions.conftest import SURROGATE, Starting, end_all


def begin(service: InProcess, **order: Any) -> str:
    answer = service.client.post("/v1/sessions", json={"env": "hostile", "seed": 3} | order)
    assert answer.status_code == 201, answer.text
    identifier: str = answer.json()["id"]
    assert answer.headers["Location"] == f"/v1/sessions/{identifier}"
    return identifier


def ask(service: InProcess, session: str, what: str, **body: Any) -> Any:
    return service.client.post(f"/v1/sessions/{session}/{what}", json=body)


def code_of(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_costs_that_no_store_takes_are_refused(service: InProcess, number: str) -> None:
    """Wherever they are within an objective, and before a slot is taken."""
    for objective in (
        f'{{"outputs": {{"waiting": {number}}}}}',
        f'{{"targets": [{{"level": [1, {number}]}}]}}',
    ):
        content = f'{{"env": "clinic", "objective": {objective}}}'
        answer = service.client.post(
            "/v1/sessions", content=content, headers={"content-type": "application/json"}
        )
        assert code_of(answer) == (422, "invalid_request")
    assert service.client.get("/v1/sessions").json()["items"] == []


@pytest.mark.parametrize(
    ("objective", "at"),
    [
        ({"output": {"registration_wait": 1.0}}, "costs/output"),
        ({"outputs": [1]}, "costs/outputs"),
        ({"outputs": {"registration_wait": "dear"}}, "costs/outputs/registration_wait"),
        ({"targets": [{"bogus": 1}]}, "costs/targets/0/bogus"),
        ({"constraints": [{}]}, "costs/constraints/0/numerator"),
        ({"output_names": ["registration_wait"]}, "record/output_weights"),
        (
            {
                "output_names": ["registration_wait"], "state_names": [],
                "output_weights": [], "closing_weights": [],
            },
            "record",
        ),
    ],
)  # fmt: skip
def test_an_objective_that_nobody_can_read_is_refused(
    service: InProcess, objective: dict[str, Any], at: str
) -> None:
    """Of a misspelt name one would else never hear: all episodes would cost nothing."""
    answer = service.client.post("/v1/sessions", json={"env": "clinic", "objective": objective})
    assert code_of(answer) == (422, "invalid_request")
    assert f"body/objective/{at}" in {fault["at"] for fault in answer.json()["errors"]}
    assert service.client.get("/v1/sessions").json()["items"] == []


@pytest.fixture(scope="module")
def started(starting: Starting) -> InProcess:
    return starting(
        HandClock(), capacity=3, quota=2, unused_seconds=60, idle_seconds=600, reap_seconds=3600
    )


@pytest.fixture
def limited(started: InProcess) -> Iterator[InProcess]:
    """Three slots, two of one owner; a clock that is turned by hand."""
    yield started
    end_all(started)


@pytest.fixture(scope="module")
def roomy(starting: Starting) -> InProcess:
    """As it comes."""
    return starting()


def reap(service: InProcess) -> None:
    sessions = service.app.state.sessions
    assert service.client.portal is not None
    service.client.portal.call(_reap, sessions)


async def _reap(sessions: Any) -> None:
    sessions.reap()


def test_slots_are_counted_and_given_back(limited: InProcess) -> None:
    """Quota before capacity, each with the time to come again; a failed build holds no slot."""
    other = limited.key("step", owner="other")
    mine = [begin(limited) for _ in range(2)]
    refused = limited.client.post("/v1/sessions", json={"env": "hostile"})
    assert code_of(refused) == (429, "quota")
    assert int(refused.headers["Retry-After"]) > 0
    wrong = [{"env": "hostile", "parameters": {"gear": 2.0}}, {"env": "hostle"},
             {"env": "hostile", "world": "none"}, {"env": "os:abort"}]  # fmt: skip
    for order in wrong:
        answer = limited.client.post("/v1/sessions", json=order, headers=other)
        assert code_of(answer) == (422, "refused_input")
    theirs = limited.client.post("/v1/sessions", json={"env": "hostile"}, headers=other)
    assert theirs.status_code == 201
    refused = limited.client.post("/v1/sessions", json={"env": "hostile"}, headers=other)
    assert code_of(refused) == (503, "capacity")
    assert int(refused.headers["Retry-After"]) > 0
    for _ in range(2):
        assert limited.client.delete(f"/v1/sessions/{mine[0]}").status_code == 204
    begin(limited)


def test_idle_sessions_expire_unused_ones_sooner(limited: InProcess) -> None:
    """A slot that nobody uses goes to somebody who would; the owner is told why."""
    assert limited.clock is not None
    unused, used = begin(limited), begin(limited)
    ask(limited, used, "reset")
    limited.clock.advance(61)
    reap(limited)
    assert code_of(ask(limited, unused, "reset")) == (410, "session_expired")
    assert limited.client.get(f"/v1/sessions/{unused}").json()["detail"].startswith("never stepped")
    assert ask(limited, used, "step", action=0).status_code == 200
    limited.clock.advance(599)
    reap(limited)
    assert ask(limited, used, "step", action=0).status_code == 200
    limited.clock.jump(86_400)
    reap(limited)
    assert ask(limited, used, "step", action=0).status_code == 200
    limited.clock.advance(601)
    reap(limited)
    assert code_of(ask(limited, used, "step", action=0)) == (410, "session_expired")
    assert 'surrogym_session_verdicts_total{verdict="expired"} 2.0' in (
        limited.client.get("/metrics").text
    )


def test_owners_see_their_own(limited: InProcess) -> None:
    """Neither in lists, nor by a guessed id, nor with a key that may only read."""
    mine = begin(limited)
    theirs, reader = limited.key("step", owner="third"), limited.key("read", owner="operator")
    for method, path, body in (
        ("GET", "", None), ("POST", "/reset", {}), ("POST", "/step", {"action": 0}),
        ("DELETE", "", None), ("POST", "/snapshot", None),
    ):  # fmt: skip
        answer = limited.client.request(
            method, f"/v1/sessions/{mine}{path}", json=body, headers=theirs
        )
        assert code_of(answer) == (404, "not_found")
    assert limited.client.get("/v1/sessions", headers=theirs).json()["items"] == []
    refused = limited.client.post(f"/v1/sessions/{mine}/reset", json={}, headers=reader)
    assert code_of(refused) == (403, "forbidden")
    assert limited.client.get(f"/v1/sessions/{mine}", headers=reader).status_code == 200


def test_admins_see_and_end_what_belongs_to_others(limited: InProcess) -> None:
    """Whoever answers for the machine must be able to free a slot whose owner is on holiday."""
    theirs, others = limited.key("step", owner="third"), limited.key("step", owner="fourth")
    order = {"env": "hostile", "seed": 3}
    made = [
        limited.client.post("/v1/sessions", json=order, headers=key).json()["id"]
        for key in (theirs, others)
    ]

    def listed(**asked: Any) -> list[str]:
        page = limited.client.get("/v1/sessions", **asked).json()["items"]
        return [item["id"] for item in page if item["state"] == "open"]

    assert sorted(listed()) == sorted(made)
    assert listed(params={"owner": "third"}) == made[:1]
    assert listed(params={"owner": "third"}, headers=theirs) == made[:1]
    refused = limited.client.get("/v1/sessions", params={"owner": "fourth"}, headers=theirs)
    assert code_of(refused) == (403, "forbidden")
    place = f"/v1/sessions/{made[0]}"
    assert limited.client.delete(place, headers=others).status_code == 404
    assert limited.client.delete(place).status_code == 204
    assert limited.client.delete(place).status_code == 204
    told = limited.client.get(place, headers=theirs).json()
    assert (told["owner"], told["state"]) == ("third", "closed")
    assert told["detail"] == "an administrator closed it"
    assert limited.client.get(place).json() == told
    own = begin(limited)
    limited.client.delete(f"/v1/sessions/{own}")
    # An administrator's own session was closed by its owner.
    assert limited.client.get(f"/v1/sessions/{own}").json()["detail"] == "its owner closed it"
    assert limited.client.delete(f"/v1/sessions/{made[1]}").status_code == 204


def test_lists_go_page_by_page(roomy: InProcess) -> None:
    """Each session once, the newest first, those that are over with their reason."""
    service = roomy
    made = [begin(service) for _ in range(5)]
    service.client.delete(f"/v1/sessions/{made[2]}")
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = service.client.get("/v1/sessions", params={"limit": 2, **cursor}).json()
        seen += page["items"]
        if page.get("next_cursor") is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    seen = [item for item in seen if item["id"] in made]
    assert [item["id"] for item in seen] == made[::-1]
    assert [item["state"] for item in seen] == ["open", "open", "closed", "open", "open"]


def test_a_snapshot_brings_this_session_and_another_there(roomy: InProcess) -> None:
    """Also on a surrogate, also after the session has gone on, and only for the same spec."""
    service = roomy
    order = {"env": "clinic", "world": SURROGATE, "num_envs": 3, "seed": 3}
    first, second, other = begin(service, **order), begin(service, **order), begin(service)
    actions = [[0, 5, 9], [1, 1, 1], [2, 0, 3]]
    ask(service, first, "reset", step_id=1)
    ask(service, first, "step", step_id=2, action=actions[0])
    kept = service.client.post(f"/v1/sessions/{first}/snapshot").json()
    assert kept["step_id"] == 2
    expected = ask(service, first, "step", step_id=3, action=actions[1]).json()
    ask(service, first, "step", step_id=4, action=actions[2])
    for session, following in ((first, 5), (second, 1)):
        restored = ask(service, session, "restore", snapshot_id=kept["id"])
        assert restored.json() == {"next_step_id": following}
        again = ask(service, session, "step", step_id=following, action=actions[1]).json()
        assert again == expected | {"step_id": following}
    assert code_of(ask(service, other, "restore", snapshot_id=kept["id"])) == (409, "spec_mismatch")
    assert code_of(ask(service, other, "restore", snapshot_id="snap_1")) == (404, "not_found")


def test_surrogates_and_simulators_are_stepped_alike(roomy: InProcess) -> None:
    """An objective, parameters, a mask, a history: whatever a local environment takes."""
    service = roomy
    order = {
        "env": "clinic", "mask": "feasible", "history": 2, "actions": "joint",
        "objective": {
            "outputs": {"registration_wait": 1.0}, "at_close": {"registration_waiting": 2.0},
            "targets": [{"output": "registration_arrivals", "level": 8.0, "price": 0.5}],
            "constraints": [
                {
                    "name": "few walk out", "numerator": ["consultation_abandoned"],
                    "denominator": ["registration_arrivals"], "limit": 0.05, "price": 3.0,
                }
            ],
        },
    }  # fmt: skip
    for world in ("simulator", SURROGATE):
        made = service.client.post("/v1/sessions", json=order | {"world": world}).json()
        assert made["observation_space"]["shape"] == [70]
        assert (made["world_digest"] is None) == (world == "simulator")
        begun = ask(service, made["id"], "reset").json()
        assert len(begun["observation"]) == 70
        assert np.any(begun["info"]["action_mask"])
        reply = ask(
            service, made["id"], "step", action=int(np.argmax(begun["info"]["action_mask"]))
        )
        assert reply.json()["info"]["duration"] == 30.0
