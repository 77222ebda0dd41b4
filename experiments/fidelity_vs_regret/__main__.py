"""`python -m experiments.fidelity_vs_regret`: measure what is missing, then write the results."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from math import inf
from pathlib import Path

from experiments.fidelity_vs_regret.plot import draw_scores
from experiments.fidelity_vs_regret.rows import Row
from experiments.fidelity_vs_regret.settings import THOROUGH, find_setting
from experiments.fidelity_vs_regret.study import Study
from experiments.fidelity_vs_regret.table import render
from experiments.rows import append_row, read_rows
from training.rllib.session import RayExecutor, ray_session

STORED = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on with the surrogate it was at."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.fidelity_vs_regret", description=__doc__
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test, in its own folder")
    parser.add_argument("--only", action="append", metavar="SYSTEM", help="may be given again")
    parser.add_argument("--minutes", type=float, default=inf, help="begin no row after so many")
    parser.add_argument("--folder", type=Path, help="of the rows")
    given = parser.parse_args(arguments)
    usual = Path("runs") / "fidelity_vs_regret" / "quick" if given.quick else STORED
    folder: Path = given.folder or usual
    every = [find_setting(setting.name, quick=given.quick) for setting in THOROUGH]
    settings = [find_setting(name, quick=given.quick) for name in given.only or ()] or every
    path = folder / "rows.jsonl"
    began = time.monotonic()
    with ray_session(), RayExecutor() as executor:
        for setting in settings:
            if time.monotonic() - began > 60.0 * given.minutes:
                break
            for row in Study(setting, executor).missing(read_rows(path, Row)):
                append_row(path, row)
                print(_told(row), flush=True)
                if time.monotonic() - began > 60.0 * given.minutes:
                    break
    rows = read_rows(path, Row)
    (folder / "RESULTS.md").write_text(render(rows, every), encoding="utf-8")
    (folder / "scores.svg").write_bytes(draw_scores(rows, every))


def _told(row: Row) -> str:
    what = f"{row.ground} {row.family}, {row.episodes} days, seed {row.seed}"
    return f"{what}, {row.seconds:.0f} s: costs {row.cost:,.0f}, {row.use}"


if __name__ == "__main__":
    main()
