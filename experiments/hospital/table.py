"""The analysis: the table and the figures, made from stored rows and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from experiments.hospital.rows import Row
from experiments.hospital.settings import Setting
from experiments.rows import origin_of, read_rows

_HEAD = (
    "| seed | controller | cost, $ | against the best rule (95% interval) | "
    "other decisions | promoted | true transitions |"
)
_SHIPPED = "shipped"


def write_results(folder: Path, setting: Setting) -> None:
    """Write the results and the figures of a folder's rows."""
    rows = [r for r in read_rows(folder / "rows.jsonl", Row) if r.digest == setting.digest]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(render(rows), encoding="utf-8")
    shipped = [row for row in rows if row.arm == _SHIPPED]
    if shipped:
        told = json.dumps(
            {
                "commit": shipped[-1].commit,
                "date": shipped[-1].date,
                "machine": shipped[-1].machine,
                "figures": [
                    {
                        "name": f"hospital_shipped_vs_best_rule_seed_{row.seed}",
                        "value": row.relative,
                        "low": row.relative_low,
                        "high": row.relative_high,
                        "n": row.episodes,
                        "unit": "relative",
                        "goal": "high <= 0",
                    }
                    for row in shipped
                ],
            },
            indent=1,
            allow_nan=False,
        )
        (folder / "summary.json").write_text(told + "\n", encoding="utf-8")


def render(rows: Sequence[Row]) -> str:
    """The results as Markdown."""
    if not rows:
        return "Nothing has been measured yet.\n"
    lines = [
        f"Mean cost of four weeks on the true simulator, {rows[0].episodes} paired episodes.",
        "",
        _HEAD,
        "| ---: | --- | ---: | ---: | ---: | --- | ---: |",
        *(_line(row) for row in sorted(rows, key=lambda row: row.seed)),
        "",
        f"Measured at {origin_of(rows)}.",
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    cells = [
        str(row.seed),
        row.arm,
        f"{row.cost:,.0f}",
        f"{row.relative:+.1%} [{row.relative_low:+.1%}, {row.relative_high:+.1%}]",
        f"{row.exceptions:.0%}",
        "yes" if row.is_promoted else "",
        f"{row.true_transitions:,}",
    ]
    return f"| {' | '.join(cells)} |"
