"""The page of a fidelity report, made from its record and nothing else."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from experiments.fidelity.plots import PICTURES
from experiments.main_job.plots import draw
from surrogates.fidelity.one_epoch import middle_half
from surrogates.fidelity.policies import SMALLEST_DIFFERENCE
from surrogates.fidelity.verdict import FEWEST_POLICIES
from training.journal import write_json

COLOURS = {"train on it": "#2f855a", "short rollouts only": "#d9730d", "do not use": "#c53030"}


def write_report(path: Path, record: dict[str, Any]) -> None:
    """Write the record as JSON and, made from it, the page beside it, each whole or not at all.

    `path` is the page's; the record has its name with the suffix `.json`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path.with_suffix(".json"), record)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(render(record), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def render(record: dict[str, Any]) -> str:
    """The page; its pictures are inline, so that it opens without a network."""
    loader = PackageLoader("experiments.fidelity", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}%"
    environment.filters["money"] = lambda cost: (
        f"{cost:,.0f}" if abs(cost) >= 100 else f"{cost:.4g}"
    )
    pictures = {
        name: "data:image/svg+xml;base64," + base64.b64encode(draw(picture, record)).decode()
        for name, picture in PICTURES.items()
        if name != "familiarity" or record["support"] is not None
    }
    page = environment.get_template("fidelity.html")
    return page.render(
        record=record,
        pictures=pictures,
        colour=COLOURS[record["verdict"]["use"]],
        # Earlier releases told of a cell only what is pooled over quantities.
        by_cell={
            name: cell for name, cell in record["one_epoch"]["cells"].items() if "pit" in cell
        },
        middle_half=middle_half,
        fewest_policies=FEWEST_POLICIES,
        least_different=SMALLEST_DIFFERENCE,
    )
