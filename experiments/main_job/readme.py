"""The README's table, drawn from the stored rows of one run and from nothing else.

`python -m experiments.main_job.readme runs/ID` stores a run's rows and picture in `docs/main_job`
and rewrites the block of the README between its two markers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from experiments.blocks import with_block
from experiments.main_job.errors import InvalidRun
from experiments.main_job.plots import comparison, draw
from experiments.main_job.settings import MainJobSettings
from training.journal import write_json

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "docs" / "main_job"
BEGIN, END = "<!-- main job: begin -->", "<!-- main job: end -->"


def store(run: Path) -> None:
    """Keep what the README needs of a finished run."""
    evaluated = json.loads((run / "evaluate" / "summary.json").read_text())
    live = json.loads((run / "live" / "summary.json").read_text())
    settings = json.loads((run / "run.json").read_text())
    if settings["pretrain_seconds"] < MainJobSettings().pretrain_seconds:
        raise InvalidRun(f"{run} is a quick run: its figures mean little, store a whole one")
    STORED.mkdir(parents=True, exist_ok=True)
    results = json.loads((run / "results.json").read_text())
    rows = {key: evaluated[key] for key in ("table", "best_rule", "days", "verdict", "costs")}
    kept = ("phases", "alarms", "retrainings", "days", "change_on", "outcome")
    live_rows = {key: live[key] for key in kept}
    write_json(STORED / "results.json", results)
    write_json(STORED / "rows.json", {"settings": settings, "evaluate": rows, "live": live_rows})
    (STORED / "comparison.svg").write_bytes(draw(comparison, {"evaluate": evaluated}))


def block() -> str:
    """The README's block as Markdown."""
    rows = json.loads((STORED / "rows.json").read_text())
    results = json.loads((STORED / "results.json").read_text())
    evaluated, live = rows["evaluate"], rows["live"]
    paired = f"on the true simulator, {evaluated['days']} paired days"
    origin = f"seed {rows['settings']['seed']}, commit {results['commit']}, {results['date']}"
    lines = [
        "![Every controller against the best rule](docs/main_job/comparison.svg)",
        "",
        evaluated["verdict"],
        "",
        f"| {paired} | cost of a day, $ | against the best rule (95% interval) |",
        "| --- | ---: | ---: |",
        *(_row(row) for row in _with_one_interval(evaluated["table"], results["figures"])),
        "",
        "| live, real calls | days | watched, $ a day | never re-trained, $ a day | difference |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(_phase(phase) for phase in live["phases"]),
        "",
        live["outcome"],
        "",
        *_quiet(live),
        "",
        "| figure | value | goal |",
        "| --- | ---: | --- |",
        *(_figure(figure) for figure in results["figures"]),
        "",
        f"One run: {origin}, {results['machine']}. The rows are in `docs/main_job`.",
    ]
    return "\n".join(lines)


def _with_one_interval(
    table: list[dict[str, Any]], figures: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The table, the policy's own difference as the verdict has it: one bootstrap, not two."""
    told = next(figure for figure in figures if figure["name"] == "cost_vs_best_rule")
    return [{**table[0], "against_best_rule": told}, *table[1:]]


def _row(row: dict[str, Any]) -> str:
    return f"| {row['name']} | {row['cost']['value']:,.0f} | {_share(row['against_best_rule'])} |"


def _quiet(live: dict[str, Any]) -> list[str]:
    """How often the watch cried wolf before anything had changed."""
    alarms = [alarm for alarm in live["alarms"] if alarm["date"] < live["change_on"]]
    days = live["phases"][0]["days"]
    return [f"False alarms before the change: {len(alarms)} in {days} days."]


def _phase(phase: dict[str, Any]) -> str:
    difference = _share(phase["difference"]) if phase["difference"] else ""
    return (
        f"| {phase['name']} | {phase['days']} | {phase['kept']:,.0f} | {phase['never']:,.0f} | "
        f"{difference} |"
    )


def _share(e: dict[str, float]) -> str:
    return f"{e['value']:+.1%} [{e['low']:+.1%}, {e['high']:+.1%}]"


def _figure(figure: dict[str, Any]) -> str:
    interval = ""
    if figure["low"] is not None:
        interval = f" [{figure['low']:.3f}, {figure['high']:.3f}]"
    value = "none" if figure["value"] is None else f"{figure['value']:,.4g}{interval}"
    value = f"{value} {figure['unit']}"
    return f"| `{figure['name']}` | {value} | {figure['goal']} |"


def rewrite(text: str) -> str:
    """The README with its block replaced."""
    return with_block(text, BEGIN, END, block)


def main() -> None:
    """Store a run and rewrite the README."""
    store(Path(sys.argv[1]))
    readme = ROOT / "README.md"
    readme.write_text(rewrite(readme.read_text()))


if __name__ == "__main__":
    main()
