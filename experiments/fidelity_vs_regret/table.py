"""The results as Markdown, from rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from experiments.fidelity_vs_regret.analysis import Foretold, data_sets, foretellings, regrets
from experiments.fidelity_vs_regret.rows import Row
from experiments.fidelity_vs_regret.settings import Setting
from experiments.rows import origin_of
from surrogates.fidelity.verdict import Use

_HEAD = (
    "| score | tau with regret (95%) | tau among families of one data set | "
    "regret of the family with the best score | surrogates |"
)


def render(rows: Sequence[Row], settings: Sequence[Setting]) -> str:
    """Every system that has rows."""
    parts = ["# Which score foretells regret?\n"]
    for setting in settings:
        mine = rows_of(rows, setting)
        if len(mine) > 1:
            parts += [f"## {setting.name}\n", _told(mine), _scores(mine), _verdicts(mine),
                      _families(mine), f"Measured at {origin_of(mine)}.\n"]  # fmt: skip
    if len(parts) == 1:
        parts.append("No rows yet.\n")
    return "\n".join(parts)


def rows_of(rows: Sequence[Row], setting: Setting) -> list[Row]:
    """The rows of the setting as it is now."""
    return [row for row in rows if (row.ground, row.digest) == (setting.name, setting.digest)]


def _told(rows: Sequence[Row]) -> str:
    regret = regrets(rows)
    sets = list(data_sets(rows))
    least, mean = (np.mean([f(regret[g]) for g in sets]) for f in (np.min, np.mean))
    return (
        f"{len(rows)} surrogates from {len(sets)} data sets. Regret is what the policy costs more "
        f"than the best of all ({min(row.cost for row in rows):,.0f} a day). Of the families that "
        f"saw one data set the best has {least:.1%} on average, one chosen blindly {mean:.1%}.\n"
    )


def _scores(rows: Sequence[Row]) -> str:
    lines = [
        _HEAD,
        "| --- | ---: | ---: | ---: | ---: |",
        *(_line(each) for each in foretellings(rows)),
        "",
    ]
    return "\n".join(lines)


def _line(found: Foretold) -> str:
    return (
        f"| {found.score} | {found.tau:.2f} [{found.low:.2f}, {found.high:.2f}] | "
        f"{found.within:.2f} | {found.chosen:.1%} | {found.surrogates} |"
    )


def _verdicts(rows: Sequence[Row]) -> str:
    regret = regrets(rows)
    lines = ["| verdict of the report | surrogates | median regret | largest |",
             "| --- | ---: | ---: | ---: |"]  # fmt: skip
    for use in get_args(Use):
        of = [each for each, row in zip(regret, rows, strict=True) if row.use == use]
        if of:
            lines.append(f"| {use} | {len(of)} | {np.median(of):.1%} | {max(of):.1%} |")
    return "\n".join([*lines, ""])


def _families(rows: Sequence[Row]) -> str:
    regret = regrets(rows)
    sizes = sorted({row.episodes for row in rows})
    lines = ["Mean regret by family and simulated days:\n",
             "| family | " + " | ".join(map(str, sizes)) + " |",
             "| --- |" + " ---: |" * len(sizes)]  # fmt: skip
    for family in dict.fromkeys(row.family for row in rows):
        cells = []
        for size in sizes:
            of = [each for each, row in zip(regret, rows, strict=True)
                  if (row.family, row.episodes) == (family, size)]  # fmt: skip
            cells.append(f"{np.mean(of):.1%}" if of else "")
        lines.append(f"| {family} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])
