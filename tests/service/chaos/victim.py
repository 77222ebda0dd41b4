"""A whole service that things are done to: killed, starved of disk, its clock set."""

from __future__ import annotations

import os
import re
import resource
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil

from service.client.client import Client
from service.client.transport import Transport
from tests.service.chaos.clock import SetClock
from tests.service.chaos.forker import NURSERY
from tests.service.chaos.zygote import Zygote
from tests.service.conftest import KEY
from tests.service.jobs.conftest import until
from tests.service.jobs.light import PROGRAM


@dataclass
class Victim:
    """`surrogym serve` on a folder that outlives it."""

    zygote: Zygote
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: int | None = None
    address: str = ""
    _starts: int = 0

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    @property
    def clock(self) -> SetClock:
        """Its clock."""
        return SetClock(self.folder / "clock")

    def start(self) -> Victim:
        """Start it, on the port that it had, and wait until it answers."""
        self._starts += 1
        said = self.folder / f"said-{self._starts}"
        port = self.address.rpartition(":")[2] or "0"
        arguments = ["serve", "--port", port, "--data", str(self.data)]
        environment = {"SURROGYM_KEY": KEY} | self.environment
        log = self.folder / "service.log"
        self.process = self.zygote.fork(arguments, environment, said, log)
        until(lambda: said.read_text() if said.exists() else "", lambda told: told.count("\n") > 1)
        found = re.search(r"http://\S+", said.read_text())
        assert found, log.read_text()
        self.address = found.group()
        with closing(self.transport()) as transport:
            transport.request("GET", "/livez")
        return self

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None:
            os.kill(self.process, signal.SIGKILL)
            self.zygote.wait(self.process)
            self.process = None

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        os.kill(self.process, signal.SIGTERM)
        code, self.process = self.zygote.wait(self.process), None
        return code

    def transport(self) -> Transport:
        """Requests of an admin, which come again when they were lost."""
        return Transport(self.address, KEY, patience_seconds=90.0)

    def client(self) -> Client:
        """An admin's client with the same patience."""
        return Client(self.address, KEY, patience_seconds=90.0)

    def http(self) -> httpx2.Client:
        """An admin's requests as they are: nothing is repeated."""
        headers = {"Authorization": f"Bearer {KEY}"}
        return httpx2.Client(base_url=self.address, headers=headers, timeout=60.0)

    def open_sessions(self) -> int:
        """Slots that are taken, by what it counts itself."""
        with self.http() as http:
            told = http.get("/metrics").text
        return int(sum(map(float, re.findall(r"^surrogym_sessions_open\{.*\} (\S+)", told, re.M))))

    def nurseries(self) -> list[int]:
        """Processes from which those are forked in which sessions are played."""
        below = (pid for child in _children(self.process) for pid in _children(child))
        return [pid for pid in below if _name(pid) == NURSERY]

    def workers(self) -> list[int]:
        """Processes in which sessions are played."""
        return [pid for nursery in self.nurseries() for pid in _children(nursery)]

    def jobs(self) -> list[int]:
        """Processes of jobs."""
        return [pid for pid in _children(self.process) if PROGRAM[1] in _command(pid)]

    def processes(self) -> list[int]:
        """All that it has started, and that these have."""
        return [each.pid for each in psutil.Process(self.process).children(recursive=True)]

    @contextmanager
    def full_disk(self, most_bytes: int) -> Iterator[None]:
        """No file of it grows beyond so much, which needs no rights and no disk of its own."""
        everybody = [self.process or 0, *self.processes()]
        for process in everybody:
            _limit(process, most_bytes)
        try:
            yield
        finally:
            for process in everybody:
                _limit(process, resource.RLIM_INFINITY)


def _limit(process: int, most_bytes: int) -> None:
    with suppress(ProcessLookupError):
        resource.prlimit(process, resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))


def _children(process: int | None) -> list[int]:
    with suppress(psutil.NoSuchProcess):
        return [each.pid for each in psutil.Process(process or 0).children()]
    return []


def _name(process: int) -> str:
    with suppress(psutil.Error):
        return str(psutil.Process(process).name())
    return ""


def _command(process: int) -> list[str]:
    with suppress(psutil.Error):
        return psutil.Process(process).cmdline()
    return []
