"""`python -m experiments.crossover`: measure what is missing, then write the results."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.crossover.settings import THOROUGH, find_setting
from experiments.crossover.table import render, summary
from experiments.racing.running import Races
from experiments.time_to_policy.study import run

STUDY = Races(
    study="crossover",
    of="SIZE",
    names=[setting.name for setting in THOROUGH],
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
