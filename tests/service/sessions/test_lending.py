"""Requests that workers answer themselves: alike, given back with any other, never lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from service.sessions.allowance import Allowance
from service.sessions.direct import Order
from service.sessions.frames import Frame, Kind
from tests.service.conftest import KEY, Served
from tests.service.jobs.conftest import until
from tests.service.sessions import hostile
from tests.service.sessions.conftest import stock
from tests.service.sessions.desk import Desk
from tests.service.sessions.processes import begin, players

STEP = '{"action":1}'
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}


Answer = tuple[int, dict[str, str], Any]


class Line:
    """One connection that is kept, on which a session is stepped."""

    def __init__(self, served: Served, session: str, key: str = KEY) -> None:
        self.path = f"/v1/sessions/{session}"
        self._headers = HEADERS | {"Authorization": f"Bearer {key}"}
        self.connection = HTTPConnection("127.0.0.1", _port(served), timeout=30)
        self.connection.connect()

    def ask(self, name: str, body: Any = "{}", method: str = "POST", **headers: str) -> Answer:
        told = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        path = name if name.startswith("/") else f"{self.path}/{name}"
        self.connection.request(method, path, body, told)
        answer = self.connection.getresponse()
        content = answer.read()
        given = {name.lower(): value for name, value in answer.getheaders()}
        is_json = "json" in given.get("content-type", "")
        return answer.status, given, json.loads(content) if is_json else content

    def step(self, action: int = 1, **more: Any) -> Answer:
        return self.ask("step", json.dumps({"action": action, **more}))

    def lend(self, served: Served) -> psutil.Process:
        """Step until a worker answers."""
        assert self.ask("reset")[0] == 200
        for _ in range(3):
            assert self.step()[0] == 200
        worker: psutil.Process = until(lambda: holder(served, self), bool)
        return worker


def _port(served: Served) -> int:
    return int(served.address.rpartition(":")[2])


def holder(served: Served, line: Line) -> psutil.Process | None:
    """The worker that has a line."""
    ours = line.connection.sock.getsockname()[1]
    for process in players(served):
        if any(getattr(c.raddr, "port", None) == ours for c in process.net_connections("tcp")):
            return process
    return None


@contextmanager
def stepping(served: Served, key: str = KEY, **order: Any) -> Iterator[Line]:
    line = Line(served, begin(served, **order), key)
    with closing(line.connection):
        yield line


def test_a_worker_answers_as_the_service_does(served: Served) -> None:
    """The same replies, headers and counts, whoever answers; the request's id comes back."""
    before = _answers(served)
    with stepping(served, seed=7) as lent, stepping(served, seed=7) as other:
        for line in (lent, other):
            line.lend(served)
        by_worker = [_answered(lent, number) for number in range(2 * hostile.EPOCHS)]
        by_service = []
        for number in range(2 * hostile.EPOCHS):
            # Over a connection of its own each.
            other.connection.close()
            other.connection.connect()
            by_service.append(_answered(other, number))
        assert by_worker == by_service
        assert holder(served, lent) is not None
        _, named, _ = lent.step()
        assert len(named["x-request-id"]) == 32
    whole = {"step": 2 * (3 + 10) + 1, "reset": 2 * (1 + 2)}
    until(
        lambda: {name: count - before[name] for name, count in _answers(served).items()},
        lambda found: found == whole,
    )


def _answered(line: Line, number: int) -> Answer:
    identity = f"request-{number}"
    if number % hostile.EPOCHS == 3:
        status, headers, reply = line.ask("reset", X_Request_Id=identity)
    else:
        status, headers, reply = line.ask("step", STEP, X_Request_Id=identity)
    assert headers["x-request-id"] == identity
    del headers["date"]
    return status, headers, reply


def _answers(served: Served) -> dict[str, float]:
    """Steps and resets that were answered, by the metrics."""
    lines = served.client().get("/metrics").text.splitlines()
    start = 'surrogym_http_requests_total{method="POST",route="/v1/sessions/{session_id}/'
    return {
        name: sum(float(x.rsplit(" ", 1)[1]) for x in lines if x.startswith(start + name))
        for name in ("step", "reset")
    }


def test_another_request_is_the_services(served: Served) -> None:
    """Whatever comes over the same connection is answered as ever, and the session goes on."""
    with stepping(served) as line, stepping(served) as other:
        line.lend(served)
        status, _, shown = line.ask(line.path, None, "GET")
        assert (status, shown["step_id"]) == (200, 4)
        assert holder(served, line) is None
        refused: list[tuple[int, dict[str, str]]] = [
            (422, {"body": '{"action":99}'}),
            (422, {"body": "{"}),
            (422, {"body": '{"action":"\\u0000"}'}),
            (400, {"body": "[" * 100_000}),
            (415, {"body": STEP, "Content_Type": "text/plain"}),
            (401, {"body": STEP, "Authorization": "Bearer sgk_wrong"}),
            (409, {"body": '{"action":0,"step_id":90}'}),
        ]
        for status, asked in refused:
            line.connection.close()
            line.connection.connect()
            line.lend(served)
            told = line.ask("step", **asked)
            assert (told[0], told[1]["content-type"]) == (status, "application/problem+json"), asked
            assert line.step()[0] == 200
        line.connection.close()
        line.connection.connect()
        line.lend(served)
        assert line.ask(other.path + "/reset")[0] == 200
        _, _, shown = line.ask(line.path, None, "GET")
        assert shown["step_id"] == 4 + 5 * len(refused) + 4


