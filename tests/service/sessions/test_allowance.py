"""What one key may ask on streams."""

from __future__ import annotations

import json

import pytest

from service.clock import HandClock
from service.sessions.allowance import Allowance, Pace
from service.settings import LimitSettings
from tests.service.conftest import StartInProcess
from tests.service.sessions.test_sessions import begin


def test_a_minutes_commands_come_back_with_the_next_minute() -> None:
    """And no more of them for having waited longer."""
    clock = HandClock()
    pace = Pace(Allowance("key", 2, 8, 100, 1 << 20), clock.monotonic)

    def asked(times: int) -> list[str | None]:
        problems = [pace.against(b"{}", is_json=True) for _ in range(times)]
        return [None if problem is None else problem.code for problem in problems]

    assert asked(3) == [None, None, "rate_limited"]
    clock.advance(59.0)
    assert asked(1) == ["rate_limited"]
    clock.advance(200.0)
    assert asked(3) == [None, None, "rate_limited"]


def test_msgpack_is_not_taken_for_json() -> None:
    """The bytes of an array may hold anything."""
    pace = Pace(Allowance("key", 9, 8, 100, 1 << 20))
    assert pace.against(b"[" * 5000, is_json=False) is None
    assert pace.against(b"[" * 5000, is_json=True) is not None


@pytest.mark.parametrize("theirs", [False, True])
def test_streams_that_the_service_serves_have_limits_too(
    in_process: StartInProcess, theirs: bool
) -> None:
    """Of one key together, ours and OpenEnv's; a refusal is a message, and in its place."""
    service = in_process(limits=LimitSettings(requests_per_minute=4))
    path = "/openenv/clinic/ws" if theirs else f"/v1/sessions/{begin(service, env='clinic')}/stream"
    with service.client.websocket_connect(path) as socket:
        first = None if theirs else socket.receive_text()
        assert first is None or json.loads(first)["type"] == "hello"
        deep = '{"type": "state", "data": ' + "[" * 40 + " " * 1100 + "]" * 40 + "}"
        for command in ('{"type": "reset"}', deep, '{"type": "reset"}', '{"type": "reset"}', "{}"):
            socket.send_text(command)
        replies = [socket.receive_text() for _ in range(5)]
    assert "too_deep" in replies[1]
    assert "rate_limited" in replies[4]
    assert not any("error" in json.loads(replies[n])["type"] for n in (0, 2, 3))
