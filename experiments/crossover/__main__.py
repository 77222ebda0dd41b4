"""`python -m experiments.crossover`: measure what is missing, then write the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.crossover.settings import THOROUGH, find_setting
from experiments.crossover.table import render, summary
from experiments.racing.running import Asked, write_results
from experiments.time_to_policy.study import run

STORED = Path(__file__).resolve().parent
_RUNS = Path("runs") / "crossover"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on with the arm it was at."""
    asked = Asked.of(arguments, study="crossover", told=__doc__, of="SIZE", stored=STORED)
    every = [setting.name for setting in THOROUGH]
    settings = [find_setting(name, quick=asked.is_quick) for name in asked.only or every]
    run(settings, asked.rows, _RUNS, arms=asked.arms, minutes=asked.minutes)
    shown = [find_setting(name, quick=asked.is_quick) for name in every]
    write_results(asked, lambda rows: render(rows, shown), lambda rows: summary(rows, shown))


if __name__ == "__main__":
    main()
