"""`python -m experiments.time_to_policy`: measure what is missing, then write the results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from math import inf
from pathlib import Path

from experiments.racing.rows import Row
from experiments.rows import read_rows
from experiments.time_to_policy.settings import THOROUGH, find_setting
from experiments.time_to_policy.study import run
from experiments.time_to_policy.table import render, summary

STORED = Path(__file__).resolve().parent
_RUNS = Path("runs") / "time_to_policy"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on with the arm it was at."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.time_to_policy", description=__doc__
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test, kept in its own folder")
    parser.add_argument("--only", action="append", metavar="SYSTEM", help="may be given again")
    parser.add_argument("--arm", action="append", metavar="ARM", help="may be given again")
    parser.add_argument("--minutes", type=float, default=inf, help="begin no arm after so many")
    parser.add_argument("--folder", type=Path, help="of the rows")
    given = parser.parse_args(arguments)
    names = given.only or [setting.name for setting in THOROUGH]
    folder = given.folder or (_RUNS / "quick" if given.quick else STORED)
    settings = [find_setting(name, quick=given.quick) for name in names]
    run(
        settings,
        folder / "rows.jsonl",
        _RUNS,
        arms=given.arm,
        minutes=given.minutes,
        on_row=_say,
    )
    rows = read_rows(folder / "rows.jsonl", Row)
    every = [find_setting(setting.name, quick=given.quick) for setting in THOROUGH]
    (folder / "RESULTS.md").write_text(render(rows, every), encoding="utf-8")
    figures = summary(rows, every)
    if figures is not None:
        text = json.dumps(figures, indent=1, allow_nan=False)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")


def _say(row: Row) -> None:
    told = row.costs or {f"{point[0]:.0f} s": round(point[2]) for point in row.curve}
    print(f"{row.race} {row.arm} seed {row.seed}, {row.seconds:.0f} s: {told}", flush=True)


if __name__ == "__main__":
    main()
