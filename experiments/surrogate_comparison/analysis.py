"""The analysis: ranks, leads, the table and the figures, from stored rows and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.rows import origin_of
from experiments.surrogate_comparison.contestants import BEST, PEERS
from experiments.surrogate_comparison.peers.exact import ExactSettings
from experiments.surrogate_comparison.rows import Row
from experiments.surrogate_comparison.settings import GROUNDS
from sim.output import mean_interval

Reading = Callable[[Row], float]
"""Something of a row of which less is better."""


def crps(row: Row) -> float:
    """Less is better."""
    return row.crps


def disorder(row: Row) -> float:
    """Minus tau, so that less is better."""
    return -row.tau


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """All contestants on one scenario with one amount of data, on the seeds that all have."""

    scenario: str
    amount: int
    seeds: tuple[int, ...]
    rows: dict[str, tuple[Row, ...]]
    """By contestant, a row a seed."""

    def means(self, reading: Reading) -> dict[str, float]:
        """By contestant, over seeds; the best first."""
        found = {
            name: float(np.mean([reading(row) for row in rows])) for name, rows in self.rows.items()
        }
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @property
    def best_of_ours(self) -> tuple[str, ...]:
        """Those of `flow` and `gp` who take part."""
        return tuple(name for name in BEST if name in self.rows)

    def champion(self, reading: Reading) -> str:
        """The better of `flow` and `gp`."""
        means = self.means(reading)
        return min(self.best_of_ours, key=lambda name: means[name])

    def rival(self, reading: Reading) -> str | None:
        """The best of all others."""
        others = [name for name in self.means(reading) if name not in BEST]
        return others[0] if others else None

    def rank(self, reading: Reading, seeds: Sequence[int] | None = None) -> int:
        """1 and how many others are better than the champion, over the seeds."""
        chosen = [self.seeds.index(seed) for seed in seeds or self.seeds]
        found = {
            name: np.mean([reading(rows[i]) for i in chosen]) for name, rows in self.rows.items()
        }
        ours = found[self.champion(reading)]
        return 1 + sum(bool(v < ours) for name, v in found.items() if name not in BEST)

    def ties(self, reading: Reading) -> tuple[str, ...]:
        """The others who come to the very value of the champion."""
        means = self.means(reading)
        mine = means[self.champion(reading)]
        return tuple(name for name, v in means.items() if name not in BEST and v == mine)

    def lead(self, reading: Reading) -> tuple[float, float, float] | None:
        """Champion less rival, seed by seed: mean and 95% Student interval; None for one seed."""
        rival = self.rival(reading)
        if rival is None or len(self.seeds) < 2:
            return None
        pairs = zip(self.rows[self.champion(reading)], self.rows[rival], strict=True)
        found = mean_interval(np.array([reading(ours) - reading(theirs) for ours, theirs in pairs]))
        return found.value, found.low, found.high


def fields(rows: Sequence[Row]) -> tuple[Field, ...]:
    """Every scenario with every amount of data of which one seed or more is complete."""
    found = []
    amounts = sorted({row.rows for row in rows})
    for scenario in GROUNDS:
        for amount in amounts:
            here = [row for row in rows if row.scenario == scenario and row.rows == amount]
            if field := _field(scenario, amount, here):
                found.append(field)
    return tuple(found)


def _field(scenario: str, amount: int, rows: Sequence[Row]) -> Field | None:
    by_name: dict[str, dict[int, Row]] = {}
    for row in rows:
        by_name.setdefault(row.contestant, {})[row.seed] = row
    if not set(BEST) & set(by_name):
        return None
    seeds = sorted(set.intersection(*(set(found) for found in by_name.values())))
    if not seeds:
        return None
    return Field(
        scenario=scenario,
        amount=amount,
        seeds=tuple(seeds),
        rows={name: tuple(found[seed] for seed in seeds) for name, found in by_name.items()},
    )


def largest(found: Sequence[Field]) -> tuple[Field, ...]:
    """Of each scenario the field with the most seeds, and among those the most data."""
    best: dict[str, Field] = {}
    for field in found:
        kept = best.get(field.scenario)
        if kept is None or (len(field.seeds), field.amount) >= (len(kept.seeds), kept.amount):
            best[field.scenario] = field
    return tuple(best.values())


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures, with the origin of the newest row."""
    last = max(rows, key=lambda row: row.date)
    figures = [figure for field in largest(fields(rows)) for figure in _figures(field)]
    return {
        "commit": last.commit,
        "date": last.date,
        "machine": last.machine,
        "figures": figures,
    }


def _figures(field: Field) -> list[dict[str, Any]]:
    return [
        _rank(field, "crps", crps),
        _rank(field, "tau", disorder),
        _coverage(field),
        *_leads(field),
    ]


