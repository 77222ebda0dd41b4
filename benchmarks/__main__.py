"""`python -m benchmarks`: measure, keep the rows, summarise."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.collecting import separate_ray_head
from benchmarks.readme import render_table
from benchmarks.rows import Origin, read_rows
from benchmarks.suite import BENCHMARKS, STORED, measure, summarise
from sim.errors import SurrogymError

QUICK_FOLDER = Path("runs") / "benchmarks-quick"
_SEPARATE = "--separate-ray-head"


def main() -> int:
    """Run what the arguments ask for; 2 when a benchmark refuses to report."""
    asked = _arguments().parse_args()
    if asked.separate_ray_head:
        return _beside_a_ray_head(sys.argv[1:])
    folder = asked.out or (QUICK_FOLDER if asked.quick else STORED)
    origin = Origin.here()
    refused = False
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


def _beside_a_ray_head(arguments: list[str]) -> int:
    """The same command in a process of its own: Ray, imported here, reads its token but once."""
    others = [each for each in arguments if each != _SEPARATE]
    with separate_ray_head():
        return subprocess.run([sys.executable, "-m", "benchmarks", *others]).returncode


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--only", action="append", choices=list(BENCHMARKS), help="run this one; may be repeated"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"a smoke test, kept apart in {QUICK_FOLDER}"
    )
    parser.add_argument("--out", type=Path, help="folder for rows, summary and plot")
    parser.add_argument(
        _SEPARATE,
        action="store_true",
        help="collect through a Ray head of its own, found by RAY_ADDRESS",
    )
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
