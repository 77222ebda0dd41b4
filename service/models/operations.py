"""What is done with models: keep a version, move an alias, find what an alias stands for."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prometheus_client import Counter
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.models import artefacts, repository
from service.models.artefacts import InvalidModel, Kind
from service.models.repository import Move
from service.models.tables import AliasRow, VersionRow
from service.platform import Platform
from service.problems import Problem
from service.scenarios.catalogue import Catalogue
from sim.errors import SurrogymError

CHAMPION, CHALLENGER = "champion", "challenger"
_TRIES = 5
OnMove = Callable[[Session, str, str, Move, bool], None]
"""Hears of a move or a refusal (`False`), in its transaction: model, alias, wish, whether moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version that may be used."""

    name: str
    version: int
    kind: Kind
    system: str
    """Name of its system in the catalogue."""
    owner: str
    digest: str
    folder: Path
    lineage: dict[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """By which it is asked for, now and ever."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a gate measured: relative cost of a challenger against the champion, paired."""

    champion: int | None
    """Version that it was held against; None where nobody was in charge."""
    low: float
    value: float
    high: float
    """Ends of the 95% interval of the relative cost, and its middle; below 0 is cheaper."""
    episodes: int
    """Paired, on the true simulator."""
    job: str | None = None
    """Whose gate measured it."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "job": self.job,
            "champion": self.champion,
            "relative_cost": {"low": self.low, "value": self.value, "high": self.high},
            "episodes": self.episodes,
        }


class Models:
    """The registry. Versions are files in the data folder; what they stand for is in the database.

    Call it from threads: it waits for disk and database.
    """

    def __init__(self, platform: Platform, catalogue: Catalogue) -> None:
        self._database, self._clock = platform.database, platform.clock
        self._folder = platform.settings.data / "models"
        self._catalogue = catalogue
        self.on_move: list[OnMove] = []
        """Who hears of every move of an alias."""
        self._moves = Counter(
            "surrogym_alias_moves_total", "Moves of aliases, and refusals to move them.",
            ["alias", "outcome"], registry=platform.metrics,
        )  # fmt: skip

    async def start(self) -> None:
        """Remove what a kill left half written."""
        shutil.rmtree(self._folder / ".incoming", ignore_errors=True)

    async def stop(self, seconds: float) -> None:
        """Nothing to lay down."""

    def missing(self) -> list[str]:
        """Always ready."""
        return []

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A path for a new version's files, on the same disk; whatever is left there goes."""
        path = self._folder / ".incoming" / secrets.token_hex(8)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def register(
        self,
        *,
        name: str,
        kind: Kind,
        system: str,
        folder: Path,
        owner: str,
        lineage: dict[str, Any] | None = None,
    ) -> Version:
        """Keep a copy of a model's files as the next version of a name.

        The same files of the same name and owner are the same version: whoever is killed between
        this and his own note of it may ask again. Raises InvalidModel or TamperedArtefact for
        files that are no such model, Problem for a name that `check_name` refuses.
        """
        with self.incoming() as fresh:
            artefacts.copy_of(folder, fresh)
            return self.keep(
                name=name, kind=kind, system=system, fresh=fresh, owner=owner, lineage=lineage
            )

    def keep(
        self,
        *,
        name: str,
        kind: Kind,
        system: str,
        fresh: Path,
        owner: str,
        lineage: dict[str, Any] | None = None,
    ) -> Version:
        """The same for files that are in `incoming` already."""
        try:
            artefact = artefacts.check(fresh, kind, system, self._catalogue)
        except SurrogymError as error:
            # Where files lie for a moment is nobody's business.
            raise InvalidModel(str(error).replace(f"{fresh}", "the model")) from error
        row = VersionRow(
            name=name,
            kind=kind,
            system=system,
            owner=owner,
            digest=artefacts.digest_of(fresh),
            size_bytes=artefacts.size_of(fresh),
            lineage={**artefacts.lineage_of(artefact.manifest), **(lineage or {})},
        )
        for attempt in range(_TRIES):
            try:
                return self._insert(row, fresh)
            except IntegrityError:
                # Another service on the same database took the number.
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError

    def _insert(self, row: VersionRow, fresh: Path) -> Version:
        with self._database.begin() as session:
            _refuse_taken(session, row.name, row.kind, row.owner)
            known = repository.same_files(session, row.name, row.digest)
            if known is not None:
                return self._version(known)
            number = repository.next_version(session, row.name)
            kept = VersionRow(
                name=row.name, version=number, kind=row.kind, system=row.system, owner=row.owner,
                digest=row.digest, size_bytes=row.size_bytes, lineage=row.lineage,
                created_at=self._clock.now(),
            )  # fmt: skip
            session.add(kept)
            session.flush()
            artefacts.put_in_place(fresh, self.folder_of(row.name, number))
            return self._version(kept)

    def check_name(self, name: str, kind: Kind, owner: str) -> None:
        """Raise Problem for a name under which this owner could register no such model."""
        with self._database.read() as session:
            _refuse_taken(session, name, kind, owner)

    def resolve(self, reference: str, kind: Kind | None = None) -> Version:
        """The version that `name@alias` or `name@number` stands for now.

        Raises Problem where there is none, or where it is of another kind.
        """
        name, at, which = reference.partition("@")
        if not (name and at and which):
            raise Problem("not_found", "say which: name@alias or name@version")
        with self._database.read() as session:
            number = int(which) if which.isdecimal() and len(which) < 9 else None
            if number is None:
                alias = repository.alias_of(session, name, which)
                if alias is None:
                    raise no_alias(session, name)
                number = alias.version
            found = self._version(repository.version_of(session, name, number))
        if kind is not None and found.kind != kind:
            raise Problem("not_found", f"the model is a {found.kind}, not a {kind}")
        return found

    def move(
        self, name: str, alias: str, wish: Move, *, expected: int | None, is_any: bool = False
    ) -> AliasRow:
        """Let an alias stand for a version.

        `expected` is the revision that whoever asks has seen, None for an alias that is new;
        `is_any` moves it whatever its revision. Raises Problem where somebody was faster.
        """
        with self._database.begin() as session:
            row = repository.alias_of(session, name, alias, lock=True)
            if not is_any and (None if row is None else row.revision) != expected:
                raise Problem("precondition_failed", "look at the alias again, and decide anew")
            return self._moved(session, name, alias, wish)

    def roll_back(
        self, name: str, alias: str, actor: str, reason: str, *, expected: int | None = None
    ) -> tuple[AliasRow, int]:
        """Let an alias stand for what it stood for before, and from which version it came there.

        Once more goes further back. `expected` is the revision that whoever asks has seen, None
        for any. Raises Problem where nothing was before, or where somebody was faster.
        """
        with self._database.begin() as session:
            row = repository.alias_of(session, name, alias, lock=True)
            if row is None:
                raise no_alias(session, name)
            if expected not in (None, row.revision):
                raise Problem("precondition_failed", "look at the alias again, and decide anew")
            before, left = repository.move_before(session, row), row.version
            if before is None:
                raise Problem("conflict", "the alias has stood for nothing else before")
            wish = Move(
                version=before.to_version, actor=actor, reason=f"rolled back: {reason}"[:1000],
                returns_to=before.revision,
            )  # fmt: skip
            return self._moved(session, name, alias, wish), left

    def promote(self, name: str, wish: Move, evidence: Evidence | None) -> tuple[bool, str]:
        """Make a version champion if the evidence says so; whether it was, and why.

        Evidence that is missing, that is of another champion, or whose interval does not lie below
        0 whole, leaves the alias as it is, and the history has that too. Where there is no
        champion yet, the first comes without.
        """
        with self._database.begin() as session:
            return self.promote_in(session, name, wish, evidence)

    def promote_in(
        self, session: Session, name: str, wish: Move, evidence: Evidence | None
    ) -> tuple[bool, str]:
        """The same in the transaction of whoever has more to note."""
        repository.version_of(session, name, wish.version)
        row = repository.alias_of(session, name, CHAMPION, lock=True)
        told = replace(wish, evidence=None if evidence is None else evidence.to_record())
        against = _against(row, wish.version, evidence)
        if against is None:
            self._moved(session, name, CHAMPION, told)
            return True, wish.reason
        self._kept(session, name, replace(told, reason=f"{against}; {wish.reason}"[:1000]))
        return False, against

    def keep_champion(self, session: Session, name: str, wish: Move, evidence: Evidence) -> None:
        """Note in somebody's transaction that a version was judged, and does not take charge."""
        self._kept(session, name, replace(wish, evidence=evidence.to_record()))

    def _kept(self, session: Session, name: str, refusal: Move) -> None:
        repository.refuse(session, name, CHAMPION, refusal, self._clock.now())
        self._tell(session, name, CHAMPION, refusal, is_moved=False)

    def stand(self, session: Session, name: str, alias: str, wish: Move) -> None:
        """Let an alias stand for a version in somebody's transaction, unless it does already."""
        row = repository.alias_of(session, name, alias, lock=True)
        if row is None or row.version != wish.version:
            self._moved(session, name, alias, wish)

    def folder_of(self, name: str, version: int) -> Path:
        """Where the files of a version are."""
        return self._folder / name / str(version)

    def _moved(self, session: Session, name: str, alias: str, wish: Move) -> AliasRow:
        row = repository.move(session, name, alias, wish, self._clock.now())
        self._tell(session, name, alias, wish, is_moved=True)
        return row

    def _tell(self, session: Session, name: str, alias: str, wish: Move, *, is_moved: bool) -> None:
        for hear in self.on_move:
            hear(session, name, alias, wish, is_moved)
        self._moves.labels(alias, "moved" if is_moved else "refused").inc()

    def _version(self, row: VersionRow) -> Version:
        kind: Kind = "policy" if row.kind == "policy" else "surrogate"
        return Version(
            name=row.name,
            version=row.version,
            kind=kind,
            system=row.system,
            owner=row.owner,
            digest=row.digest,
            folder=self.folder_of(row.name, row.version),
            lineage=row.lineage,
        )


