"""`python -m experiments.truths`: measure what is missing, then write the table and figures."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from experiments.rows import read_rows
from experiments.truths.catalogue import SETTINGS, find_setting
from experiments.truths.rows import Row
from experiments.truths.setting import Depth
from experiments.truths.study import run
from experiments.truths.table import render, summary

STORED = Path(__file__).resolve().parents[2] / "docs" / "truths"


def write_analysis(folder: Path) -> None:
    """Write the table and the figures of a folder's rows."""
    rows = read_rows(folder / "rows.jsonl", Row)
    (folder / "README.md").write_text(render(rows), encoding="utf-8")
    figures = folder / "summary.json"
    if rows:
        text = json.dumps(summary(rows), indent=1, allow_nan=False)
        figures.write_text(text + "\n", encoding="utf-8")
    else:
        figures.unlink(missing_ok=True)


def _say(row: Row, left: int) -> None:
    print(f"{row.setting}: {row.seconds:.1f} s, {left} to go", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on where it was."""
    parser = argparse.ArgumentParser(prog="python -m experiments.truths", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="as briefly as the tests do")
    parser.add_argument("--only", action="append", metavar="SETTING", help="may be given again")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="PROCESSES")
    parser.add_argument("--folder", type=Path, default=STORED, help="of the rows")
    given = parser.parse_args(arguments)
    settings = [find_setting(name) for name in given.only or SETTINGS]
    # Forking a process that has threads may lock; a fresh one needs a second to import.
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as executor:
        depth: Depth = "quick" if given.quick else "thorough"
        run(settings, depth, given.folder / "rows.jsonl", executor, on_row=_say)
    write_analysis(given.folder)


if __name__ == "__main__":
    main()
