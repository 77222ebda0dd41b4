"""Servers in processes of their own: ours, and those that it is held against."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.errors import InvalidMeasurement

KEY = "a-key-of-the-benchmarks-long-enough"
SURROGATE = "clinic-flow"
_SECONDS = 120.0
_JOBS = "service.jobs"
"""In the command of a job's process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One that answers."""

    port: int
    process: psutil.Process
    data: Path | None = None
    """Folder of our service."""

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def private_mib(self) -> float:
        """Memory of all its processes but those of jobs, which come and go.

        What several share is told once, in parts.
        """
        total = 0
        for process in [self.process, *self.process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                if not any(_JOBS in part for part in process.cmdline()):
                    total += process.memory_full_info().pss
        return float(total) / 2**20


@contextmanager
def our_service(surrogate: Path | None = None, **settings: str) -> Iterator[Server]:
    """`surrogym serve` with nothing configured, and a surrogate of the clinic where one is given.

    `settings` are environment variables without their SURROGYM_.
    """
    with TemporaryDirectory(prefix="surrogym-benchmark-") as folder:
        data = Path(folder) / "data"
        if surrogate is not None:
            (data / "surrogates").mkdir(parents=True)
            (data / "surrogates" / SURROGATE).symlink_to(surrogate)
        port = _free_port()
        told = {f"SURROGYM_{name}": value for name, value in settings.items()}
        environment = {**os.environ, "SURROGYM_KEY": KEY, **told}
        command = ["-c", "from cli.app import main; main()", "serve", "--data", str(data)]
        with _process([*command, "--port", str(port)], port, "/livez", environment) as process:
            yield Server(port=port, process=process, data=data)


@contextmanager
def openenv_server(scenario: str) -> Iterator[Server]:
    """OpenEnv with the same simulator."""
    port = _free_port()
    command = ["-m", "benchmarks.peers.openenv_server", str(port), scenario]
    with _process(command, port, "/health", dict(os.environ)) as process:
        yield Server(port=port, process=process)


@contextmanager
def echo_server() -> Iterator[Server]:
    """FastAPI that gives back what comes."""
    port = _free_port()
    command = ["-m", "benchmarks.peers.fastapi_echo", str(port)]
    with _process(command, port, "/livez", dict(os.environ)) as process:
        yield Server(port=port, process=process)


@contextmanager
def _process(
    command: list[str], port: int, health: str, environment: dict[str, str]
) -> Iterator[psutil.Process]:
    root = Path(__file__).resolve().parents[1]
    environment = environment | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = psutil.Popen(
        [sys.executable, *command],
        cwd=root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, port, health)
        yield process
    finally:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
            try:
                process.wait(20)
            except psutil.TimeoutExpired:
                process.kill()


def _wait(process: psutil.Popen, port: int, path: str) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        with suppress(OSError):
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        connection.close()
        time.sleep(0.1)
    raise InvalidMeasurement(f"{' '.join(process.args)} does not answer on port {port}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
