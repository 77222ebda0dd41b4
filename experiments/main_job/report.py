"""Stage 8: one page for a manager, and the figures as JSON."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from experiments.main_job.context import Context, machine
from experiments.main_job.plots import PICTURES, draw
from sim.provenance import commit
from training.journal import write_json

_STAGES = ("learn", "simulate", "collect", "fit", "pretrain", "evaluate", "live")


def report(context: Context, folder: Path) -> dict[str, Any]:
    """Write `report.html` and `results.json` into the run, whole or not at all."""
    summaries = {stage: context.run.summary(stage) for stage in _STAGES}
    pictures = {}
    for name, (stage, picture) in PICTURES.items():
        if "skipped" in summaries[stage]:
            continue
        drawn = draw(picture, summaries)
        (folder / f"{name}.svg").write_bytes(drawn)
        pictures[name] = "data:image/svg+xml;base64," + base64.b64encode(drawn).decode()
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    page = _page(
        summaries=summaries,
        live=summaries["live"],
        fitted=summaries["fit"],
        episode=context.episode,
        unit="$" if context.scenario.costs.unit == "dollars" else context.scenario.costs.unit,
        pictures=pictures,
        artefacts=_artefacts(context.run.path),
        scenario=context.scenario,
        run=context.run.path.name,
        date=now,
        commit=commit(),
        machine=machine(),
        wins=summaries["evaluate"]["verdict"].startswith("The policy beats"),
    )
    partial = context.run.path / ".report.html.partial"
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(context.run.path / "report.html")
    finally:
        partial.unlink(missing_ok=True)
    results = {
        "commit": commit(), "date": now, "machine": machine(), "figures": figures(summaries),
    }  # fmt: skip
    write_json(context.run.path / "results.json", results)
    context.reporter.say(f"{context.run.path / 'report.html'}")
    return {"pictures": list(pictures)}


def _page(**values: Any) -> str:
    loader = PackageLoader("experiments.main_job", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters["money"] = lambda cost: (
        f"{cost:,.0f}" if abs(cost) >= 100 else f"{cost:.4g}"
    )
    return environment.get_template("report.html").render(**values)


def _artefacts(run: Path) -> list[str]:
    """What was saved for others, in the order of the stages."""
    kept = [path.parent for path in run.glob("*/*/manifest.json")]
    kept += run.glob("*/*.parquet")
    return sorted(
        (str(path.relative_to(run)) for path in kept),
        key=lambda path: (_STAGES.index(path.split("/")[0]), path),
    )


def figures(summaries: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The figures the project keeps, each with its goal."""
    seconds = sum(summary["stage_seconds"] for summary in summaries.values())
    peak = max(summary["peak_mib"] for summary in summaries.values())
    cost = summaries["evaluate"]["policy_against_best_rule"]
    standard = summaries["evaluate"]["policy_against_standard"]
    learnt, live = summaries["learn"], summaries["live"]
    found = [
        _figure("demo_seconds", seconds, "s", "<= 480"),
        _figure("demo_peak_mib", peak, "MiB", "<= 4096"),
        _figure("cost_vs_best_rule", cost["value"], "relative", "high < 0, aim -0.03", cost),
    ]
    if standard is not None:
        goal = "high < 0, aim -0.10"
        found.append(
            _figure("cost_vs_standard_rule", standard["value"], "relative", goal, standard)
        )
    if "skipped" not in learnt:
        ratio = learnt["fit_dispersion_ratio"]
        found.append(_figure("fit_dispersion_ratio", ratio, "ratio", "0.9-1.1"))
    return found if "skipped" in live else found + _live_figures(live)


def _live_figures(live: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    if live["after_change"] is not None:
        after = live["after_change"]
        name = "cost_after_change_vs_never_retraining"
        found.append(_figure(name, after["value"], "relative", "high < 0", after))
    if live["change_on"]:
        delay, unit = live["alarm_delay_days"], f"{live['episode']}s"
        found.append(_figure("alarm_delay_days", delay, unit, "<= 3"))
    return found


def _figure(
    name: str, value: float | None, unit: str, goal: str, estimate: dict[str, float] | None = None
) -> dict[str, Any]:
    interval = estimate or {}
    return {
        "name": name,
        "value": value,
        "low": interval.get("low"),
        "high": interval.get("high"),
        "n": interval.get("n", 1),
        "unit": unit,
        "goal": goal,
    }
