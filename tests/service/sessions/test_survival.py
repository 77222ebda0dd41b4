"""Sessions outlive the service, however it ends, bit for bit."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.service.conftest import KEY, Served
from tests.service.sessions import hostile
from tests.service.sessions.conftest import SURROGATE, stock

ORDERS: dict[str, tuple[dict[str, Any], Any]] = {
    "single simulator": ({"env": "clinic", "mask": "feasible"}, 5),
    "batched surrogate": (
        {"env": "clinic", "world": SURROGATE, "num_envs": 4, "autoreset_mode": "NextStep"},
        [0, 7, 13, 23],
    ),
    "plug-in": ({"env": "hostile", "num_envs": 2}, [0, 1]),
}
STEPS, EPISODE = 8, 5


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, artefact: Path) -> Iterator[Served]:
    data = stock(tmp_path_factory.mktemp("survival") / "data", artefact)
    with closing(Served(data=data, environment={"SURROGYM_KEY": KEY})) as handle:
        yield handle.start()


def begin(served: Served, order: dict[str, Any]) -> str:
    made = served.client().post("/v1/sessions", json={"seed": 9} | order)
    assert made.status_code == 201, made.text
    identifier: str = made.json()["id"]
    return identifier


@contextmanager
def opened(served: Served, session: str) -> Iterator[ClientConnection]:
    address = served.address.replace("http", "ws") + f"/v1/sessions/{session}/stream"
    with connect(address, additional_headers={"Authorization": f"Bearer {KEY}"}) as socket:
        assert json.loads(socket.recv())["type"] == "hello"
        yield socket


def command(number: int, action: Any) -> str:
    if number in (1, EPISODE):
        return json.dumps({"type": "reset", "step_id": number})
    return json.dumps({"type": "step", "step_id": number, "action": action})


def test_a_kill_changes_no_bit_of_any_session(served: Served) -> None:
    """Killed at every step in turn: what was answered is answered again, and all goes on alike."""
    whole = {name: begin(served, order) for name, (order, _) in ORDERS.items()}
    told = {name: _played(served, name, session) for name, session in whole.items()}
    cut = {name: begin(served, order) for name, (order, _) in ORDERS.items()}
    for number in (4, STEPS):
        for name, session in cut.items():
            for earlier in range(1, number):
                _ask(served, session, command(earlier, ORDERS[name][1]))
            with opened(served, session) as socket:
                # Done, or begun, or not even read: nobody heard of it.
                socket.send(command(number, ORDERS[name][1]))
        served.kill()
        served.start()
        for name, session in cut.items():
            for repeated in range(1, number + 1):
                reply = _ask(served, session, command(repeated, ORDERS[name][1]))
                assert reply == told[name][repeated - 1], (name, number, repeated)
    metrics = served.client().get("/metrics").text
    assert f'surrogym_sessions_open{{world="simulator"}} {4.0}' in metrics


def _played(served: Served, name: str, session: str) -> list[str | bytes]:
    with opened(served, session) as socket:
        replies = []
        for number in range(1, STEPS + 1):
            socket.send(command(number, ORDERS[name][1]))
            replies.append(socket.recv())
    return replies


def _ask(served: Served, session: str, text: str) -> str:
    what = json.loads(text).pop("type")
    answer = served.client().post(
        f"/v1/sessions/{session}/{what}", content=text, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_stop_tells_streams_to_come_back_and_keeps_their_sessions(served: Served) -> None:
    """In seconds, whatever a user's simulator does at the time."""
    session, hanging = begin(served, {"env": "clinic"}), begin(served, {"env": "hostile"})
    with opened(served, session) as socket, opened(served, hanging) as stuck:
        socket.send(command(1, None))
        told = socket.recv()
        stuck.send(command(1, None))
        stuck.recv()
        stuck.send(command(2, hostile.LOOP))
        time.sleep(0.2)
        began = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - began < 4.0
        for each in (socket, stuck):
            with pytest.raises(ConnectionClosed) as closed:
                each.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
    served.start()
    assert _ask(served, session, command(1, None)) == told
