"""Running studies from the command line: what is missing is measured, a row is kept as it comes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from experiments.rows import Kind, append_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a command line asks of a study."""

    is_quick: bool
    only: tuple[str, ...]
    """Names of settings; all where empty."""
    arms: tuple[str, ...] | None
    """Names of arms; all where None."""
    minutes: float
    """After which no arm is begun."""
    folder: Path
    """Of the rows and the results."""

    @classmethod
    def of(
        cls, arguments: Sequence[str] | None, *, study: str, told: str | None, of: str, stored: Path
    ) -> Asked:
        """Read the arguments of `python -m experiments.STUDY`, whose settings are named `of`."""
        parser = argparse.ArgumentParser(prog=f"python -m experiments.{study}", description=told)
        parser.add_argument("--quick", action="store_true", help="a smoke test, in its own folder")
        parser.add_argument("--only", action="append", metavar=of, help="may be given again")
        parser.add_argument("--arm", action="append", metavar="ARM", help="may be given again")
        parser.add_argument("--minutes", type=float, default=inf, help="begin no arm after so many")
        parser.add_argument("--folder", type=Path, help="of the rows")
        given = parser.parse_args(arguments)
        usual = Path("runs") / study / "quick" if given.quick else stored
        return cls(
            is_quick=given.quick,
            only=tuple(given.only or ()),
            arms=None if given.arm is None else tuple(given.arm),
            minutes=given.minutes,
            folder=given.folder or usual,
        )

    @property
    def rows(self) -> Path:
        """The file of the rows."""
        return self.folder / "rows.jsonl"


def measure(
    missing: Iterable[Callable[[], Kind]], path: Path, minutes: float, told: Callable[[Kind], str]
) -> None:
    """Take one measurement after another, keep its row and tell it; begin none after so long."""
    began = time.monotonic()
    for take in missing:
        if time.monotonic() - began > 60.0 * minutes:
            return
        row = take()
        append_row(path, row)
        print(told(row), flush=True)
