"""`python -m experiments.drift`: measure what is missing, then write the results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from math import inf
from pathlib import Path

from experiments.drift.arms import ARMS
from experiments.drift.plot import draw_delays
from experiments.drift.rows import Row
from experiments.drift.settings import THOROUGH, Depth, Setting, find_setting
from experiments.drift.study import run
from experiments.drift.table import render, summary
from experiments.rows import read_rows

STORED = Path(__file__).resolve().parent
_RUNS = Path("runs") / "drift"


def write_analysis(folder: Path, settings: Sequence[Setting]) -> None:
    """Write the results, the plot and the figures of a folder's rows."""
    rows = read_rows(folder / "rows.jsonl", Row)
    (folder / "RESULTS.md").write_text(render(rows, settings), encoding="utf-8")
    figures = summary(rows, settings)
    if figures is None:
        (folder / "summary.json").unlink(missing_ok=True)
        return
    text = json.dumps(figures, indent=1, allow_nan=False)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
    (folder / "delays.svg").write_bytes(draw_delays(rows, settings))


def _say(row: Row) -> None:
    met = [delay for delay in row.delays if delay is not None]
    middle = sorted(met)[len(met) // 2] if met else None
    print(
        f"{row.scenario} {row.arm} seed {row.seed}, {row.kind} {row.size:g}: {len(met)} of "
        f"{len(row.delays)} alarm, the middle one after {middle} days, named right "
        f"{row.named_right}, structure {row.structure} of {row.explained}, {row.seconds:.1f} s",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on with the detector it was at."""
    parser = argparse.ArgumentParser(prog="python -m experiments.drift", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test, kept in its own folder")
    parser.add_argument("--only", action="append", metavar="SCENARIO", help="may be given again")
    parser.add_argument("--arm", action="append", choices=tuple(ARMS), help="may be given again")
    parser.add_argument("--minutes", type=float, default=inf, help="begin no arm after so many")
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
