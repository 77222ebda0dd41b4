"""Rows of a study: measurements as they were taken, a JSON line each, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from experiments.errors import InvalidRows

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Kind = TypeVar("Kind", bound=DataclassInstance)
else:
    Kind = TypeVar("Kind")


def append_row(path: Path, row: Kind) -> None:
    """Keep a row as soon as it is measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row), allow_nan=False) + "\n")


def read_rows(path: Path, kind: type[Kind]) -> tuple[Kind, ...]:
    """All rows of a file, oldest first; none where there is no file.

    Raises InvalidRows with the number of a line that is no row, such as one cut off by a kill.
    """
    if not path.is_file():
        return ()
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            told: dict[str, Any] = json.loads(line)
            rows.append(kind(**told))
        except (TypeError, ValueError) as error:
            raise InvalidRows(f"{path} line {number} is no row: delete the line") from error
    return tuple(rows)


@runtime_checkable
class Originated(Protocol):
    """A row that says where it was measured."""

    @property
    def commit(self) -> str:
        """Of the code."""
        ...

    @property
    def date(self) -> str:
        """Year, month and day."""
        ...

    @property
    def machine(self) -> str:
        """Its system and cores."""
        ...


def origin_of(rows: Iterable[Originated]) -> str:
    """Every commit and machine of some rows, and the days between which they were, in a line."""
    told = [(row.commit, row.date, row.machine) for row in rows]
    commits, dates, machines = (sorted(set(each)) for each in zip(*told, strict=True))
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{', '.join(commits)}, {when}, {'; '.join(machines)}"
