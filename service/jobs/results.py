"""What an attempt has made: put together aside, then there as a whole, each file with its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.journal import whole_folder, write_json

_INDEX = "result.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One artefact: a folder of files."""

    name: str
    kind: str
    folder: str
    """Within the data folder."""
    files: tuple[dict[str, Any], ...]
    """Name, bytes and sha256 of each."""
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All that a job has made, and what is to be said of it in a few numbers."""

    summary: dict[str, Any]
    artefacts: tuple[Made, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A result that is being put together."""

    path: Path
    artefacts: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)

    def keep(
        self, name: str, kind: str, write: Callable[[Path], None], facts: dict[str, Any]
    ) -> Path:
        """Add an artefact, which `write` puts into the folder that is given to it and returned."""
        folder = self.path / name
        folder.mkdir()
        write(folder)
        self.artefacts.append((name, kind, facts))
        return folder


@contextmanager
def making(path: Path, data: Path) -> Iterator[Making]:
    """Put a result together; it is at `path` when the block ends well."""
    with whole_folder(path) as partial:
        result = Making(path=partial)
        yield result
        within = path.relative_to(data)
        made = [
            Made(
                name=name,
                kind=kind,
                folder=str(within / name),
                files=tuple(_files(partial / name)),
                facts=facts,
            )
            for name, kind, facts in result.artefacts
        ]
        told = {"summary": result.summary, "artefacts": [asdict(each) for each in made]}
        write_json(partial / _INDEX, told)


def read_result(path: Path) -> Result | None:
    """What an attempt has left; None where it left nothing whole."""
    try:
        told = json.loads((path / _INDEX).read_text())
    except FileNotFoundError:
        return None
    artefacts = tuple(Made(**{**each, "files": tuple(each["files"])}) for each in told["artefacts"])
    return Result(summary=told["summary"], artefacts=artefacts)


def digest_of(folder: Path) -> str:
    """SHA-256 over those of its files in the order of their names; of a model its version's."""
    total = hashlib.sha256()
    for file in _files(folder):
        total.update(bytes.fromhex(file["sha256"]))
    return total.hexdigest()


def _files(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        yield {
            "name": str(path.relative_to(folder)),
            "bytes": path.stat().st_size,
            "sha256": _hash(path),
        }


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
