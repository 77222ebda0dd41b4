"""Stage 7: replay the later real days, watch, and re-train when the dynamics change.

Everything that decides here looks at telemetry alone: the true parameters of a day are used by the
simulator that plays the real centre and by nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from experiments.main_job.replay import RealDay, Replay, real_days
from experiments.main_job.response import Watch, begin_watch, respond
from sim.output import paired_ratio
from sim.streams import stream
from training.controllers import PolicyController
from training.drift import Verdict
from training.evaluation import Day
from training.rllib.session import RayExecutor

_SMALLEST_PHASE = 5
"""Fewer days than this get no interval."""


def live(context: Context, folder: Path) -> dict[str, Any]:
    """Run every day watched and never re-trained, and say what watching was worth."""
    days = real_days(context)
    watch = begin_watch(context)
    target = watch.detector.settings.run_length
    never = _run(context, watch.champion, days)
    kept, rows = list(never), list[dict[str, Any]]()
    while len(rows) < len(days):
        verdict = _watch_until_alarm(context, watch, days, kept, rows)
        if verdict is None or len(rows) == len(days):
            break
        seen, today = kept[: len(rows)], days[len(rows) - 1].date
        if respond(context, watch, seen, today, verdict):
            kept[len(rows) :] = _run(context, watch.champion, days[len(rows) :])
    for row, day in zip(rows, never, strict=True):
        row["cost_never"] = day.cost
    context.save_policy(folder / "champion", watch.policy, {"champion": watch.champion.name})
    summary = {
        "days": rows,
        "watched": list(watch.detector.likelihood.names),
        "alarms": watch.alarms,
        "retrainings": watch.retrainings,
        "run_length_target": target,
        **_change(context, days, watch.alarms),
    }
    summary["phases"] = _phases(context, summary)
    summary["after_change"] = _after_change(context, summary)
    summary["outcome"] = _outcome(summary)
    _tell(context, summary)
    return summary


def _run(context: Context, controller: PolicyController, days: list[RealDay]) -> list[Day]:
    with RayExecutor() as executor:
        return Replay.of(context, executor).run(controller, days)


def _watch_until_alarm(
    context: Context,
    watch: Watch,
    days: list[RealDay],
    kept: list[Day],
    rows: list[dict[str, Any]],
) -> Verdict | None:
    """Observe evening after evening; the verdict of the first alarm, or None at the end."""
    with context.reporter.task("real days", len(days)) as advance:
        for day, result in list(zip(days, kept, strict=True))[len(rows) :]:
            watch.state, verdict = watch.detector.observe(watch.state, result.telemetry)
            rows.append(_row(day, result, watch, verdict))
            advance(len(rows), f"{day.date}, {watch.champion.name}")
            if verdict.alarm:
                return verdict
    return None


def _row(day: RealDay, result: Day, watch: Watch, verdict: Verdict) -> dict[str, Any]:
    evidence = np.maximum(verdict.up, verdict.down) / verdict.threshold
    return {
        "date": day.date.isoformat(),
        "calls": int(day.counts.sum()),
        "cost": result.cost,
        "champion": watch.champion.name,
        "alarm": verdict.alarm,
        "statistics": dict(zip(verdict.names, evidence.tolist(), strict=True)),
    }


def _change(context: Context, days: list[RealDay], alarms: list[dict[str, Any]]) -> dict[str, Any]:
    """When the dynamics truly changed and how many evenings it took to say so, the first being 1.

    Only an alarm after which one of the parameters that changed was named counts.
    """
    change = context.scenario.change
    if change is None or change.on > days[-1].date:
        return {"change_on": None, "change": {}, "alarm_delay_days": None}
    later = [day.date.isoformat() for day in days if day.date >= change.on]
    named = [
        alarm["date"]
        for alarm in alarms
        if alarm["date"] >= later[0] and set(alarm["changed"]) & set(change.parameters)
    ]
    return {
        "change_on": later[0],
        "change": change.parameters,
        "alarm_delay_days": later.index(named[0]) + 1 if named else None,
    }


def _phases(context: Context, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Before the change, until the next promotion, and after it."""
    rows, turn = summary["days"], summary["change_on"]
    dates = [row["date"] for row in rows]
    changed = dates.index(turn) if turn else len(rows)
    promoted = [r["date"] for r in summary["retrainings"] if r["promoted"] and turn]
    after = next((dates.index(d) + 1 for d in promoted if d >= str(turn)), len(rows))
    parts = {
        "before the change": rows[:changed],
        "changed, nobody promoted": rows[changed:after],
        "changed, after promotion": rows[after:],
    }
    random = stream(context.settings.seed, "live", "intervals")
    return [_phase(name, part, random) for name, part in parts.items() if part]


def _after_change(context: Context, summary: dict[str, Any]) -> dict[str, float] | None:
    """Watched against never re-trained since the change; 0 when nobody was promoted."""
    if not summary["change_on"]:
        return None
    rows = [row for row in summary["days"] if row["date"] >= summary["change_on"]]
    kept = np.array([row["cost"] for row in rows])
    never = np.array([row["cost_never"] for row in rows])
    if len(rows) < _SMALLEST_PHASE:
        return None
    e = paired_ratio(kept, never, stream(context.settings.seed, "live", "after change"))
    return {"value": e.value, "low": e.low, "high": e.high, "n": e.count}


def _outcome(summary: dict[str, Any]) -> str:
    promoted = sum(r["promoted"] for r in summary["retrainings"])
    if promoted:
        return f"{promoted} of {len(summary['retrainings'])} re-trainings led to a promotion."
    if summary["retrainings"]:
        return (
            "Nobody was promoted: at the re-estimated parameters neither re-training nor "
            "fine-tuning was surely cheaper than the policy in charge."
        )
    return "Nobody was re-trained."


def _phase(name: str, rows: list[dict[str, Any]], random: np.random.Generator) -> dict[str, Any]:
    kept = np.array([row["cost"] for row in rows])
    never = np.array([row["cost_never"] for row in rows])
    difference = None
    if len(rows) >= _SMALLEST_PHASE and np.any(kept != never):
        e = paired_ratio(kept, never, random)
        difference = {"value": e.value, "low": e.low, "high": e.high, "n": e.count}
    return {
        "name": name,
        "days": len(rows),
        "kept": float(kept.mean()),
        "never": float(never.mean()),
        "difference": difference,
    }


def _tell(context: Context, summary: dict[str, Any]) -> None:
    for phase in summary["phases"]:
        d = phase["difference"]
        interval = f", {d['value']:+.1%} [{d['low']:+.1%}, {d['high']:+.1%}]" if d else ""
        context.reporter.say(
            f"{phase['name']} ({phase['days']} days): {phase['kept']:,.0f} a day, "
            f"never re-trained {phase['never']:,.0f}{interval}"
        )
    if summary["change_on"] and summary["alarm_delay_days"] is None:
        context.reporter.say("the change was NOT noticed")
    context.reporter.say(summary["outcome"])
