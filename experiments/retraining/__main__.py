"""`python -m experiments.retraining`: measure what is missing, then write the results."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.racing.running import Races
from experiments.retraining.settings import THOROUGH, find_setting
from experiments.retraining.study import run
from experiments.retraining.table import render, summary

STUDY = Races(
    study="retraining",
    of="CHANGE",
    names=[setting.turn.name for setting in THOROUGH],
    find=find_setting,
    run=run,
    render=render,
    summary=summary,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study."""
    STUDY.main(arguments, __doc__)


if __name__ == "__main__":
    main()