def test_either_form_and_chunks(served: Served) -> None:
    """Msgpack is answered in msgpack; a body in chunks is the service's; a close closes."""
    with stepping(served) as line:
        line.lend(served)
        packed = msgspec.msgpack.encode({"action": 1})
        status, headers, told = line.ask("step", packed, Content_Type="application/msgpack")
        assert (status, headers["content-type"]) == (200, "application/msgpack")
        assert msgspec.msgpack.decode(told)["step_id"] == 5
        assert holder(served, line) is not None
        status, _, reply = line.ask("step", iter([b'{"act', b'ion":1}']))
        assert (status, reply["step_id"]) == (200, 6)
        assert holder(served, line) is None
        line.ask("reset")
        status, headers, _ = line.ask("step", STEP, Connection="close")
        assert (status, headers["connection"]) == (200, "close")
        line.connection.connect()
        line.lend(served)
        status, headers, _ = line.ask("reset", None, Connection="close")
        assert (status, headers["connection"]) == (200, "close")


def test_requests_in_pieces_and_in_a_row(served: Served) -> None:
    """Whatever way the network cuts them, and more than one at once; answers come in order."""
    with stepping(served) as line:
        line.lend(served)
        body = STEP.encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        told = (
            f"POST {line.path}/%s HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        )
        step, reset = ((told % name).encode() + body for name in ("step", "reset"))
        sock = line.connection.sock
        for byte in step:
            sock.sendall(bytes([byte]))
        assert _replies(sock, 1) == [5]
        assert holder(served, line) is not None
        sock.sendall(reset + 3 * step + step[:50])
        assert _replies(sock, 4) == [6, 7, 8, 9]
        sock.sendall(step[50:])
        assert _replies(sock, 1) == [10]
        assert holder(served, line) is not None


def _replies(sock: socket.socket, count: int) -> list[int]:
    heard = b""
    while heard.count(b'"step_id":') < count or not heard.endswith(b"}"):
        heard += sock.recv(1 << 16)
    return [int(part.split(b",")[0].strip(b"}")) for part in heard.split(b'"step_id":')[1:]]


@pytest.mark.parametrize(
    ("decision", "status", "code"),
    [
        (hostile.SEGFAULT, 502, "simulator_crashed"),
        (hostile.LOOP, 504, "step_timeout"),
        (hostile.RAISE, 502, "simulator_error"),
        (hostile.NAN, 502, "simulator_error"),
    ],
)
def test_a_simulator_that_fails_is_told(
    served: Served, decision: int, status: int, code: str
) -> None:
    """To its client once, and a neighbour in the same process goes on and sees nothing of it."""
    with stepping(served, seed=5) as bad, stepping(served, seed=6) as good:
        bad.lend(served)
        good.lend(served)
        told = bad.step(decision)
        assert (told[0], told[2]["code"]) == (status, code)
        assert bad.step()[2]["code"] == code
        status, _, reply = good.step(step_id=5)
        assert (status, reply["step_id"]) == (200, 5)


def test_a_killed_worker_takes_nothing_with_it(served: Served) -> None:
    """A client who waits for nothing sees nothing; one who waits is answered by another worker."""
    with stepping(served) as line:
        worker = line.lend(served)
        worker.kill()
        worker.wait()
        status, _, reply = line.step(step_id=5)
        assert (status, reply["step_id"]) == (200, 5)
        line.connection.close()
        line.connection.connect()
        worker = line.lend(served)
        os.kill(worker.pid, signal.SIGSTOP)
        body = '{"action":1,"step_id":10}'
        line.connection.request("POST", f"{line.path}/step", body, HEADERS)
        time.sleep(0.2)
        worker.kill()
        answer = line.connection.getresponse()
        assert (answer.status, json.loads(answer.read())["step_id"]) == (200, 10)


def test_an_end_is_told(served: Served) -> None:
    """Of the session, and of the key; a client who left is forgotten."""
    with stepping(served) as line:
        line.lend(served)
        assert served.client().delete(line.path).status_code == 204
        assert line.step()[2]["code"] == "session_closed"
    order = {"name": "leaked", "owner": "operator", "scopes": ["step"]}
    key = str(served.client().post("/v1/keys", json=order).json()["key"])
    with stepping(served, key=key) as line:
        line.lend(served)
        assert served.client().delete(f"/v1/keys/{key.split('_')[1]}").status_code == 204
        until(lambda: holder(served, line), lambda found: found is None)
        until(lambda: line.step()[0], lambda status: status == 401)
    with stepping(served) as line:
        line.lend(served)
    until(lambda: players(served), lambda found: not found)


def test_a_stop_answers_who_waits(tmp_path: Path, artefact: Path) -> None:
    """A command that takes long is told to be asked again, and the rest of the stop goes on."""
    data = stock(tmp_path / "data", artefact)
    environment = {
        "SURROGYM_KEY": KEY,
        "SURROGYM_SESSIONS__STEP_SECONDS": "60",
        "SURROGYM_SESSIONS__SIMULATOR_WORKERS": "1",
    }
    with closing(Served(data=data, environment=environment)) as served:
        served.start()
        with stepping(served) as slow, stepping(served) as behind, stepping(served) as idle:
            for line in (idle, behind, slow):
                line.lend(served)
            assert served.process is not None
            assert served.process.stdout is not None
            body = json.dumps({"action": hostile.LOOP})
            slow.connection.request("POST", f"{slow.path}/step", body, HEADERS)
            time.sleep(0.5)
            behind.connection.request("POST", f"{behind.path}/step", STEP, HEADERS)
            began = time.monotonic()
            served.process.terminate()
            for line in (slow, behind):
                answer = line.connection.getresponse()
                told = json.loads(answer.read())
                assert (answer.status, told["code"]) == (503, "not_ready")
                assert line.connection.sock is None
            assert idle.connection.sock.recv(1) == b""
            assert served.process.wait(10.0) == 0
            served.process.stdout.close()
            assert time.monotonic() - began < 10


def test_what_a_worker_cannot_be_told_is_the_services(served: Served) -> None:
    """Headers of hundreds of kilobytes do not fit between two frames; neighbours see nothing."""
    with stepping(served) as good, stepping(served) as large:
        good.lend(served)
        for name in ("reset", "step", "step", "step", "step"):
            assert large.ask(name, STEP, Cookie="x" * 600_000)[0] == 200
        assert holder(served, large) is None
        assert good.step()[0] == 200


def test_a_client_behind_a_long_command_waits_for_it(served: Served) -> None:
    """It is answered once; what was answered counts, of a session that is deleted too."""
    before = _answers(served)
    with stepping(served) as line, stepping(served) as other:
        line.lend(served)
        other.lend(served)
        worker = holder(served, line)
        assert worker is not None
        worker.suspend()
        line.connection.request("POST", f"{line.path}/step", STEP, HEADERS)
        time.sleep(0.5)
        worker.resume()
        answer = line.connection.getresponse()
        assert (answer.status, json.loads(answer.read())["step_id"]) == (200, 5)
        assert served.client().delete(line.path).status_code == 204
    until(
        lambda: {name: count - before[name] for name, count in _answers(served).items()},
        lambda found: found == {"step": 7, "reset": 2},
    )


KEYED = [(b"authorization", b"Bearer x")]
HEAD = b"POST /v1/sessions/ses_1/reset HTTP/1.1\r\nAuthorization: Bearer x\r\n"


@pytest.mark.parametrize(
    "told",
    [
        HEAD,
        HEAD + b"Content-Length: 2\r\n\r\n{",
        HEAD.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"X-Api-Key: y\r\n\r\n",
        HEAD.replace(b"POST", b"PUT") + b"\r\n",
        HEAD.replace(b"reset", b"reset?x") + b"\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 70000\r\n\r\n" + b" " * 70_000,
    ],
)
def test_a_connection_goes_back_with_what_was_not_answered(desk: Desk, told: bytes) -> None:
    """Halves after which nothing more comes, and whatever is not as it was; unread, at once."""
    with desk.client(credentials=KEYED) as client:
        client.sendall(HEAD + b"\r\n")
        assert b'"step_id":1' in client.recv(1 << 16)
        client.sendall(told)
        client.shutdown(socket.SHUT_WR)
        left = next(frame for frame in desk.heard() if frame.kind == Kind.LEFT)
        assert (left.number, left.form, left.content) == (7, 0, b"")


def test_connections_that_are_kept_for_nothing_go_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a head keeps none, nor does one that the worker has no room for."""
    monkeypatch.setattr("service.sessions.direct_requests._IDLE_SECONDS", 0.5)
    with desk.client(credentials=KEYED) as client:
        client.sendall(HEAD)
        assert next(frame for frame in desk.heard() if frame.kind == Kind.LEFT).number == 7
    desk.worker._descriptors.append(None)
    order = Order("ses_1", 8, 4, 1 << 16, Allowance("key", 1 << 20, 8, 1000, 1 << 20), KEYED)
    desk.ask(Frame(Kind.STREAM, 0, 1, msgspec.msgpack.encode(order)))
    assert next(frame for frame in desk.heard() if frame.kind == Kind.LEFT).number == 8
