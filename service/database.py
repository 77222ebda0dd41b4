"""The database: SQLite for one machine, PostgreSQL for a team, by one URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Connection, DateTime, Dialect, Engine, MetaData, create_engine, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from sim.errors import SurrogymError

Document = JSON().with_variant(JSONB(), "postgresql")
"""A column of JSON."""

_READS = "surrogym_reads"
_SECONDS_FOR_LOCK = 20
"""For which SQLite waits for whoever else writes, unless its URL ends with, say, `?timeout=5`."""
_SECONDS_TO_CONNECT = 10
"""For which PostgreSQL has to answer, unless its URL ends with, say, `?connect_timeout=3`."""


class InvalidDatabase(SurrogymError):
    """A database that this release cannot use."""


class Base(DeclarativeBase):
    """All tables; constraints have names that migrations can count on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, aware on both sides; SQLite keeps none of that by itself."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; raises InvalidDatabase for a time of nobody knows which zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidDatabase(f"time {value} without a time zone: give it one")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """In UTC."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Database:
    """Transactions on one database, from any thread."""

    def __init__(self, url: str) -> None:
        self._url = _understood(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.engine = _engine(self._url, self.is_sqlite)
        self._reading = self.engine.execution_options(**{_READS: True})

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A transaction that may write; it is kept when the block ends well, else undone.

        On SQLite it takes the one lock for writing at once, so that it never finds out halfway.
        """
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads, and never waits for writers."""
        with Session(self._reading, expire_on_commit=False) as session, session.begin():
            yield session

    @property
    def revisions(self) -> tuple[str, ...]:
        """Every migration, the first one first; the last is this release's."""
        scripts = ScriptDirectory.from_config(_config()).walk_revisions()
        return tuple(script.revision for script in scripts)[::-1]

    def upgrade(self) -> None:
        """Bring the tables to this release.

        Raises InvalidDatabase for those of a newer one, and where no database answers.
        """
        try:
            revision, known = self.revision(), self.revisions
        except DBAPIError as error:
            # The lines that follow tell of drivers. A password is in none of them.
            reason = str(error.orig).partition("\n")[0]
            raise InvalidDatabase(
                f"{self._url.set(query={}).render_as_string()} does not answer as a database "
                f"({reason}): see that it runs and lets us in, or set SURROGYM_DATABASE_URL"
            ) from error
        if revision not in (None, *known):
            raise InvalidDatabase(
                f"the database is at revision {revision}, this release knows up to {known[-1]}: "
                "install the release that made it, or restore the backup from before its upgrade"
            )
        if revision != known[-1]:
            self.migrate(known[-1])

    def migrate(self, revision: str, *, is_back: bool = False) -> None:
        """Bring the tables to any revision, ahead or back; going back loses what is dropped."""
        with self.engine.connect() as connection:
            go = command.downgrade if is_back else command.upgrade
            go(_config(connection), revision)

    def revision(self) -> str | None:
        """Which migration the tables are at; None where there are none."""
        with self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def close(self) -> None:
        """Give back its connections."""
        self.engine.dispose()


def _understood(url: str) -> URL:
    try:
        understood = make_url(url)
    except ArgumentError as error:
        raise InvalidDatabase(
            "SURROGYM_DATABASE_URL is no URL: postgresql://user:password@host/name, for one"
        ) from error
    backend = understood.get_backend_name()
    if backend == "postgresql":
        return understood.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise InvalidDatabase(f"database {backend!r}: sqlite and postgresql are served")
    return understood


def _engine(url: URL, is_sqlite: bool) -> Engine:
    if not is_sqlite:
        given = {} if "connect_timeout" in url.query else {"connect_timeout": _SECONDS_TO_CONNECT}
        return create_engine(
            url, pool_pre_ping=True, pool_size=10, max_overflow=20, connect_args=given
        )
    if url.database:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    timeout = {} if "timeout" in url.query else {"timeout": _SECONDS_FOR_LOCK}
    # One for each thread that asks: whoever reads must not wait for those who wait to write.
    engine = create_engine(
        url, max_overflow=-1, connect_args={"check_same_thread": False, **timeout}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Transactions begin as `_begin_sqlite` says, not when the driver sees fit.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
