"""`python -m experiments.where_to_simulate`: measure what is missing, then write the results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from math import inf
from pathlib import Path

from experiments.rows import read_rows
from experiments.where_to_simulate.arms import ARMS
from experiments.where_to_simulate.rows import Row
from experiments.where_to_simulate.settings import THOROUGH, Depth, Setting, find_setting
from experiments.where_to_simulate.study import run
from experiments.where_to_simulate.table import render, summary

STORED = Path(__file__).resolve().parent
_RUNS = Path("runs") / "where_to_simulate"


def write_analysis(folder: Path, settings: Sequence[Setting]) -> None:
    """Write the results and the figures of a folder's rows."""
    rows = read_rows(folder / "rows.jsonl", Row)
    (folder / "RESULTS.md").write_text(render(rows, settings), encoding="utf-8")
    figures, path = summary(rows, settings), folder / "summary.json"
    if figures is None:
        path.unlink(missing_ok=True)
    else:
        text = json.dumps(figures, indent=1, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")


def _say(row: Row) -> None:
    print(
        f"{row.scenario} {row.arm} seed {row.seed}, {row.episodes} episodes: CRPS {row.crps:.4f}, "
        f"tau {row.tau:.3f}, CRPS of the usual {row.crps_usual:.4f}, {row.seconds:.1f} s",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on with the curve it was at."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.where_to_simulate", description=__doc__
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test, kept in its own folder")
    parser.add_argument("--only", action="append", metavar="SCENARIO", help="may be given again")
    parser.add_argument("--arm", action="append", choices=tuple(ARMS), help="may be given again")
    parser.add_argument("--minutes", type=float, default=inf, help="begin no curve after so many")
    parser.add_argument("--folder", type=Path, help="of the rows")
    given = parser.parse_args(arguments)
    depth: Depth = "quick" if given.quick else "thorough"
    names = given.only or [setting.scenario for setting in THOROUGH]
    folder = given.folder or (_RUNS / "quick" if given.quick else STORED)
    settings = [find_setting(name, depth) for name in names]
    path, arms = folder / "rows.jsonl", given.arm or tuple(ARMS)
    run(settings, arms, path, _RUNS, minutes=given.minutes, on_row=_say)
    write_analysis(folder, [find_setting(setting.scenario, depth) for setting in THOROUGH])


if __name__ == "__main__":
    main()
