"""Running the service: its folder, its first key, its web server."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service import traces
from service.app import create_app
from service.clock import SystemClock
from service.database import Database
from service.keys.repository import Keyring
from service.logs import configure_logs
from service.platform import Platform
from service.sessions.connection import Connection
from service.sessions.lending import LendableProtocol
from service.sessions.playing import MOST_BYTES
from service.settings import Settings
from sim.errors import SurrogymError


class InvalidService(SurrogymError):
    """A service that cannot be run as it is set."""


def read_settings(**given: Any) -> Settings:
    """Settings from the environment, and what is given instead; raises InvalidService."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise InvalidService("; ".join(_fault(each) for each in error.errors())) from error


def _fault(error: ErrorDetails) -> str:
    name = "__".join(map(str, error["loc"])).upper()
    what = "there is no such setting" if error["type"] == "extra_forbidden" else error["msg"]
    return f"SURROGYM_{name}: {what}"


def serve(settings: Settings) -> None:
    """Serve until told to stop. Raises InvalidService before anything is served.

    The first line on standard output is the address, and the second, the first time, the one key.
    """
    configure_logs(settings.log_format)
    with folder_of_one_service(settings.data):
        first = prepare(settings)
        listening = _listen(settings)
        app = create_app(settings)
        is_traced = traces.are_wanted()
        if is_traced:
            traces.trace(app)
        config = uvicorn.Config(
            app,
            http=_protocol(head_seconds=settings.limits.head_seconds, may_lend=not is_traced),
            loop="uvloop",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(settings.stop_seconds / 2)),
            timeout_keep_alive=30,
            ws=Connection,
            ws_max_size=MOST_BYTES,
            ws_per_message_deflate=False,
        )
        # What is there from the start is never garbage, and looking through it takes long.
        gc.collect()
        gc.freeze()
        _announce(settings, listening, first)
        _Server(config, app.state.platform).run(sockets=[listening])


def prepare(settings: Settings) -> str | None:
    """Bring the database up to date, and see that there is a key; a key that was made now.

    Raises InvalidService where others could reach the service and no key was ever made for them.
    """
    database = Database(settings.database)
    try:
        database.upgrade()
        keyring = Keyring(database, SystemClock())
        has_key = settings.key is not None or bool(keyring.all())
        if not settings.is_loopback and not has_key:
            raise InvalidService(
                f"host {settings.host} is open to others and there is no key: set SURROGYM_KEY, "
                "make one with `surrogym keys create`, or serve on 127.0.0.1"
            )
        if has_key:
            return None
        return keyring.create(name="first key", owner="operator", scopes=["admin"])
    finally:
        database.close()


@contextmanager
def folder_of_one_service(data: Path) -> Iterator[None]:
    """Hold the data folder; raises InvalidService where another service of this machine does."""
    # Nobody else's: it has hashes of keys, what webhooks are signed with, and who did what.
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "service.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InvalidService(
                f"another service uses {data}: stop it, or give SURROGYM_DATA another folder"
            ) from error
        yield


class _Server(uvicorn.Server):
    """Tells streams to end as soon as it is told to stop, not when it has waited for them."""

    def __init__(self, config: uvicorn.Config, platform: Platform) -> None:
        super().__init__(config)
        self._platform = platform
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._platform.stopping.set)
        # Uvicorn's own would raise the signal again after a good end, and spoil the exit code.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _protocol(**settings: Any) -> Any:
    # Uvicorn asks for a class, and only ever calls it. Of requests that workers answer there would
    # be no spans.
    return partial(LendableProtocol, **settings)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
    except OSError as error:
        raise InvalidService(
            f"{settings.host}:{settings.port} cannot be served ({error.strerror}): give "
            "SURROGYM_PORT or --port another, 0 for any that is free"
        ) from error
    listening.listen(1024)
    listening.setblocking(False)
    return listening


def _announce(settings: Settings, listening: socket.socket, first: str | None) -> None:
    port = listening.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(f"Surrogym serves http://{host}:{port}  (data in {settings.data.absolute()})")
    if first is not None:
        print(f"Key, told this once: {first}")
    elif settings.key is not None:
        print("Key: what SURROGYM_KEY says; others: surrogym keys create")
    else:
        print("Keys were made before; another: surrogym keys create")
    sys.stdout.flush()
