"""`python -m experiments.known_optimum`: measure what is missing, then write the results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.known_optimum.networks import NETWORKS
from experiments.known_optimum.rows import Row
from experiments.known_optimum.settings import find_setting
from experiments.known_optimum.study import run
from experiments.known_optimum.table import write_results

STORED = Path(__file__).resolve().parent
_QUICK = Path("runs") / "known_optimum" / "quick"


def _say(row: Row) -> None:
    print(
        f"{row.network} {row.arm} seed {row.seed}: {row.cost:.4f} [{row.low:.4f}, {row.high:.4f}] "
        f"per minute, {row.true_transitions:,} true transitions, {row.seconds:.0f} s",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on with the row it was at."""
    parser = argparse.ArgumentParser(prog="python -m experiments.known_optimum")
    parser.add_argument("--quick", action="store_true", help="a smoke test, kept in its own folder")
    parser.add_argument("--only", action="append", metavar="NETWORK", help="may be given again")
    parser.add_argument("--seed", action="append", type=int, help="may be given again; 1, 2 and 3")
    parser.add_argument("--folder", type=Path, help="of the rows")
    given = parser.parse_args(arguments)
    folder = given.folder or (_QUICK if given.quick else STORED)
    settings = [find_setting(name, quick=given.quick) for name in given.only or NETWORKS]
    run(settings, given.seed or (1, 2, 3), folder / "rows.jsonl", on_row=_say)
    write_results(folder, quick=given.quick)


if __name__ == "__main__":
    main()