def no_alias(session: Session, name: str) -> Problem:
    """What to say of an alias that there is not, and what to do about it."""
    if repository.first_of(session, name) is None:
        return Problem("not_found", "no model of that name: GET /v1/models has them")
    return Problem(
        "not_found",
        "this model has no such alias: say name@version, or let it stand for a version first "
        "(POST /v1/models/NAME/promote for a champion, PUT /v1/models/NAME/aliases/ALIAS)",
    )


def _refuse_taken(session: Session, name: str, kind: str, owner: str) -> None:
    first = repository.first_of(session, name)
    if first is None:
        return
    if first.owner != owner:
        raise Problem("forbidden", "the model of this name belongs to somebody else: take another")
    if first.kind != kind:
        told = f"the model of this name is a {first.kind}, this is a {kind}: take another name"
        raise Problem("conflict", told)


def _against(row: AliasRow | None, version: int, evidence: Evidence | None) -> str | None:
    """What speaks against a promotion; None where nothing does."""
    if row is None:
        return None
    if row.version == version:
        return "it is the champion already"
    if evidence is None:
        return "no evidence was given, which counts as evidence against it"
    if evidence.champion != row.version:
        return f"the evidence is against version {evidence.champion}, the champion is {row.version}"
    if evidence.episodes < 2 or not evidence.high < 0:
        return (
            f"its cost is {evidence.value:+.1%} [{evidence.low:+.1%}, {evidence.high:+.1%}] of the "
            f"champion's on {evidence.episodes} paired episodes: the gain is not certain"
        )
    return None
