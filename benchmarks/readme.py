"""The tables of the benchmarks, made from the stored rows and from nothing else.

`python -m benchmarks.readme` rewrites the block between the two markers in `benchmarks/README.md`
and in the project's README.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.rows import Row, latest, origins, read_rows
from benchmarks.suite import STORED, figures
from experiments.blocks import with_block

BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
READMES = (STORED / "README.md", STORED.parent / "README.md")
_MET = {True: "yes", False: "**no**", None: ""}


def render_table(rows: Sequence[Row] | None = None) -> str:
    """The figures as a Markdown table, with where they come from; of the stored rows if none."""
    rows = read_rows(STORED / "rows.jsonl") if rows is None else rows
    if not rows:
        return "Nothing has been measured yet: `make bench`."
    lines = [
        "| figure | median [95% interval] | n | goal | met |",
        "| --- | ---: | ---: | --- | --- |",
        *(_line(figure) for figure in figures(rows)),
        "",
        *_sources(rows),
    ]
    return "\n".join(lines)


def _line(figure: Figure) -> str:
    value = f"{figure.value:,.3g} [{figure.low:,.3g}, {figure.high:,.3g}]"
    return (
        f"| `{figure.name}` | {value} {figure.unit} | {figure.n} | {figure.goal} | "
        f"{_MET[figure.meets_goal]} |"
    )


def _sources(rows: Sequence[Row]) -> list[str]:
    """One sentence for each origin of the rows in use."""
    last = latest(rows)
    sentences = []
    for origin in origins(row for used in last.values() for row in used):
        names = [name for name, used in last.items() if used[0].origin == origin]
        told = f"{', '.join(names)}: commit {origin.commit}, {origin.date}, {origin.machine}"
        taken = [row.yardstick for name in names for row in last[name] if row.yardstick is not None]
        if taken:
            told += (
                ", on which ten million additions in plain Python took "
                f"{min(taken):.2f} to {max(taken):.2f} s"
            )
        sentences.append(f"{told}.")
    return sentences


def rewrite(text: str) -> str:
    """A text with its block replaced; as it is where it has none."""
    return with_block(text, BEGIN, END, render_table)


def main() -> None:
    """Rewrite every README that has a block."""
    for path in READMES:
        _rewrite_file(path)


def _rewrite_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(rewrite(text), encoding="utf-8")


if __name__ == "__main__":
    main()
