"""Pages of monitors, and the overview: what drifts, what was seen of it, what is done about it."""

from __future__ import annotations

from collections.abc import Callable

from tests.service.conftest import InProcess
from tests.service.pages.test_by_hand import ORIGIN
from tests.service.pages.test_sign_in import signed_in

Start = Callable[[], tuple[InProcess, str]]


def test_an_alarm_is_shown_with_its_evidence_and_acknowledged(alarmed: Start) -> None:
    """What drifted by name, the evidence over its threshold, the gap, and who answers."""
    service, place = alarmed()
    client = signed_in(service)
    overview = client.get("/").text
    assert "arrivals: registration" in overview
    assert place in overview
    assert place in client.get("/monitors").text
    page = client.get(place).text
    assert "arrivals: registration" in page
    assert page.count("<svg") == 2
    assert "threshold" in page
    assert "nobody answers its alarms" in page
    refused = client.post(f"{place}/do", headers=ORIGIN, data={"what": "acknowledge"})
    assert refused.status_code == 422
    said = {"what": "acknowledge", "reason": "a <festival>"}
    assert client.post(f"{place}/do", headers=ORIGIN, data=said).status_code == 303
    page = client.get(place).text
    assert "a &lt;festival&gt;" in page
    assert "watching" in page
    assert "No monitor asks for anybody" in client.get("/").text


def test_who_may_only_read_answers_nothing(alarmed: Start) -> None:
    """Looking is not acting, and others do not see it at all."""
    service, place = alarmed()
    reads = signed_in(service, service.key("read", owner="operator")["Authorization"].split()[1])
    assert "<button name" not in reads.get(place).text
    said = {"what": "acknowledge", "reason": "r"}
    assert reads.post(f"{place}/do", headers=ORIGIN, data=said).status_code == 403
    other = signed_in(service, service.key("train", owner="other")["Authorization"].split()[1])
    assert other.get(place).status_code == 404
    assert place not in other.get("/").text
