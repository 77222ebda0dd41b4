"""`python -m experiments.fidelity_vs_regret`: measure what is missing, then write the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.fidelity_vs_regret.plot import draw_scores
from experiments.fidelity_vs_regret.rows import Row
from experiments.fidelity_vs_regret.settings import THOROUGH, find_setting
from experiments.fidelity_vs_regret.study import Study
from experiments.fidelity_vs_regret.table import render
from experiments.rows import read_rows
from experiments.running import Asked, measure
from training.rllib.session import RayExecutor, ray_session

STORED = Path(__file__).resolve().parent
_NAME = "fidelity_vs_regret"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; an arm is a family. A run that was stopped goes on where it was."""
    asked = Asked.of(arguments, study=_NAME, told=__doc__, of="SYSTEM", stored=STORED)
    every = [find_setting(setting.name, quick=asked.is_quick) for setting in THOROUGH]
    chosen = [find_setting(name, quick=asked.is_quick) for name in asked.only] or every
    with ray_session(), RayExecutor() as executor:
        missing = (
            take
            for setting in chosen
            for take in Study(setting, executor).missing(read_rows(asked.rows, Row), asked.arms)
        )
        measure(missing, asked.rows, asked.minutes, _told)
    rows = read_rows(asked.rows, Row)
    (asked.folder / "RESULTS.md").write_text(render(rows, every), encoding="utf-8")
    (asked.folder / "scores.svg").write_bytes(draw_scores(rows, every))


def _told(row: Row) -> str:
    what = f"{row.ground} {row.family}, {row.episodes} days, seed {row.seed}"
    return f"{what}, {row.seconds:.0f} s: costs {row.cost:,.0f}, {row.use}"


if __name__ == "__main__":
    main()
