"""`python -m experiments.surrogate_comparison`: measure what is missing, then write the results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from experiments.surrogate_comparison.analysis import fields, render, summary
from experiments.surrogate_comparison.contestants import PEERS
from experiments.surrogate_comparison.material import Store
from experiments.surrogate_comparison.plot import draw_comparison
from experiments.surrogate_comparison.rows import Row
from experiments.surrogate_comparison.settings import Depth
from experiments.surrogate_comparison.study import Chosen, missing, planned, run, stored

STORED = Path(__file__).resolve().parent
QUICK_FOLDER = Path("runs") / "surrogate-comparison-quick"
MATERIAL = Path("runs") / "surrogate-comparison-material"


def write_analysis(folder: Path) -> None:
    """Write the tables, the plot and the figures of a folder's rows, where a seed is complete."""
    rows = stored(folder / "rows.jsonl")
    if not fields(rows):
        return
    (folder / "RESULTS.md").write_text(render(rows), encoding="utf-8")
    (folder / "comparison.svg").write_bytes(draw_comparison(rows))
    text = json.dumps(summary(rows), indent=1, allow_nan=False)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")


def _say(row: Row, left: int) -> None:
    print(
        f"{row.scenario}/{row.contestant}, {row.rows} rows, seed {row.seed}: CRPS {row.crps:.4f}, "
        f"coverage {row.coverage_95:.3f}, tau {row.tau:.3f} (attainable {row.attainable:.3f}), "
        f"fit {row.fit_cpu_seconds:.1f} s, {row.samples_per_second:,.0f} samples/s; {left} to go",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study; a run that was stopped goes on where it was."""
    given = _arguments().parse_args(arguments)
    depth: Depth = "quick" if given.quick else "thorough"
    folder = given.folder or (QUICK_FOLDER if given.quick else STORED)
    absent = [name for name, peer in PEERS.items() if not peer.is_installed]
    if absent:
        print(f"not installed, so left out: {', '.join(absent)}; pip install '.[comparison]'")
    chosen = Chosen(
        pairs=tuple(given.only or ()), rows=tuple(given.rows or ()), seeds=tuple(given.seed or ())
    )
    fits = tuple(planned(depth, chosen))
    torch.set_num_threads(given.threads)
    with threadpool_limits(given.threads):
        wanted = fits if given.again else missing(fits, stored(folder / "rows.jsonl"))
        run(wanted, folder / "rows.jsonl", Store(folder=given.material), on_row=_say)
    write_analysis(folder)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.surrogate_comparison", description=__doc__
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test that tells nothing")
    parser.add_argument(
        "--only",
        action="append",
        metavar="SCENARIO[/CONTESTANT]",
        help="measure only this; may be given again",
    )
    parser.add_argument("--rows", action="append", type=int, help="amount of data; again for more")
    parser.add_argument("--seed", action="append", type=int, help="may be given again")
    parser.add_argument("--again", action="store_true", help="measure anew what has rows already")
    parser.add_argument("--threads", type=int, default=1, help="of a fit; sampling has one always")
    parser.add_argument("--folder", type=Path, help="of rows and results")
    parser.add_argument("--material", type=Path, default=MATERIAL, help="of what was simulated")
    return parser


if __name__ == "__main__":
    main()
