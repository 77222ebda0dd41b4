"""`python -m experiments.retraining`: measure what is missing, then write the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.racing.running import Asked, write_results
from experiments.retraining.settings import THOROUGH, find_setting
from experiments.retraining.study import run
from experiments.retraining.table import render, summary

STORED = Path(__file__).resolve().parent
_RUNS = Path("runs") / "retraining"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on with the arm it was at."""
    asked = Asked.of(arguments, study="retraining", told=__doc__, of="CHANGE", stored=STORED)
    every = [setting.turn.name for setting in THOROUGH]
    settings = [find_setting(name, quick=asked.is_quick) for name in asked.only or every]
    run(settings, asked.rows, _RUNS, arms=asked.arms, minutes=asked.minutes)
    shown = [find_setting(name, quick=asked.is_quick) for name in every]
    write_results(asked, lambda rows: render(rows, shown), lambda rows: summary(rows, shown))


if __name__ == "__main__":
    main()
