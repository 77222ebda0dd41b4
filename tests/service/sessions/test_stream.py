"""Streams: order, forms, keys, problems and ends."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect

from tests.service.conftest import KEY, InProcess
from tests.service.sessions.conftest import Starting
from tests.service.sessions.test_sessions import begin


@pytest.fixture(scope="module")
def stepping(starting: Starting) -> InProcess:
    return starting(credit=2)


def test_commands_are_answered_in_order_beyond_the_credit(stepping: InProcess) -> None:
    """Who sends more than may be under way waits; nothing is lost or refused for it."""
    session = begin(stepping)
    with stepping.client.websocket_connect(f"/v1/sessions/{session}/stream") as socket:
        hello = json.loads(socket.receive_text())
        assert (hello["type"], hello["credit"], hello["step_id"]) == ("hello", 2, None)
        socket.send_text('{"type": "reset", "step_id": 1}')
        for number in range(2, 8):
            socket.send_text(json.dumps({"type": "step", "step_id": number, "action": 0}))
        replies = [json.loads(socket.receive_text()) for _ in range(7)]
    assert [reply["step_id"] for reply in replies] == list(range(1, 8))
    assert replies[-1]["terminated"] is True


def test_text_is_json_and_bytes_are_msgpack_on_one_stream(stepping: InProcess) -> None:
    """A reply has the form of its command, and a repeat may have another."""
    session = begin(stepping, num_envs=2)
    with stepping.client.websocket_connect(f"/v1/sessions/{session}/stream") as socket:
        socket.receive_text()
        socket.send_text('{"type": "reset", "step_id": 1}')
        text = json.loads(socket.receive_text())["observation"]
        socket.send_bytes(msgspec.msgpack.encode({"type": "reset", "step_id": 1}))
        told = msgspec.msgpack.decode(socket.receive_bytes())["observation"]
    values = np.frombuffer(told["bytes"], told["dtype"]).reshape(told["shape"])
    np.testing.assert_array_equal(values, np.array(text, dtype=np.float32))


def test_problems_are_messages_and_the_stream_goes_on(stepping: InProcess) -> None:
    """With the step id from which to go on."""
    session = begin(stepping)
    with stepping.client.websocket_connect(f"/v1/sessions/{session}/stream") as socket:
        socket.receive_text()
        for wrong, code in (
            ("{", "invalid_request"), ('{"type": "fly"}', "invalid_request"),
            ('{"type": "step", "action": 0}', "not_reset"),
            ('{"type": "reset", "step_id": 5}', "step_gap"),
        ):  # fmt: skip
            socket.send_text(wrong)
            problem = json.loads(socket.receive_text())
            assert (problem["type"], problem["step_id"]) == ("error", 0)
            assert problem["problem"]["code"] == code
        socket.send_text('{"type": "reset"}')
        assert json.loads(socket.receive_text())["step_id"] == 1


def test_browsers_say_their_key_first(stepping: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """They cannot set headers; a wrong key, or none, gets a problem and no session."""
    session = begin(stepping)
    path = f"/v1/sessions/{session}/stream"
    monkeypatch.delitem(stepping.client.headers, "Authorization")
    with stepping.client.websocket_connect(path) as socket:
        socket.send_text(json.dumps({"type": "auth", "key": KEY}))
        assert json.loads(socket.receive_text())["type"] == "hello"
    for first in ('{"type": "auth", "key": "sgk_000000000000_x"}', '{"type": "step"}', "[]"):
        with stepping.client.websocket_connect(path) as socket:
            socket.send_text(first)
            assert _ends(socket) == ("unauthenticated", 4400)


def test_a_session_that_is_over_says_so_on_its_streams(stepping: InProcess) -> None:
    """At once, and to whoever comes later."""
    session = begin(stepping)
    with stepping.client.websocket_connect(f"/v1/sessions/{session}/stream") as socket:
        socket.receive_text()
        stepping.client.delete(f"/v1/sessions/{session}")
        assert _ends(socket) == ("session_closed", 4410)
    with stepping.client.websocket_connect(f"/v1/sessions/{session}/stream") as socket:
        assert _ends(socket) == ("session_closed", 4400)


def test_streams_of_a_revoked_key_end(stepping: InProcess) -> None:
    """Also those that the service itself serves, and those of OpenEnv."""
    session = begin(stepping)
    headers = stepping.key("step", owner="operator")
    connect = partial(stepping.client.websocket_connect, headers=headers)
    with connect(f"/v1/sessions/{session}/stream") as ours, connect("/openenv/clinic/ws") as theirs:
        ours.receive_text()
        theirs.send_text('{"type": "state"}')
        theirs.receive_text()
        stepping.app.state.keyring.revoke(headers["Authorization"].split("_")[1])
        assert _ends(ours) == ("unauthenticated", 4400)
        assert "unauthenticated" in theirs.receive_text()
        with pytest.raises(WebSocketDisconnect) as ended:
            theirs.receive_text()
        assert ended.value.code == 1008


def _ends(socket: Any) -> tuple[str, int]:
    code = json.loads(socket.receive_text())["problem"]["code"]
    with pytest.raises(WebSocketDisconnect) as ended:
        socket.receive_text()
    return code, ended.value.code
