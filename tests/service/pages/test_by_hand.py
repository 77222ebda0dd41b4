"""Stepping an environment by hand: through forms alone, each decision once."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from tests.service.conftest import InProcess, StartInProcess
from tests.service.pages.test_sign_in import signed_in

ORIGIN = {"Origin": "http://testserver"}


def begin(client: TestClient, **given: str) -> str:
    answer = client.post("/by-hand", headers=ORIGIN, data={"env": "clinic", "seed": "5"} | given)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def state_of(page: str) -> list[str]:
    return re.findall(r'<td class="number">([^<]+)</td>', page)


def test_a_decision_moves_the_system_once_however_often_the_form_is_sent(
    service: InProcess,
) -> None:
    """People press buttons twice and go back; the same step is not taken again."""
    client = signed_in(service)
    place = begin(client)
    before = client.get(place).text
    assert "Nothing was decided yet" in before
    step = {"action": "0", "step_id": "2", "times": "1"}
    assert client.post(f"{place}/step", headers=ORIGIN, data=step).status_code == 303
    after = client.get(place).text
    assert "Last epoch" in after
    assert state_of(after) != state_of(before)
    client.post(f"{place}/step", headers=ORIGIN, data=step)
    assert state_of(client.get(place).text) == state_of(after)


def test_an_episode_ends_and_the_next_one_begins(service: InProcess) -> None:
    """At the close nothing is left to decide but to begin again."""
    client = signed_in(service)
    place = begin(client)
    number = 2
    for _ in range(2):
        step = {"action": "1", "step_id": str(number), "times": "20"}
        client.post(f"{place}/step", headers=ORIGIN, data=step)
        number += 20
    page = client.get(place).text
    assert "The episode is over." in page
    assert "Decision" not in page
    found = re.search(r'name="step_id" value="(\d+)"', page)
    assert found
    client.post(f"{place}/reset", headers=ORIGIN, data={"step_id": found.group(1)})
    assert "Nothing was decided yet" in client.get(place).text


def test_a_session_that_was_ended_is_gone(service: InProcess) -> None:
    """And the page where one begins lists those that go on."""
    client = signed_in(service)
    place = begin(client)
    assert place in client.get("/by-hand").text
    assert client.post(f"{place}/end", headers=ORIGIN).status_code == 303
    assert place not in client.get("/by-hand").text
    assert client.get(place).status_code == 410


@pytest.mark.parametrize("given", [{"env": "nobody"}, {"world": "no-such@champion"}])
def test_a_wish_that_cannot_be_met_is_told_on_the_page(
    service: InProcess, given: dict[str, str]
) -> None:
    """In words, with the form still there."""
    client = signed_in(service)
    answer = client.post("/by-hand", headers=ORIGIN, data={"env": "clinic"} | given)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "<form" in answer.text


def test_who_may_only_read_begins_nothing(in_process: StartInProcess) -> None:
    """The page has no scope of its own."""
    service = in_process()
    key = service.key("read")["Authorization"].split()[1]
    client = signed_in(service, key)
    answer = client.post("/by-hand", headers=ORIGIN, data={"env": "clinic"})
    assert answer.status_code == 403
