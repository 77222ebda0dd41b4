"""Rows: every measurement as it was taken, a JSON line each, never changed afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.errors import InvalidMeasurement

Setting = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measurement, before it is known where it was taken."""

    settings: dict[str, Setting]
    seconds: dict[str, float]
    """By contestant."""
    answers: dict[str, dict[str, float]] = field(default_factory=dict)
    """By contestant, what else it says: statistics of what it simulated, memory, speeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where and when rows come from."""

    run: str
    """When the run began; all rows of one run have the same."""
    commit: str
    date: str
    machine: str

    @classmethod
    def here(cls) -> Origin:
        """This checkout, on this machine, now."""
        # Imports what the main job needs, which nobody who only reads rows has to wait for.
        from experiments.main_job.context import machine
        from sim.provenance import commit

        now = datetime.now(UTC)
        return cls(
            run=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            commit=commit(),
            date=now.strftime("%Y-%m-%d"),
            machine=machine(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement of a benchmark with its origin."""

    benchmark: str
    origin: Origin
    measurement: Measurement
    yardstick: float | None = None
    """Seconds of `plain_python_seconds` right after it; None in rows from before it was taken."""

    @property
    def settings(self) -> dict[str, Setting]:
        """How it was measured."""
        return self.measurement.settings

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by contestant."""
        return self.measurement.seconds

    def has(self, **settings: Setting) -> bool:
        """Whether it was measured so."""
        return all(self.settings.get(name) == value for name, value in settings.items())

    def to_line(self) -> str:
        """The row as one line of JSON."""
        record = {
            "benchmark": self.benchmark,
            **asdict(self.origin),
            **asdict(self.measurement),
            "yardstick": self.yardstick,
        }
        return json.dumps(record, allow_nan=False)

    @classmethod
    def from_line(cls, line: str) -> Row:
        """Read what `to_line` wrote."""
        record: dict[str, Any] = json.loads(line)
        try:
            return cls(
                benchmark=record["benchmark"],
                origin=Origin(**{key: record[key] for key in ("run", "commit", "date", "machine")}),
                measurement=Measurement(
                    **{key: record[key] for key in ("settings", "seconds", "answers")}
                ),
                yardstick=record.get("yardstick"),
            )
        except KeyError as error:
            raise InvalidMeasurement(f"a row without {error}: {line[:80]}") from error


def append_row(path: Path, row: Row) -> None:
    """Keep a row as soon as it is measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(row.to_line() + "\n")


def read_rows(path: Path) -> tuple[Row, ...]:
    """All rows of a file, oldest first; none where there is no file."""
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(Row.from_line(line) for line in lines if line.strip())


def steps_per_second(rows: Iterable[Row], **settings: Setting) -> dict[int, float]:
    """By round how many steps a second the one contestant of each such row took."""
    return per_second(rows, "steps", **settings)


def per_second(rows: Iterable[Row], counted: str, **settings: Setting) -> dict[int, float]:
    """By round how many of what was counted the one contestant of each such row did a second."""
    found = {}
    for row in rows:
        if row.has(**settings):
            ((who, took),) = row.seconds.items()
            found[int(row.settings["round"])] = row.measurement.answers[who][counted] / took
    return found


def latest(rows: Sequence[Row]) -> dict[str, tuple[Row, ...]]:
    """By benchmark the rows of its last run."""
    last = {row.benchmark: row.origin.run for row in rows}
    return {
        name: tuple(row for row in rows if row.benchmark == name and row.origin.run == run)
        for name, run in last.items()
    }


def origins(rows: Iterable[Row]) -> tuple[Origin, ...]:
    """Where rows come from, each origin once, oldest first."""
    return tuple(dict.fromkeys(row.origin for row in sorted(rows, key=lambda r: r.origin.run)))