def _rank(field: Field, what: str, reading: Reading) -> dict[str, Any]:
    single = [field.rank(reading, [seed]) for seed in field.seeds]
    ties = field.ties(reading)
    shared = f", beside {', '.join(ties)}" if ties else ""
    return {
        "name": f"{field.scenario}_{what}_rank",
        "value": field.rank(reading),
        "low": min(single),
        "high": max(single),
        "n": len(field.seeds),
        "unit": f"place of {field.champion(reading)} among {len(field.rows)}{shared}",
        "goal": "1",
    }


def _coverage(field: Field) -> dict[str, Any]:
    covered = [row.coverage_95 for row in field.rows[field.champion(crps)]]
    return {
        "name": f"{field.scenario}_coverage_95",
        "value": round(float(np.mean(covered)), 5),
        "low": round(min(covered), 5),
        "high": round(max(covered), 5),
        "n": len(covered),
        "unit": f"share, {field.champion(crps)}",
        "goal": "0.93-0.97",
    }


def _leads(field: Field) -> list[dict[str, Any]]:
    found = []
    for what, reading in (("crps", crps), ("tau", disorder)):
        if lead := field.lead(reading):
            found.append(
                {
                    "name": f"{field.scenario}_{what}_behind_best_other",
                    "value": round(lead[0], 6),
                    "low": round(lead[1], 6),
                    "high": round(lead[2], 6),
                    "n": len(field.seeds),
                    "unit": f"{field.champion(reading)} less {field.rival(reading)}, paired by "
                    f"seed; {'CRPS' if what == 'crps' else 'minus tau'}",
                    "goal": "high < 0",
                }
            )
    return found


def _peer_names() -> str:
    def told(name: str) -> str:
        settings = PEERS[name].settings
        few = isinstance(settings, ExactSettings)
        return f"`{name}` (from {settings.rows} of them)" if few else f"`{name}`"

    return ", ".join(told(name) for name in PEERS)


_HEAD = """# Our surrogates against what a user would otherwise pick

Made by `python -m experiments.surrogate_comparison` from `rows.jsonl`. Everybody learns from the
same transitions; means are over seeds, with the least and the greatest in brackets. CRPS is
standardised (less is better), 95% coverage should be 95%, tau compares the order of policies with
the simulator's, and fit and sampling are in processor seconds of one core. Peers: {peers}. Exact
processes cannot afford all transitions; with more rows they would come nearer.

"""


def render(rows: Sequence[Row]) -> str:
    """The tables as a Markdown page."""
    parts = [_HEAD.format(peers=_peer_names()), "![CRPS, tau and coverage](comparison.svg)", ""]
    for field in fields(rows):
        parts += _table(field)
    parts.append(f"Measured at {origin_of(rows)}.")
    return "\n".join(parts) + "\n"


def _table(field: Field) -> list[str]:
    attainable = np.mean([rows[0].attainable for rows in field.rows.values()])
    seeds = ", ".join(map(str, field.seeds))
    head = [
        f"## {field.scenario}, {field.amount:,} transitions, seeds {seeds}",
        "",
        f"With as many other episodes of its own the simulator's tau is {attainable:.3f}.",
        "",
        "| | CRPS | 95% coverage | tau | fit, CPU s | samples/s |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines = []
    for name in field.means(crps):
        rows = field.rows[name]
        label = f"**{name}**" if rows[0].is_ours else name
        cells = (
            _spread([row.crps for row in rows], ".4f"),
            _spread([row.coverage_95 for row in rows], ".1%"),
            _spread([row.tau for row in rows], ".3f"),
            _spread([row.fit_cpu_seconds for row in rows], ",.1f"),
            _spread([row.samples_per_second for row in rows], ",.0f"),
        )
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return [*head, *lines, "", *_verdicts(field), ""]


def _spread(values: Sequence[float], form: str) -> str:
    mean = format(float(np.mean(values)), form)
    if len(values) == 1:
        return mean
    return f"{mean} [{format(min(values), form)}, {format(max(values), form)}]"


def _verdicts(field: Field) -> list[str]:
    told = []
    for what, reading in (("CRPS", crps), ("tau", disorder)):
        lead = field.lead(reading)
        line = (
            f"{what}: `{field.champion(reading)}` comes {_ordinal(field.rank(reading))}"
            f" of {len(field.rows)} (`flow` and `gp` are not counted against each other)"
        )
        if lead is not None:
            sure = "surely better" if lead[2] < 0 else "not surely better"
            line += (
                f"; {lead[0]:+.4f} [{lead[1]:+.4f}, {lead[2]:+.4f}] against "
                f"`{field.rival(reading)}`, less is better: {sure}"
            )
        elif rival := field.rival(reading):
            ours, theirs = (field.means(reading)[n] for n in (field.champion(reading), rival))
            line += (
                f"; {ours - theirs:+.4f} against `{rival}`, less is better, on one seed: "
                "nothing is said of chance"
            )
        told.append(f"- {line}.")
    return told


def _ordinal(place: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(place, f"{place}th")
