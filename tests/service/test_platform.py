"""The ground that every resource stands on: keys, limits, problems, health, migrations."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from service.clock import HandClock, SystemClock
from service.database import Database, InvalidDatabase
from service.errors import MEDIA_TYPE
from service.json_limits import check_json
from service.keys.repository import Keyring
from service.logs import without_secrets
from service.paging import decode_cursor, encode_cursor
from service.problems import Problem
from service.serving import InvalidService, _announce, folder_of_one_service, prepare, read_settings
from service.settings import LimitSettings, Settings
from service.tables import METADATA
from tests.service.conftest import InProcess, Served, StartInProcess


def test_a_request_without_a_key_is_refused_as_a_problem_document(service: InProcess) -> None:
    """Programs decide by the code, people read the detail, and both find the request in the log."""
    answer = service.client.get("/v1/keys", headers={"Authorization": ""})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["www-authenticate"] == "Bearer"
    told = answer.json()
    assert told["code"] == "unauthenticated"
    assert told["request_id"] == answer.headers["x-request-id"]


def test_a_key_may_do_what_its_scopes_say_until_it_is_revoked(in_process: StartInProcess) -> None:
    """A leaked key does no more harm than it was made for, and none after it is revoked."""
    service = in_process(HandClock())
    assert service.clock is not None
    headers = service.key("step")
    refused = service.client.post(
        "/v1/keys", headers=headers, json={"name": "x", "owner": "y", "scopes": ["admin"]}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    key_id = headers["Authorization"].split("_")[1]
    assert service.client.delete(f"/v1/keys/{key_id}").status_code == 204
    service.clock.advance(10)
    assert service.client.get("/v1/keys", headers=headers).status_code == 401


def test_a_key_does_not_revoke_itself(in_process: StartInProcess) -> None:
    """One slip must not lock everybody out; with a second key the first is replaced."""
    service = in_process(HandClock())
    second = service.key("admin")
    for headers, key_id in (({}, "operator"), (second, second["Authorization"].split("_")[1])):
        refused = service.client.delete(f"/v1/keys/{key_id}", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert service.client.delete("/v1/keys/operator", headers=second).status_code == 204


def test_no_key_is_stored_as_it_is(service: InProcess) -> None:
    """Whoever steals the database has no key."""
    order = {"name": "night", "owner": "planning", "scopes": ["train", "read"]}
    key = service.client.post("/v1/keys", json=order).json()["key"]
    secret = key.split("_", 2)[2].encode()
    files = [f for f in service.settings.data.rglob("*") if f.is_file()]
    assert files
    assert not any(secret in file.read_bytes() for file in files)
    listed = service.client.get("/v1/keys").text
    assert "planning" in listed
    assert key not in listed


def test_guessing_keys_is_stopped(in_process: StartInProcess) -> None:
    """After enough refusals an address waits, whatever it brings."""
    service = in_process(limits=LimitSettings(failures_per_minute=3))
    bad = {"Authorization": "Bearer " + "x" * 40}
    codes = [service.client.get("/v1/keys", headers=bad).status_code for _ in range(5)]
    assert codes == [401, 401, 401, 429, 429]


def test_one_key_cannot_flood_the_service(in_process: StartInProcess) -> None:
    """A loop gone wild is told when to come again."""
    service = in_process(limits=LimitSettings(requests_per_minute=5))
    answers = [service.client.get("/v1/keys") for _ in range(6)]
    assert [a.status_code for a in answers] == [200] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_clock_that_is_set_back_makes_no_minute_longer(in_process: StartInProcess) -> None:
    """Or a key would be refused for as many hours as somebody set the clock back by."""
    clock = HandClock()
    service = in_process(clock, limits=LimitSettings(requests_per_minute=5))
    for _ in range(2):
        codes = [service.client.get("/v1/keys").status_code for _ in range(6)]
        assert codes == [200] * 5 + [429]
        clock.jump(-5 * 3600.0)
        clock.advance(60.0)


def never_read(service: InProcess, path: str, **headers: str) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of the answer to a body that fails whoever wants to read it."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was asked for")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": path, "root_path": "",
        "raw_path": path.encode(), "query_string": b"", "client": ("10.0.0.1", 1), "state": {},
        "scheme": "http", "server": ("testserver", 80),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip
    assert service.client.portal is not None
    service.client.portal.call(service.app, scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


@pytest.mark.parametrize(
    "path", ["/v1/models/x/versions", "/v1/keys", "/v1/sessions/ses_0/step", "/nowhere"]
)
def test_nothing_of_a_stranger_is_read(service: InProcess, path: str) -> None:
    """Or whoever reaches the port could send half a gibibyte a request, and as many as he likes."""
    multipart = {"content_type": "multipart/form-data; boundary=x"}
    status, headers = never_read(service, path, content_length=str(512 << 20), **multipart)
    expected = (401, b"close") if path != "/nowhere" else (303, b"close")
    assert (status, headers[b"connection"]) == expected
    bad = "Bearer " + "x" * 40
    chunked = never_read(service, path, transfer_encoding="chunked", authorization=bad, **multipart)
    assert (chunked[0], chunked[1][b"connection"]) == expected
    small = never_read(service, path, content_length="10", **multipart)
    assert b"connection" not in small[1]


def test_no_artefact_is_read_of_who_may_not_send_one(service: InProcess) -> None:
    """Half a gibibyte would lie on the disk before its route refused it."""
    multipart = {"content_type": "multipart/form-data; boundary=x", "content_length": "100"}
    path, key = "/v1/models/x/versions", service.key("read", "step")["Authorization"]
    status, headers = never_read(service, path, authorization=key, **multipart)
    assert (status, headers[b"connection"]) == (403, b"close")


def test_who_asks_too_often_is_not_read_either(in_process: StartInProcess) -> None:
    """And a request counts once, however often it is asked who sent it."""
    service = in_process(limits=LimitSettings(requests_per_minute=3))
    order = {"name": "n", "owner": "o", "scopes": ["read"]}
    made = [service.client.post("/v1/keys", json=order).status_code for _ in range(3)]
    assert made == [201] * 3
    key = {"authorization": service.client.headers["authorization"]}
    assert never_read(service, "/v1/keys", content_length="100", **key)[0] == 429


def test_strangers_may_say_little_where_they_may_say_anything(service: InProcess) -> None:
    """A key fits into it, and what OpenEnv's validator asks."""
    stranger = TestClient(service.app)
    for path in ("/sign-in", "/openenv/clinic/mcp"):
        answer = stranger.post(path, content=b" " * (17 << 10))
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert stranger.post("/openenv/clinic/mcp", json={"method": "x"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"[" * 40 + b"]" * 40, 400, "too_deep"),
        (b'{"name": 1}', 422, "invalid_request"),
        (b'{"name": "' + b"x" * 2000 + b'"}', 413, "too_large"),
    ],
)
def test_bad_bodies_are_refused_before_anything_is_done(
    in_process: StartInProcess, body: bytes, status: int, code: str
) -> None:
    """Each has its own code, and no answer repeats what was sent."""
    service = in_process(limits=LimitSettings(body_bytes=1024))
    answer = service.client.post(
        "/v1/keys", content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "xxxx" not in answer.text


@pytest.mark.parametrize("media", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_json_that_is_not_said_to_be_json_is_told_so(service: InProcess, media: str | None) -> None:
    """Curl says it is a form: "should be a dictionary" sends its user to look at his braces."""
    headers = {} if media is None else {"content-type": media}
    answer = service.client.post("/v1/sessions", content=b'{"env": "clinic"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "application/json" in answer.json()["detail"]
    nothing = service.client.post("/v1/sessions", headers=headers)
    assert (nothing.status_code, nothing.json()["errors"][0]["at"]) == (422, "body")


def test_a_field_that_is_missing_or_too_many_says_what_to_do(service: InProcess) -> None:
    """That it is not permitted leaves open what is."""
    faults = service.client.post("/v1/sessions", json={"envy": "clinic"}).json()["errors"]
    told = {fault["at"]: fault["reason"] for fault in faults}
    assert "give it" in told["body/env"]
    assert "leave it out" in told["body/envy"]


def test_what_is_not_there_says_where_to_look(service: InProcess) -> None:
    """A status alone leaves whoever mistyped a path where he was."""
    assert "/v1/openapi.json" in service.client.get("/v1/sesions").json()["detail"]
    refused = service.client.patch("/v1/models")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert "Allow" in refused.json()["detail"]


def test_brackets_in_strings_are_no_depth() -> None:
    """A text full of brackets is one value."""
    limits = (4, 100)
    check_json(json.dumps({"a": '[[[[[[{{{{"\\,,,,' * 50}).encode(), *limits)
    with pytest.raises(Problem, match="too_deep"):
        check_json(json.dumps([0] * 200).encode(), *limits)


def test_what_nobody_foresaw_is_told_without_its_text(service: InProcess) -> None:
    """The text of an exception may hold anything; the log has it, the answer an id."""

    @service.app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the password is swordfish")

    answer = service.client.get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "swordfish" not in answer.text


def test_logs_have_no_secrets() -> None:
    """Logs are read by more people than keys are made for."""
    key = "sgk_0123456789ab_" + "s" * 43
    event = {"event": f"got {key}", "authorization": "anything", "path": "/v1/keys"}
    masked = without_secrets(None, "info", event)
    assert "ssss" not in str(masked)
    assert masked["authorization"] == "***"
    assert masked["path"] == "/v1/keys"


def test_health_says_what_is_missing(service: InProcess) -> None:
    """An orchestrator restarts by /livez and routes by /readyz; a person reads the phrase."""
    assert service.client.get("/livez").json() == {"status": "alive"}
    assert service.client.get("/readyz").json() == {"status": "ready", "missing": []}
    service.client.get("/v1/sessions/ses_0")
    counted = service.client.get("/metrics").text
    assert 'route="/v1/sessions/{session_id}",status="404"' in counted
    service.app.state.platform.stopping.set()
    answer = service.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"] == ["it is stopping"]


def test_a_data_folder_without_room_is_missing(in_process: StartInProcess) -> None:
    """Jobs, models and actions are files: a service that cannot keep them is of no use."""
    service = in_process(free_disk_bytes=1 << 60)
    answer = service.client.get("/readyz")
    assert answer.status_code == 503
    (missing,) = answer.json()["missing"]
    assert missing.endswith(f"MiB left of {1 << 40}")
    service.settings.data.rename(service.settings.data.with_name("elsewhere"))
    (missing,) = service.client.get("/readyz").json()["missing"]
    assert missing == "the data folder cannot be written to: No such file or directory"


def test_a_database_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is gone takes the connection and says nothing; requests would pile up."""
    monkeypatch.setattr("service.database._SECONDS_TO_CONNECT", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as threads:
        port = silent.getsockname()[1]
        database = Database(f"postgresql://nobody@127.0.0.1:{port}/nothing")
        asked = threads.submit(database.revision)
        try:
            with pytest.raises(OperationalError, match="timeout"):
                asked.result(timeout=30)
        finally:
            silent.close()
        database.close()


def test_migrations_make_exactly_the_tables_of_the_code(database_url: str) -> None:
    """Else a fresh database and an upgraded one would differ from what the code expects."""
    database = Database(database_url)
    database.upgrade()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    database.upgrade()
    database.close()


def test_every_migration_leads_from_the_one_before_and_back(database_url: str) -> None:
    """An operator upgrades from any release, with keys in the database that still open."""
    database = Database(database_url)
    first, *later = database.revisions
    database.migrate(first)
    made = Keyring(database, SystemClock()).create(name="n", owner="o", scopes=["read"])
    for revision in later:
        database.migrate(revision)
        assert database.revision() == revision
    assert Keyring(database, SystemClock()).find(made) is not None
    for revision in (*reversed(later[:-1]), first):
        database.migrate(revision, is_back=True)
    assert Keyring(database, SystemClock()).find(made) is not None
    database.upgrade()
    database.close()


def test_a_database_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    """Who mistypes an address reads no driver's traceback, and no password stands in a log."""
    (tmp_path / "surrogym.db").write_text("this is no database, however one looks at it")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    away = SecretStr(f"postgresql://planning:hush-hush@127.0.0.1:{port}/surrogym")
    for url, said in (
        (None, "surrogym.db does not answer as a database (file is not a database)"),
        (away, f"127.0.0.1:{port}/surrogym does not answer as a database (connection failed"),
    ):
        settings = Settings(data=tmp_path, database_url=url)
        with pytest.raises(InvalidDatabase) as refusal:
            prepare(settings)
        told = str(refusal.value)
        assert said in told
        assert "SURROGYM_DATABASE_URL" in told
        assert "hush" not in told
        assert "\n" not in told


def test_a_database_of_a_newer_release_is_left_alone(database_url: str) -> None:
    """Working on tables that one does not know loses data."""
    database = Database(database_url)
    database.upgrade()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InvalidDatabase, match="9999"):
        database.upgrade()
    database.close()


def test_two_services_upgrade_one_database_once(database_url: str) -> None:
    """A team starts its replicas at once, and none may fail over tables that the other makes."""
    code = f"from service.database import Database; Database({database_url!r}).upgrade()"
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    database = Database(database_url)
    assert database.revision() == database.revisions[-1]
    database.close()


def test_others_are_not_served_without_a_key(tmp_path: Path) -> None:
    """An open port with no key of the operator's making is an accident."""
    with pytest.raises(InvalidService, match="SURROGYM_KEY"):
        prepare(Settings(data=tmp_path, host="0.0.0.0"))
    prepare(Settings(data=tmp_path, host="0.0.0.0", key=SecretStr("k" * 40)))
    assert prepare(Settings(data=tmp_path / "own")) is not None
    assert prepare(Settings(data=tmp_path / "own")) is None


def test_two_services_do_not_share_a_folder(tmp_path: Path) -> None:
    """Both would take up the same sessions."""
    with (
        folder_of_one_service(tmp_path),
        pytest.raises(InvalidService, match="another service"),
        folder_of_one_service(tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SURROGYM_LIMITS__JSON_DEPTH", "1", "greater than or equal to 4"),
        ("SURROGYM_SESSIONS__CAPACITTY", "3", "there is no such setting"),
        ("SURROGYM_KEY", "hush-hush", "shorter than 32 characters"),
    ],
)
def test_settings_that_make_no_sense_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """The variable's name is what the operator has to find; its value may be a secret."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidService, match=f"{name}: .*{said}") as refusal:
        read_settings()
    assert "hush" not in str(refusal.value)


def test_who_brought_a_key_is_not_told_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a new folder no keys were made before."""
    settings = Settings(data=tmp_path, key=SecretStr("k" * 40))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        _announce(settings, listening, prepare(settings))
    said = capsys.readouterr().out
    assert "SURROGYM_KEY" in said
    assert "before" not in said
    assert "kkkk" not in said


def test_cursors_are_only_those_that_were_given_out() -> None:
    """A cursor comes back from outside, so that it is input like any other."""
    assert decode_cursor(encode_cursor("a", 3), str, int) == ["a", 3]
    for bad in ("", "%%%", "bnVsbA", encode_cursor(3), "WyJhIiwgMw"):
        with pytest.raises(Problem, match="invalid_request"):
            decode_cursor(bad, str, int)


@pytest.mark.parametrize("part", [2**63, -(2**63), 10**40, True, None, 1.5, "a\0b", "\ud800", [1]])
def test_cursors_with_what_no_database_looks_for_are_refused(part: Any) -> None:
    """Though they have the form of those that were given out."""
    for kinds in ((int,), (str,)):
        with pytest.raises(Problem, match="invalid_request"):
            decode_cursor(encode_cursor(part), *kinds)


def test_lists_refuse_cursors_of_others(service: InProcess) -> None:
    """A number where a name is meant, a name where a number is, and numbers beyond all bounds."""
    for path, place in (
        ("/v1/models", (3,)),
        ("/v1/models/x/history", ("a",)),
        ("/v1/models/x/history", (2**63,)),
        ("/v1/models/x/versions", (10**30,)),
        ("/v1/training-jobs", ("a\0",)),
        ("/v1/monitors", ("no time", "a")),
    ):
        answer = service.client.get(path, params={"cursor": encode_cursor(*place)})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        (r"a\u0000b", 422, "invalid_request"),
        (r"\\\u0000", 422, "invalid_request"),
        (r"\ud800", 400, "malformed_json"),
        (r"\udc00\ud800", 400, "malformed_json"),
        (r"\\u0000", 201, None),
        (r"\ud83d\ude00", 201, None),
    ],
)
def test_text_that_is_none_is_refused(
    service: InProcess, name: str, status: int, code: str | None
) -> None:
    """No database stores NUL or half a character; a backslash before a u is neither."""
    content = f'{{"name": "{name}", "owner": "o", "scopes": ["read"]}}'
    answer = service.client.post(
        "/v1/keys", content=content, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json().get("code")) == (status, code)


