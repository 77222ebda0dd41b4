"""`python -m benchmarks`: measure, keep the rows, summarise."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from benchmarks.collecting import separate_ray_head
from benchmarks.readme import render_table
from benchmarks.rows import Origin, read_rows
from benchmarks.suite import BENCHMARKS, STORED, measure, summarise
from sim.errors import SurrogymError

QUICK_FOLDER = Path("runs") / "benchmarks-quick"


def main() -> int:
    """Run what the arguments ask for; 2 when a benchmark refuses to report."""
    asked = _arguments().parse_args()
    folder = asked.out or (QUICK_FOLDER if asked.quick else STORED)
    origin = Origin.here()
    head = separate_ray_head() if asked.separate_ray_head else nullcontext()
    refused = False
    with head:
        for name in asked.only or BENCHMARKS:
            try:
                measure(name, is_quick=asked.quick, folder=folder, origin=origin, say=_say)
            except SurrogymError as error:
                refused = True
                _say(f"{name}: {error}")
    rows = read_rows(folder / "rows.jsonl")
    if rows:
        summarise(folder)
        print(render_table(rows))
    return 2 if refused else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=list(BENCHMARKS), help="run this one; may be repeated"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"a smoke test, kept apart in {QUICK_FOLDER}"
    )
    parser.add_argument("--out", type=Path, help="folder for rows, summary and plot")
    parser.add_argument(
        "--separate-ray-head",
        action="store_true",
        help="collect through a Ray head of its own, found by RAY_ADDRESS",
    )
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
