"""Signing in to the pages, and what a stranger is kept from."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from service.pages.charts import Chart, Line, draw
from service.pages.rendering import span
from tests.service.conftest import KEY, InProcess


def signed_in(service: InProcess, key: str = KEY) -> TestClient:
    client = TestClient(service.app, base_url="http://testserver", follow_redirects=False)
    # In the same event loop, to which the service's links to its workers belong.
    client.portal = service.client.portal
    answer = client.post("/sign-in", data={"key": key, "after": "/models"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/models")
    return client


def test_a_stranger_is_asked_to_sign_in_and_comes_back(service: InProcess) -> None:
    """No page tells anything before that."""
    client = TestClient(service.app, follow_redirects=False)
    answer = client.get("/models")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?after=/models")
    assert "Sign in" in client.get(answer.headers["location"]).text
    assert client.post("/sign-in", data={"key": "wrong"}).status_code == 401
    signed = signed_in(service)
    assert signed.get("/models").status_code == 200
    cookie = signed.cookies["surrogym"]
    assert KEY not in cookie
    signed.cookies.clear()
    signed.cookies.set("surrogym", cookie[:-1] + ("0" if cookie[-1] != "0" else "1"))
    assert signed.get("/models").status_code == 303


@pytest.mark.parametrize("after", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_nobody_is_sent_elsewhere_after_signing_in(service: InProcess, after: str) -> None:
    """A link to our sign-in page must not lead to somebody else's copy of it."""
    client = TestClient(service.app, follow_redirects=False)
    answer = client.post("/sign-in", data={"key": KEY, "after": after})
    assert answer.headers["location"] == "/"


def test_pages_of_other_sites_cannot_act_for_a_visitor(service: InProcess) -> None:
    """The browser sends the cookie with them; the origin gives them away."""
    client = signed_in(service)
    for headers in ({"Origin": "https://evil.example"}, {}):
        assert client.post("/sign-out", headers=headers).status_code == 403
    assert client.post("/sign-out", headers={"Origin": "http://testserver"}).status_code == 303


def test_a_signed_in_browser_ends_with_its_key(service: InProcess) -> None:
    """Revoking a key signs out every browser that it signed in."""
    headers = service.key("read")
    key = headers["Authorization"].split()[1]
    client = signed_in(service, key)
    assert client.get("/models").status_code == 200
    service.client.delete(f"/v1/keys/{key.split('_')[1]}")
    assert client.get("/models").status_code == 303


def test_a_chart_escapes_what_it_is_told_and_leaves_gaps() -> None:
    """Names come from users; a missing value is not a line to zero."""
    line = Line(name="<script>", xs=[0, 1, 2, 3], ys=[1.0, float("nan"), 2.0, 3.0])
    chart = Chart(title='"><b>', x_label="x", y_label="y", lines=[line, line])
    told = draw(chart)
    assert "<script>" not in told
    assert "<b>" not in told
    assert told.count("M") >= 4
    assert "Nothing" in draw(Chart(title="t", x_label="x", y_label="y", lines=[]))


@pytest.mark.parametrize(("level", "is_highest"), [(9.0, True), (1.5, False)])
def test_the_name_of_a_level_is_never_cut_off(level: float, is_highest: bool) -> None:
    """A threshold above all that was seen is the top of the chart: over it there is no room."""
    line = Line(name="evidence", xs=[0, 1, 2], ys=[0.0, 1.0, 3.0])
    told = draw(
        Chart(title="t", x_label="x", y_label="y", lines=[line], levels=[("threshold", level)])
    )
    found = re.search(r'class="level"[^>]* y1="([\d.]+)"[^>]*/><text[^>]* y="([\d.]+)"', told)
    assert found is not None
    at, name = map(float, found.groups())
    # Letters reach 20 units up on a phone.
    assert name > 20
    assert (name > at) == is_highest


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59.6, "1 min"), (3725, "1 h 2 min"), (90_000, "1 d 1 h")]
)
def test_spans_are_said_in_two_units(seconds: float, said: str) -> None:
    """More would be read as precision."""
    assert span(seconds) == said
