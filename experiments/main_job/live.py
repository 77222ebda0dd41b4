"""Stage 7: replay live episodes, watch, and re-train when the dynamics change.

Everything that decides here looks at telemetry alone: the true parameters of a day are used by the
simulator that plays the real system and by nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from experiments.main_job.replay import LiveDay, Turn, live_days, run_live
from experiments.main_job.response import Watch, begin_watch, respond
from sim.streams import stream
from training.controllers import PolicyController
from training.drift import Verdict
from training.evaluation import Day, relative_difference
from training.likelihood import hidden_parameters
from training.rllib.session import RayExecutor

_SMALLEST_PHASE = 5
"""Fewer days than this get no interval."""


def live(context: Context, folder: Path) -> dict[str, Any]:
    """Run every day watched and never re-trained, and say what watching was worth."""
    replay = live_days(context)
    if replay is None:
        return context.reporter.skip(
            f"Nothing changes in scenario {context.scenario.name!r}, so there is no live replay: "
            "give it [drift] to see one."
        )
    if not hidden_parameters(context.description):
        return context.reporter.skip(
            f"Scenario {context.scenario.name!r} changes, but has no parameters by which a change "
            "could be noticed: declare some with their boxes."
        )
    days = replay.days
    watch = begin_watch(context, folder)
    target = watch.detector.settings.run_length
    never = _run(context, watch.champion, days)
    kept, rows = list(never), list[dict[str, Any]]()
    while len(rows) < len(days):
        verdict = _watch_until_alarm(context, watch, days, kept, rows)
        if verdict is None or len(rows) == len(days):
            break
        seen, today = kept[: len(rows)], days[len(rows) - 1].label
        if respond(context, watch, seen, today, verdict):
            kept[len(rows) :] = _run(context, watch.champion, days[len(rows) :])
    for row, day in zip(rows, never, strict=True):
        row["cost_never"] = day.cost
    context.save_policy(
        folder / "champion", watch.incumbent.policy, {"champion": watch.champion.name}
    )
    summary = {
        "days": rows,
        "episode": context.episode,
        "unit": context.scenario.costs.unit,
        "by_date": replay.by_date,
        "watched": list(watch.detector.likelihood.names),
        "alarms": watch.alarms,
        "retrainings": watch.retrainings,
        "run_length_target": target,
        **_change(days, replay.turn, watch.alarms),
    }
    summary["phases"] = _phases(context, summary)
    summary["after_change"] = _after_change(context, summary)
    summary["outcome"] = _outcome(summary)
    _tell(context, summary)
    return summary


def _run(context: Context, controller: PolicyController, days: list[LiveDay]) -> list[Day]:
    with RayExecutor() as executor:
        return run_live(days, controller, context.objective, executor)


def _watch_until_alarm(
    context: Context,
    watch: Watch,
    days: list[LiveDay],
    kept: list[Day],
    rows: list[dict[str, Any]],
) -> Verdict | None:
    """Observe evening after evening; the verdict of the first alarm, or None at the end."""
    with context.reporter.task(f"live {context.episode}s", len(days)) as advance:
        for day, result in list(zip(days, kept, strict=True))[len(rows) :]:
            watch.state, verdict = watch.detector.observe(watch.state, result.telemetry)
            rows.append(_row(day, result, watch, verdict))
            advance(len(rows), f"{day.label}, {watch.champion.name}")
            if verdict.alarm:
                return verdict
    return None


def _row(day: LiveDay, result: Day, watch: Watch, verdict: Verdict) -> dict[str, Any]:
    evidence = np.maximum(verdict.up, verdict.down) / verdict.threshold
    return {
        "date": day.label,
        "customers": day.customers,
        "cost": result.cost,
        "champion": watch.champion.name,
        "alarm": verdict.alarm,
        "statistics": dict(zip(verdict.names, evidence.tolist(), strict=True)),
    }


def _change(days: list[LiveDay], turn: Turn | None, alarms: list[dict[str, Any]]) -> dict[str, Any]:
    """When the dynamics truly changed and how many evenings it took to say so, the first being 1.

    Only an alarm after which one of the parameters that changed was named counts; any, where it
    is the structure that changes.
    """
    if turn is None:
        return {"change_on": None, "change": {}, "alarm_delay_days": None}
    labels = [day.label for day in days]
    evenings = [
        labels.index(alarm["date"])
        for alarm in alarms
        if not turn.parameters or set(alarm["changed"]) & set(turn.parameters)
    ]
    delays = [evening - turn.position + 1 for evening in evenings if evening >= turn.position]
    return {
        "change_on": labels[turn.position],
        "change": turn.parameters,
        "alarm_delay_days": delays[0] if delays else None,
    }


def _phases(context: Context, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Before the change, until the next promotion, and after it."""
    rows, turn = summary["days"], summary["change_on"]
    labels = [row["date"] for row in rows]
    changed = labels.index(turn) if turn else len(rows)
    promoted = [labels.index(r["date"]) for r in summary["retrainings"] if r["promoted"] and turn]
    after = next((position + 1 for position in promoted if position >= changed), len(rows))
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
    labels = [row["date"] for row in summary["days"]]
    rows = summary["days"][labels.index(summary["change_on"]) :]
    kept = np.array([row["cost"] for row in rows])
    never = np.array([row["cost_never"] for row in rows])
    if len(rows) < _SMALLEST_PHASE:
        return None
    random = stream(context.settings.seed, "live", "after change")
    e = relative_difference(kept, never, random)
    return {"value": e.value, "low": e.low, "high": e.high, "n": e.count}


def _outcome(summary: dict[str, Any]) -> str:
    promoted = sum(r["promoted"] for r in summary["retrainings"])
    if promoted:
        return f"{promoted} of {len(summary['retrainings'])} re-trainings led to a promotion."
    if summary["retrainings"]:
        return (
            "Nobody was promoted: at the re-estimated parameters no challenger that came to the "
            "gate was surely cheaper than the policy in charge."
        )
    return "Nobody was re-trained."


def _phase(name: str, rows: list[dict[str, Any]], random: np.random.Generator) -> dict[str, Any]:
    kept = np.array([row["cost"] for row in rows])
    never = np.array([row["cost_never"] for row in rows])
    difference = None
    if len(rows) >= _SMALLEST_PHASE and np.any(kept != never):
        e = relative_difference(kept, never, random)
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
            f"{phase['name']} ({phase['days']} {context.episode}s): {phase['kept']:,.5g} "
            f"each, never re-trained {phase['never']:,.5g}{interval}"
        )
    if summary["change_on"] and summary["alarm_delay_days"] is None:
        context.reporter.say("the change was NOT noticed")
    context.reporter.say(summary["outcome"])
