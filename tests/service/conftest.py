"""A service in this process, and one in a process of its own that can be killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.app import create_app
from service.clock import HandClock
from service.settings import Settings
from tests.service.clinic import Clinic, learnt
from tests.service.databases import postgresql, url_of

KEY = "a-key-of-the-tests-that-is-long-enough"


@dataclass
class InProcess:
    """A service that runs in this process, and an admin's client."""

    app: FastAPI
    client: TestClient
    settings: Settings
    clock: HandClock | None

    def key(self, *scopes: str, owner: str = "somebody") -> dict[str, str]:
        """Headers of a new key."""
        made: str = self.app.state.keyring.create(name="test", owner=owner, scopes=scopes)
        return {"Authorization": f"Bearer {made}"}


StartInProcess = Callable[..., InProcess]


@pytest.fixture
def in_process(tmp_path: Path) -> Iterator[StartInProcess]:
    """Starts services in this process, with the settings given."""
    entered: list[TestClient] = []

    def start(clock: HandClock | None = None, **given: object) -> InProcess:
        database = given.pop("database_url", None)
        if database is not None:
            given["database_url"] = SecretStr(str(database))
        settings = Settings(
            **{"data": tmp_path / "data", "key": SecretStr(KEY)} | given  # type: ignore[arg-type]
        )
        app = create_app(settings, clock)
        client = TestClient(app, headers={"Authorization": f"Bearer {KEY}"})
        client.__enter__()
        entered.append(client)
        return InProcess(app=app, client=client, settings=settings, clock=clock)

    yield start
    for client in reversed(entered):
        client.__exit__(None, None, None)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """One real PostgreSQL for all tests, by its URL."""
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new and empty database, of either kind in turn."""
    return url_of(request.param, tmp_path, request)


@pytest.fixture
def service(in_process: StartInProcess) -> InProcess:
    """A service in this process with nothing configured."""
    return in_process()


@dataclass
class Served:
    """`surrogym serve` in a process of its own, on a folder that outlives it."""

    data: Path
    environment: dict[str, str]
    process: subprocess.Popen[str] | None = None
    address: str = ""
    said: list[str] = field(default_factory=list)
    _client: httpx2.Client | None = None

    def start(self, *arguments: str) -> Served:
        """Start it, on the port that it had, and wait until it is ready."""
        port = self.address.rpartition(":")[2] or "0"
        command = [sys.executable, "-c", "from cli.app import main; main()", "serve"]
        with (self.data.parent / "service.log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--port", port, "--data", str(self.data), *arguments],
                env={**os.environ, **self.environment},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.said = [self.process.stdout.readline(), self.process.stdout.readline()]
        found = re.search(r"http://\S+", self.said[0])
        assert found, (self.said, self.log())
        self.address = found.group()
        assert self.client().get("/livez").status_code == 200, self.log()
        return self

    def kill(self) -> None:
        """Kill -9, as power cuts and the kernel do."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM, as operators do; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=seconds)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def client(self) -> httpx2.Client:
        """An admin's client, the same each time."""
        if self._client is None:
            transport = httpx2.HTTPTransport(retries=20)
            headers = {"Authorization": f"Bearer {KEY}"}
            self._client = httpx2.Client(
                base_url=self.address, headers=headers, timeout=30.0, transport=transport
            )
        return self._client

    def close(self) -> None:
        """End the process, if it is there, and the client."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self._client is not None:
            self._client.close()

    def log(self) -> str:
        """What it wrote to standard error so far."""
        return (self.data.parent / "service.log").read_text()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A service in a process of its own, ready."""
    handle = Served(data=tmp_path / "data", environment={"SURROGYM_KEY": KEY})
    with closing(handle):
        yield handle.start()


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """A clinic that can be watched, learnt once."""
    return learnt(tmp_path_factory.mktemp("clinic"))


@pytest.fixture(scope="session")
def calibrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calibrations that a test has made, for those after it: the same again takes half a minute."""
    return tmp_path_factory.mktemp("calibrations")
