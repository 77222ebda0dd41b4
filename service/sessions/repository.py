"""Sessions and snapshots in the database, their files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, select, update

from service.database import Database
from service.ownership import Place, newest_first
from service.sessions.action_log import NOTHING_PLAYED
from service.sessions.tables import SessionRow, SnapshotRow

OPENING, OPEN = "opening", "open"


class SessionRecords:
    """What is kept of sessions."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder

    def log(self, session_id: str) -> Path:
        """Where the actions of a session are."""
        return self._folder / f"{session_id}.actions"

    def was_played(self, session_id: str) -> bool:
        """Whether anything was ever asked of a session."""
        path = self.log(session_id)
        return path.exists() and path.stat().st_size > NOTHING_PLAYED

    def prepare(self) -> list[SessionRow]:
        """The open sessions, after what a kill left half made was cleared away."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._database.begin() as session:
            session.execute(delete(SessionRow).where(SessionRow.state == OPENING))
            rows = list(session.scalars(select(SessionRow).where(SessionRow.state == OPEN)))
            snapshots = set(session.scalars(select(SnapshotRow.id)))
        kept = {self.log(row.id) for row in rows} | {self.snapshot(each) for each in snapshots}
        for path in set(self._folder.iterdir()) - kept:
            path.unlink()
        return rows

    def add(self, row: SessionRow) -> None:
        """Keep a new session."""
        with self._database.begin() as session:
            session.add(row)

    def opened(self, session_id: str, about: dict[str, object]) -> None:
        """A session can be stepped."""
        with self._database.begin() as session:
            session.execute(
                update(SessionRow)
                .where(SessionRow.id == session_id)
                .values(state=OPEN, about=about)
            )

    def forget(self, session_id: str) -> None:
        """A session that never was."""
        with self._database.begin() as session:
            session.execute(delete(SessionRow).where(SessionRow.id == session_id))
        self.log(session_id).unlink(missing_ok=True)

    def ended(self, session_id: str, at: datetime, state: str, code: str, detail: str) -> None:
        """A session is over; its log goes, the reason stays for a while."""
        with self._database.begin() as session:
            session.execute(
                update(SessionRow)
                .where(SessionRow.id == session_id)
                .values(state=state, ended_at=at, code=code, detail=detail[:1000])
            )
        self.log(session_id).unlink(missing_ok=True)

    def used(self, times: Iterable[tuple[str, datetime]]) -> None:
        """When sessions were last stepped."""
        with self._database.begin() as session:
            for session_id, at in times:
                session.execute(
                    update(SessionRow).where(SessionRow.id == session_id).values(used_at=at)
                )

    def find(self, session_id: str) -> SessionRow | None:
        """A session, over or not."""
        with self._database.read() as session:
            return session.get(SessionRow, session_id)

    def page(self, owner: str | None, limit: int, after: Place | None) -> Sequence[SessionRow]:
        """Sessions, of this owner where one is named, the newest first, and one more than asked."""
        asked = newest_first(SessionRow, owner, after, limit + 1).where(SessionRow.state != OPENING)
        with self._database.read() as session:
            return session.scalars(asked).all()

    def snapshot(self, snapshot_id: str) -> Path:
        """Where a snapshot's actions are."""
        return self._folder / f"{snapshot_id}.snapshot"

    def keep_snapshot(self, row: SnapshotRow, content: bytes) -> None:
        """Keep a snapshot."""
        self.snapshot(row.id).write_bytes(content)
        with self._database.begin() as session:
            session.add(row)

    def find_snapshot(self, snapshot_id: str, owner: str) -> tuple[SnapshotRow, bytes] | None:
        """An owner's snapshot with its actions."""
        with self._database.read() as session:
            row = session.get(SnapshotRow, snapshot_id)
        if row is None or row.owner != owner:
            return None
        return row, self.snapshot(row.id).read_bytes()

    def purge(self, before: datetime) -> None:
        """Forget what was over by then."""
        with self._database.begin() as session:
            session.execute(delete(SessionRow).where(SessionRow.ended_at < before))
            old = list(
                session.scalars(select(SnapshotRow.id).where(SnapshotRow.created_at < before))
            )
            session.execute(delete(SnapshotRow).where(SnapshotRow.id.in_(old)))
        for snapshot_id in old:
            self.snapshot(snapshot_id).unlink(missing_ok=True)
