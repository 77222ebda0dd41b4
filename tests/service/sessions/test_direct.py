"""Streams that workers serve themselves: order, ends, deaths, and clients that do not read."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from service.sessions.direct_stream import DirectStream
from service.sessions.frames import Frame, Kind
from tests.service.conftest import KEY, Served
from tests.service.jobs.conftest import until
from tests.service.sessions import hostile
from tests.service.sessions.desk import Desk
from tests.service.sessions.processes import begin, players

RESET, STEP = '{"type":"reset"}', '{"type":"step","action":1}'


@contextmanager
def streaming(served: Served, session: str, key: str = KEY) -> Iterator[ClientConnection]:
    address = served.address.replace("http", "ws") + f"/v1/sessions/{session}/stream"
    with connect(address, additional_headers={"Authorization": f"Bearer {key}"}) as found:
        yield found


def last_words(stream: ClientConnection) -> tuple[str, int]:
    """Code of the problem that is told last, and of the close."""
    told: dict[str, Any] = {}
    while True:
        try:
            told = json.loads(stream.recv(timeout=10.0))
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else 1006
            return told.get("problem", {}).get("code", ""), code


def test_a_worker_answers_its_client_itself(served: Served) -> None:
    """In order, beyond the credit, in either form; the service hears what was done."""
    session = begin(served, num_envs=2)
    before = _commands(served)
    with streaming(served, session) as stream:
        hello = json.loads(stream.recv())
        assert (hello["type"], hello["session_id"], hello["step_id"]) == ("hello", session, None)
        (worker,) = players(served)
        assert "nursery" in " ".join(worker.cmdline())
        count = 3 * hello["credit"] + 1
        stream.send(json.dumps({"type": "reset"}))
        for number in range(1, count):
            command = {"type": "step", "action": [number % 2, 0]}
            stream.send(json.dumps(command) if number % 3 else msgspec.msgpack.encode(command))
        replies = [stream.recv() for _ in range(count)]
        numbers = [
            (json.loads(r) if isinstance(r, str) else msgspec.msgpack.decode(r))["step_id"]
            for r in replies
        ]
        assert numbers == list(range(1, count + 1))
        assert [isinstance(r, bytes) for r in replies[1:4]] == [False, False, True]
        stream.send("{")
        wrong = json.loads(stream.recv())
        assert (wrong["problem"]["code"], wrong["step_id"]) == ("invalid_request", count)
        stream.ping().wait(5.0)
    shown = until(lambda: served.client().get(f"/v1/sessions/{session}").json()["step_id"],
                  lambda step: step == count)  # fmt: skip
    assert shown == count
    assert _commands(served) == before + count + 1
    until(lambda: players(served), lambda found: not found)
    with streaming(served, session) as stream:
        assert json.loads(stream.recv())["step_id"] == count


def _commands(served: Served) -> float:
    told = served.client().get("/metrics").text
    lines = [x for x in told.splitlines() if x.startswith("surrogym_session_commands_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_a_stranger_says_his_key_and_no_more(served: Served) -> None:
    """What a browser may say first is as long as a key; after a good one messages are long."""
    session = begin(served)
    address = served.address.replace("http", "ws") + f"/v1/sessions/{session}/stream"
    with connect(address) as stream:
        stream.send("x" * 5000)
        assert last_words(stream) == ("", 1009)
    with connect(address) as stream:
        stream.send(json.dumps({"type": "auth", "key": KEY}))
        assert json.loads(stream.recv())["type"] == "hello"
        stream.send(json.dumps({"type": "x" * 5000}))
        assert json.loads(stream.recv())["problem"]["code"] == "invalid_request"


def test_a_session_that_is_closed_says_so_to_its_clients(served: Served) -> None:
    """Every stream of it, and the connections come to an end."""
    session = begin(served)
    with streaming(served, session) as one, streaming(served, session) as other:
        for stream in (one, other):
            stream.recv()
            stream.send(RESET)
            stream.recv()
        assert served.client().delete(f"/v1/sessions/{session}").status_code == 204
        assert last_words(one) == last_words(other) == ("session_closed", 4410)
    until(lambda: players(served), lambda found: not found)


def test_a_stream_ends_with_its_key(served: Served) -> None:
    """Or a leaked key could be revoked and go on stepping; others of the session go on."""
    session = begin(served)
    order = {"name": "leaked", "owner": "operator", "scopes": ["step"]}
    key = str(served.client().post("/v1/keys", json=order).json()["key"])
    with streaming(served, session) as other, streaming(served, session, key) as stream:
        for each in (other, stream):
            each.recv()
        stream.send(RESET)
        stream.recv()
        assert served.client().delete(f"/v1/keys/{key.split('_')[1]}").status_code == 204
        assert last_words(stream) == ("unauthenticated", 4400)
        other.send(STEP)
        assert json.loads(other.recv())["step_id"] == 2


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (hostile.SEGFAULT, "simulator_crashed"),
        (hostile.LOOP, "step_timeout"),
        (hostile.RAISE, "simulator_error"),
        (hostile.NAN, "simulator_error"),
    ],
)
def test_a_simulator_that_fails_is_told_on_the_stream(
    served: Served, decision: int, code: str
) -> None:
    """Never a reward; a neighbour in the same process comes back and goes on alike."""
    bad, good = begin(served, seed=5), begin(served, seed=6)
    with streaming(served, good) as neighbour, streaming(served, bad) as stream:
        for each in (neighbour, stream):
            each.recv()
            each.send(RESET)
            each.recv()
        stream.send(json.dumps({"type": "step", "step_id": 2, "action": decision}))
        assert last_words(stream) == (code, 4410)
        path = f"/v1/sessions/{good}/step"
        went_on = served.client().post(path, json={"step_id": 2, "action": 1})
        assert went_on.status_code == 200, went_on.text
        if code != "simulator_error":
            assert last_words(neighbour) == ("", 1012)
    with streaming(served, good) as neighbour:
        assert json.loads(neighbour.recv())["step_id"] == 2
        neighbour.send('{"type":"step","step_id":2,"action":1}')
        assert json.loads(neighbour.recv()) == went_on.json()


def test_a_killed_worker_sends_clients_back(served: Served) -> None:
    """With all that was done."""
    session = begin(served)
    with streaming(served, session) as stream:
        stream.recv()
        stream.send(RESET)
        stream.recv()
        stream.send(STEP)
        told = stream.recv()
        os.kill(players(served)[0].pid, signal.SIGKILL)
        assert last_words(stream) == ("", 1012)
    with streaming(served, session) as stream:
        assert json.loads(stream.recv())["step_id"] == 2
        stream.send('{"type":"step","step_id":2,"action":1}')
        assert stream.recv() == told


def masked(text: bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    """A message as clients send it, masked by zeros."""
    return bytes([opcode | 0x80 * fin, 0x80 | 126]) + struct.pack("!H", len(text)) + bytes(4) + text


def test_messages_in_pieces_are_put_together(desk: Desk) -> None:
    """Whatever way the network cuts them, and pings in between."""
    with desk.client() as client:
        hello = client.recv(1 << 16)
        assert b'"hello"' in hello
        told = RESET.encode()
        sent = masked(told[:5], fin=False) + masked(b"?", 9) + masked(told[5:], 0)
        for byte in sent:
            client.sendall(bytes([byte]))
        answer = b""
        while b'"step_id":1' not in answer:
            answer += client.recv(1 << 16)
        assert b"\x8a\x01?" in answer
        client.sendall(masked(struct.pack("!H", 1000), 8))
        left = next(frame for frame in desk.heard() if frame.kind == Kind.LEFT)
    assert (left.number, left.form) == (7, 1)


def test_what_is_too_large_is_refused_before_it_is_read(desk: Desk) -> None:
    """By the close code that says so."""
    with desk.client(most_bytes=100) as client:
        client.recv(1 << 16)
        client.sendall(masked(b"x" * 101))
        answer = b""
        while chunk := client.recv(1 << 16):
            answer += chunk
    assert answer[0] == 0x88
    assert struct.unpack("!H", answer[2:4])[0] == 1009


def test_commands_are_within_the_limits_of_their_key(desk: Desk) -> None:
    """As requests are: neither too deep, nor too many values, nor too many a minute."""
    deep = b'{"type":"step","action":' + b"[" * 9 + b" " * 1100 + b"]" * 9 + b"}"
    long = b'{"type":"step","action":[' + b"0," * 1000 + b"0]}"
    with desk.client(per_minute=4) as client:
        answers = b""
        for command in (RESET.encode(), deep, long, RESET.encode(), RESET.encode()):
            client.sendall(masked(command))
        while answers.count(b'"step_id"') < 6:
            answers += client.recv(1 << 16)
    found = re.findall(rb'"step_id":(\d+)|"code":"(\w+)"', answers)
    assert [number or code for number, code in found] == [
        b"1", b"1", b"too_deep", b"1", b"too_deep", b"2", b"2", b"rate_limited",
    ]  # fmt: skip


def test_who_does_not_read_waits_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands stay where they are; the service and others are answered; memory is bounded."""
    monkeypatch.setattr("service.sessions.direct_stream._MOST_UNSENT", 1 << 14)
    with desk.client() as deaf:
        deaf.setblocking(False)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        reset, sent = masked(RESET.encode()), 0
        stream = until(lambda: desk.worker._streams.get(7), lambda found: found is not None)
        assert isinstance(stream, DirectStream)
        for _ in range(400):
            try:
                sent += deaf.send(reset * 200)
            except BlockingIOError:
                desk.ask(Frame(Kind.SNAPSHOT, 0, 1, b""))
                assert next(f for f in desk.heard() if f.kind == Kind.REPLY).content
        assert sent > len(reset)
        assert len(stream.unsent) < (1 << 14) + (1 << 16)
        desk.ask(Frame(Kind.LET_GO, 0, 1, b"", 7))
        left = next(frame for frame in desk.heard() if frame.kind == Kind.LEFT)
        assert (left.number, left.form) == (7, 0)
