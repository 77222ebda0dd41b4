"""The whole service, as it is served, under whatever happens to services.

The suite kills 25 times on SQLite and 5 on PostgreSQL;
`SURROGYM_KILLS=200 pytest tests/service/test_chaos.py -k kill` kills 200 and 40 times.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from sim.streams import stream
from tests.service.chaos.crowd import Crowd, Player
from tests.service.chaos.killer import Killer
from tests.service.chaos.victim import Victim
from tests.service.chaos.zygote import Zygote
from tests.service.clinic import Clinic, sketched
from tests.service.conftest import KEY
from tests.service.databases import fresh_on, mortal_postgresql, url_of
from tests.service.jobs.conftest import until
from tests.service.sessions import hostile

KILLS = int(os.environ.get("SURROGYM_KILLS", "25"))
HOUR = 3600.0
OPERATOR = {"owner": "operator"}
QUICK = {
    "JOBS__CORES": "2",
    "JOBS__CRASHES": "1000",
    "JOBS__HEARTBEAT_SECONDS": "0.3",
    "JOBS__POLL_SECONDS": "0.05",
    "JOBS__WAIT_SECONDS": "0.1",
    "SESSIONS__REAP_SECONDS": "0.5",
    "SESSIONS__UNUSED_SECONDS": "20",
}
Start = Callable[..., Victim]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with closing(Zygote()) as handle:
        yield handle


@pytest.fixture
def start(zygote: Zygote, tmp_path: Path) -> Iterator[Start]:
    """Starts a service, with settings as the environment has them."""
    started: list[Victim] = []

    def starting(**given: str) -> Victim:
        environment = {f"SURROGYM_{name}": value for name, value in (QUICK | given).items()}
        started.append(Victim(zygote, tmp_path, environment))
        return started[-1].start()

    yield starting
    for victim in started:
        victim.kill()


@pytest.fixture(scope="module")
def clinics(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> list[Clinic]:
    """Two versions of models, whatever they are worth."""
    return [sketched(tmp_path_factory.mktemp("clinic"), seed) for seed in (1, 2)]


@contextmanager
def crowded(victim: Victim, clinics: list[Clinic]) -> Iterator[Crowd]:
    """A crowd that is at it, and that the service is held to in the end."""
    with closing(Crowd(victim, clinics)) as crowd:
        crowd.start()
        yield crowd
        crowd.stop()
        crowd.check()
        until(victim.open_sessions, lambda count: count == len(crowd.players), 60.0)
        for player in crowd.players:
            player.end()
        assert victim.open_sessions() == 0


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert "reward" not in answer.text
    return answer.status_code, str(answer.json()["code"])


@pytest.mark.parametrize(("kind", "kills"), [("sqlite", KILLS), ("postgresql", KILLS // 5)])
def test_no_kill_loses_or_doubles_anything(
    kind: str,
    kills: int,
    start: Start,
    tmp_path: Path,
    clinics: list[Clinic],
    request: pytest.FixtureRequest,
) -> None:
    """Whoever was answered relies on it, and whoever was not asks again: so it was promised."""
    url = f"sqlite:///{tmp_path / 'data' / 'surrogym.db'}"
    victim = start(DATABASE_URL=url if kind == "sqlite" else url_of(kind, tmp_path, request))
    with crowded(victim, clinics):
        killer = Killer(victim, stream(7, "kills"))
        killer.kill(kills)
        assert killer.killed.total() == kills
        assert killer.killed["service"] > kills // 5
    if kind == "sqlite":
        with closing(sqlite3.connect(victim.data / "surrogym.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    left = victim.processes()
    assert victim.stop() == 0
    until(lambda: [pid for pid in left if psutil.pid_exists(pid)], lambda pids: not pids, 5.0)


def test_a_locked_database_is_told_and_nothing_is_lost(
    start: Start, tmp_path: Path, clinics: list[Clinic]
) -> None:
    """A backup or an operator's shell may hold it; requests say so, and steps go on without it."""
    url = f"sqlite:///{tmp_path / 'data' / 'surrogym.db'}?timeout=3"
    victim = start(DATABASE_URL=url)
    with crowded(victim, clinics) as crowd, victim.http() as http:
        with (
            closing(sqlite3.connect(victim.data / "surrogym.db", isolation_level=None)) as other,
            ThreadPoolExecutor(60) as pool,
        ):
            new = http.post("/v1/keys", json={"name": "new", "scopes": ["step"]} | OPERATOR)
            key = {"Authorization": f"Bearer {new.json()['key']}"}
            over = http.post("/v1/sessions", json={"env": "clinic"}).headers["location"]
            other.execute("PRAGMA busy_timeout = 30000")
            other.execute("BEGIN EXCLUSIVE")
            waiting = [pool.submit(_submitted, http, number) for number in range(60)]
            # By now they have every thread that there is for requests.
            time.sleep(0.5)
            path, last = f"/v1/sessions/{crowd.idle.session}/reset", {"step_id": crowd.idle.steps}
            assert http.post(path, json=last, headers=key).status_code == 200
            assert not any(each.done() for each in waiting)
            answers = [each.result() for each in waiting]
            assert {problem(answer) for answer in answers} == {(503, "storage_unavailable")}
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
            crowd.go_on()
            # It could be there again after a kill.
            assert problem(http.delete(over)) == (503, "storage_unavailable")
            other.execute("ROLLBACK")
        assert http.delete(over).status_code == 204
        assert http.get("/readyz").status_code == 200


