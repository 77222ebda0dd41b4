"""Rows: every replication as it was measured, a JSON line each, never changed afterwards."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.truths.errors import InvalidRows
from experiments.truths.setting import Depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One replication of one setting: what it says of every truth measured on it."""

    setting: str
    depth: Depth
    digest: str
    """Of all that the replication depends on; rows of a setting that has changed do not count."""
    seed: int
    warm_up: float
    minutes: float
    values: dict[str, float]
    """By truth."""
    seconds: float
    commit: str
    date: str
    machine: str

    @property
    def key(self) -> tuple[str, str, int]:
        """What was measured: setting, digest and seed."""
        return self.setting, self.digest, self.seed


def append_row(path: Path, row: Row) -> None:
    """Keep a row as soon as it is measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(row), allow_nan=False) + "\n")


def read_rows(path: Path) -> tuple[Row, ...]:
    """All rows of a file, oldest first; none where there is no file.

    Raises InvalidRows with the number of a line that is no row, such as one cut off by a kill.
    """
    if not path.is_file():
        return ()
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(Row(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise InvalidRows(f"{path} line {number} is no row: delete the line") from error
    return tuple(rows)
