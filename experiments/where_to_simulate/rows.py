"""Rows: every score as it was measured, a JSON line each, never changed afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.where_to_simulate.errors import InvalidRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One arm with one seed, fitted to so many episodes."""

    scenario: str
    family: str
    arm: str
    seed: int
    digest: str
    """Of the setting; rows of a setting that has changed do not count."""
    episodes: int
    epochs: int
    """Simulator epochs, all that the surrogate has seen."""
    crps: float
    """Standardised CRPS on epochs that good and varied policies meet; less is better."""
    crps_usual: float
    """The same on epochs of the baseline's own distribution."""
    tau: float
    """Kendall's tau between the surrogate's and the true ranking of the policies."""
    seconds: float
    """Processor seconds of the round, scoring included."""
    commit: str
    date: str
    machine: str

    @property
    def curve(self) -> tuple[str, str, int, str]:
        """What it is a point of: scenario, arm, seed and digest."""
        return self.scenario, self.arm, self.seed, self.digest


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Keep the rows of a curve as soon as it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(row), allow_nan=False) + "\n" for row in rows)


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