def test_a_database_that_is_killed_is_told_and_nothing_is_lost(
    start: Start, clinics: list[Clinic]
) -> None:
    """It restarts for an upgrade, or its machine does; requests say so, and then all goes on."""
    with mortal_postgresql() as server:
        victim = start(DATABASE_URL=fresh_on(server.url))
        with crowded(victim, clinics) as crowd, victim.http() as http:
            for seconds_away in (0.0, 3.0):
                server.kill()
                time.sleep(seconds_away)
                for ask in (
                    partial(_submitted, http, 0),
                    partial(http.get, "/v1/training-jobs"),
                    partial(http.post, "/v1/sessions", json={"env": "clinic"}),
                ):
                    answer = ask()
                    assert problem(answer) == (503, "storage_unavailable")
                    assert int(answer.headers["retry-after"]) >= 1
                ready = http.get("/readyz")
                assert (ready.status_code, ready.json()["missing"]) == (
                    503, ["the database does not answer"],
                )  # fmt: skip
                assert http.get("/livez").status_code == 200
                assert http.get("/metrics").status_code == 200
                server.start()
                until(partial(http.get, "/readyz"), lambda answer: answer.status_code == 200, 10.0)
                crowd.go_on()
        assert "unforeseen" not in (victim.folder / "service.log").read_text()
        victim.kill()


def _submitted(http: httpx2.Client, number: int) -> httpx2.Response:
    spec = {"kind": "collect", "scenario": "clinic", "title": f"{number}"}
    return http.post("/v1/training-jobs", json=spec)


@pytest.mark.parametrize("way", ["no room left", "no file may grow"])
def test_a_full_disk_is_told_and_nothing_is_half_written(
    way: str, start: Start, tmp_path: Path, clinics: list[Clinic]
) -> None:
    """Whatever cannot be kept is refused, and whoever asks again when there is room is served."""
    with ExitStack() as stack:
        if way == "no room left":
            stack.enter_context(_small_disk(tmp_path / "data"))
        victim = start()
        stack.callback(victim.kill)
        with crowded(victim, clinics) as crowd, victim.http() as http:
            path, number = f"/v1/sessions/{crowd.idle.session}", crowd.idle.steps + 1
            asked: dict[str, dict[str, Any]] = {
                f"{path}/step": {"step_id": number, "action": 0},
                f"{path}/snapshot": {},
                "/v1/sessions": {"env": "clinic"},
                "/v1/keys": {"name": "another", "owner": "nobody", "scopes": ["read"]},
            }
            if way == "no room left":
                # It may still find room in the last block of its log.
                del asked[f"{path}/step"]
            with _filled(victim) if way == "no room left" else victim.full_disk(1):
                for where, body in asked.items():
                    refused = until(partial(http.post, where, json=body), _failed)
                    assert problem(refused) == (503, "storage_unavailable")
                    assert int(refused.headers["retry-after"]) >= 1


def _failed(answer: httpx2.Response) -> bool:
    return answer.status_code >= 500


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk of its own takes the right to mount one")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def _filled(victim: Victim) -> Iterator[None]:
    filler = victim.data / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 12))
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


def test_clocks_that_jump_end_no_session_and_repeat_no_job(
    start: Start, clinics: list[Clinic]
) -> None:
    """Somebody sets the machine's clock; how long things take has nothing to do with it."""
    victim = start()
    with crowded(victim, clinics) as crowd:
        for hours in (5.0, -9.0, 30.0, -26.0):
            victim.clock.jump(hours * HOUR)
            # Twice as long as it takes to look for idle sessions.
            time.sleep(1.0)
            crowd.go_on()
    with closing(victim.client()) as client:
        made = [len(client.jobs.get(job.id).attempts_made) for job in client.jobs.list()]
    assert set(made) == {1}


