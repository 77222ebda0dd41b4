"""`python -m experiments.lean_off_policy`: train what is missing and print the table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from experiments.lean_off_policy.study import Row, Study, table
from experiments.rows import append_row, read_rows
from sim.provenance import commit

STORED = Path(__file__).resolve().parent / "rows.jsonl"


def main() -> None:
    """Run the study, or a smoke test of it."""
    parser = argparse.ArgumentParser(prog="python -m experiments.lean_off_policy")
    parser.add_argument("--quick", action="store_true", help="a smoke test in runs/")
    is_quick = parser.parse_args().quick
    path = Path("runs") / "lean_off_policy" / "rows.jsonl" if is_quick else STORED
    study = Study(seeds=(0,), steps=1_280, looks=1, episodes=4) if is_quick else Study()
    for row in study.run(read_rows(path, Row), commit()):
        append_row(path, row)
        print(
            f"{row.algorithm} {row.arm} seed {row.seed}, {row.steps} steps: {row.mean_return:.0f}",
            file=sys.stderr,
            flush=True,
        )
    print(table(read_rows(path, Row)))


if __name__ == "__main__":
    main()
