"""`python -m experiments.hospital`: measure what is missing, then write the results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.hospital.rows import Row
from experiments.hospital.settings import QUICK, THOROUGH
from experiments.hospital.study import run
from experiments.hospital.table import write_results

STORED = Path(__file__).resolve().parent
_QUICK = Path("runs") / "hospital" / "quick"


def _say(row: Row) -> None:
    print(
        f"{row.arm} seed {row.seed}: {row.cost:,.0f} $, against the best rule {row.relative:+.1%} "
        f"[{row.relative_low:+.1%}, {row.relative_high:+.1%}]",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on with the seed it was at."""
    parser = argparse.ArgumentParser(prog="python -m experiments.hospital")
    parser.add_argument("--quick", action="store_true", help="a smoke test, kept in its own folder")
    parser.add_argument("--seed", action="append", type=int, help="may be given again; 1, 2 and 3")
    parser.add_argument("--folder", type=Path, help="of the rows")
    given = parser.parse_args(arguments)
    folder = given.folder or (_QUICK if given.quick else STORED)
    setting = QUICK if given.quick else THOROUGH
    run(setting, given.seed or (1, 2, 3), folder / "rows.jsonl", on_row=_say)
    write_results(folder, setting)


if __name__ == "__main__":
    main()
