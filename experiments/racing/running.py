"""Running a study of races from the command line, and writing what it found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from experiments.racing.rows import Row
from experiments.rows import read_rows
from experiments.running import Asked


class Run(Protocol):
    """Measures every row of the settings that is not there."""

    def __call__(
        self,
        settings: Sequence[Any],
        path: Path,
        runs: Path,
        *,
        arms: Sequence[str] | None,
        minutes: float,
    ) -> None:
        """Begin none after so many minutes; `runs` is for what trainings leave behind."""
        ...


S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Races(Generic[S]):
    """A study of races: its settings by name, how they are run, and what is made of rows."""

    study: str
    """Its package within `experiments`, whose folder has the rows."""
    of: str
    """What the command line calls a setting."""
    names: Sequence[str]
    find: Callable[..., S]
    """A setting by name, `quick` or not."""
    run: Run
    render: Callable[[Sequence[Row], Sequence[S]], str]
    summary: Callable[[Sequence[Row], Sequence[S]], dict[str, Any] | None]

    @property
    def stored(self) -> Path:
        """The folder of the rows that are kept."""
        return Path(__file__).resolve().parents[1] / self.study

    def main(self, arguments: Sequence[str] | None, told: str | None) -> None:
        """Run the study; a run that was stopped goes on with the arm it was at."""
        asked = Asked.of(arguments, study=self.study, told=told, of=self.of, stored=self.stored)
        every = {name: self.find(name, quick=asked.is_quick) for name in self.names}
        chosen = [self.find(name, quick=asked.is_quick) for name in asked.only or self.names]
        runs = Path("runs") / self.study
        self.run(chosen, asked.rows, runs, arms=asked.arms, minutes=asked.minutes)
        rows, shown = read_rows(asked.rows, Row), list(every.values())
        (asked.folder / "RESULTS.md").write_text(self.render(rows, shown), encoding="utf-8")
        figures = self.summary(rows, shown)
        if figures is not None:
            text = json.dumps(figures, indent=1, allow_nan=False)
            (asked.folder / "summary.json").write_text(text + "\n", encoding="utf-8")