def test_clients_that_vanish_hold_nothing(start: Start) -> None:
    """Half-open sockets, requests that never end: nobody waits for them, and slots come back."""
    limits = {"LIMITS__HEAD_SECONDS": "2", "LIMITS__BODY_SECONDS": "1"}
    victim = start(SESSIONS__CAPACITY="3", **limits)
    with ExitStack() as stack:
        player = stack.enter_context(closing(Player(victim, stream(7, "player"))))
        player.start()
        for leave in (_reset, _fall_silent):
            stack.callback(leave(victim).close)
        silent = [stack.enter_context(_connected(victim)) for _ in range(100)]
        slow = [stack.enter_context(_connected(victim)) for _ in range(50)]
        for each in slow:
            head = f"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
            each.sendall((head + "Content-Length: 100\r\n\r\n{").encode())
        for each in silent[50:]:
            each.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: ")
        before = player.steps
        for each in slow:
            assert each.recv(1 << 16).startswith(b"HTTP/1.1 408 ")
        until(lambda: player.steps, lambda steps: steps > before + 5)
        until(victim.open_sessions, lambda count: count == 1, 20.0)
        with victim.http() as http:
            made = [http.post("/v1/sessions", json={"env": "clinic"}) for _ in range(3)]
        assert [answer.status_code for answer in made] == [201, 201, 503]
        assert {each.recv(1) for each in silent} == {b""}
        player.stop()
        player.check()
        assert victim.stop() == 0


def _connected(victim: Victim) -> socket.socket:
    host, port = victim.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20.0)


def _stepping(victim: Victim) -> socket.socket:
    """A socket with a session that is stepped a hundred times, whose replies nobody reads."""
    with victim.http() as http:
        order = {"env": "clinic", "num_envs": 64, "idle_seconds": 2.0}
        made = http.post("/v1/sessions", json=order)
    assert made.status_code == 201, made.text
    line = _connected(victim)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
    head = [
        f"GET /v1/sessions/{made.json()['id']}/stream HTTP/1.1",
        f"Authorization: Bearer {KEY}",
        *("Host: x", "Upgrade: websocket", "Connection: Upgrade"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
    ]
    line.sendall("".join(f"{each}\r\n" for each in (*head, "")).encode())
    assert line.recv(1 << 12).startswith(b"HTTP/1.1 101 ")
    step = {"type": "step", "action": [0] * 64}
    for message in ({"type": "reset"}, *[step] * 100):
        line.sendall(_frame(json.dumps(message).encode()))
    return line


def _frame(text: bytes) -> bytes:
    """A message as clients send it, masked by zeros."""
    return bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2, "big") + bytes(4) + text


def _reset(victim: Victim) -> socket.socket:
    """Gone in the middle, without a word of farewell."""
    line = _stepping(victim)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()
    return line


def _fall_silent(victim: Victim) -> socket.socket:
    """There, but reading nothing."""
    return _stepping(victim)


EVILS = {
    hostile.SEGFAULT: (502, "simulator_crashed"),
    hostile.LOOP: (504, "step_timeout"),
    hostile.HOG: (502, "simulator_error"),
    hostile.EXIT: (502, "simulator_crashed"),
    hostile.KILL: (502, "simulator_crashed"),
    hostile.RAISE: (502, "simulator_error"),
    hostile.NAN: (502, "simulator_error"),
}


def test_no_failure_of_a_simulator_is_a_reward(start: Start, tmp_path: Path) -> None:
    """Whoever learns from a crash as if it were a bad day learns nonsense; neighbours play on."""
    (tmp_path / "data" / "scenarios").mkdir(parents=True)
    (tmp_path / "data" / "scenarios" / "hostile.toml").write_text(hostile.SCENARIO)
    victim = start(SESSIONS__STEP_SECONDS="1.5", SESSIONS__WORKER_MEMORY_MIB="2048",
                   SESSIONS__SIMULATOR_WORKERS="1", SESSIONS__CAPACITY="2")  # fmt: skip
    with closing(Player(victim, stream(7, "neighbour"))) as player, victim.http() as http:
        player.start()
        for decision, told in EVILS.items():
            made = http.post("/v1/sessions", json={"env": "hostile", "seed": 3})
            assert made.status_code == 201, made.text
            path = f"/v1/sessions/{made.json()['id']}"
            assert http.post(f"{path}/reset", json={"step_id": 1}).status_code == 200
            step = {"step_id": 2, "action": decision}
            for _ in range(2):
                assert problem(http.post(f"{path}/step", json=step)) == told, decision
            assert victim.open_sessions() == 1
        player.stop()
        player.check()