def test_msgpack_is_not_taken_for_json_that_is_too_deep(service: InProcess) -> None:
    """The bytes of an array may be brackets as well as any others."""
    codes = [
        service.client.post(
            "/v1/sessions/ses_0/step", content=b"[{" * 5000, headers={"content-type": media}
        ).json()["code"]
        for media in ("application/msgpack", "application/json")
    ]
    assert codes == ["not_found", "too_deep"]


def test_times_without_a_zone_never_reach_the_database(tmp_path: Path) -> None:
    """They would be read back as another time."""
    from service.keys.tables import KeyRow

    database = Database(f"sqlite:///{tmp_path / 'times.db'}")
    database.upgrade()
    row = KeyRow(
        id="a", name="n", owner="o", scopes=[], digest="d", created_at=datetime(2030, 1, 1)
    )
    with pytest.raises(Exception, match="without a time zone"), database.begin() as session:
        session.add(row)
    database.close()


def test_the_command_serves_prints_one_key_and_stops_by_itself(tmp_path: Path) -> None:
    """With nothing configured: an address, a key that works, and a quick end when it is told to."""
    with closing(Served(data=tmp_path / "data", environment={})) as served:
        served.start()
        key = served.said[1].split()[-1]
        headers = {"Authorization": f"Bearer {key}"}
        assert served.client().get("/v1/keys", headers=headers).status_code == 200
        assert served.client().get("/readyz").json()["status"] == "ready"
        assert served.stop(10) == 0
        served.start()
        assert "made before" in served.said[1]
        assert served.client().get("/v1/keys", headers=headers).status_code == 200
        assert key not in served.log()


def test_the_service_starts_without_what_it_needs_later_or_in_other_processes() -> None:
    """Each of these takes half a second or more, of every process of the service."""
    heavy = ("gpytorch", "pandas", "ray", "scipy.stats", "sklearn", "torch")
    program = f"import sys, service.app; print([n for n in {heavy} if n in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"
