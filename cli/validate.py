"""`surrogym validate`: every check that applies to one scenario or simulator."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from cli.scenarios import ScenarioArgument

if TYPE_CHECKING:
    from sim.contract import Check

_BROKEN = 2
_WORDS = {"passed": "holds", "noted": "note", "skipped": "-", "failed": "FAILS"}


def validate(
    scenario: ScenarioArgument,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 2, help="Of the episodes run.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check a scenario, or a simulator of your own, and say what is wrong with it.

    Exit code 0 when nothing is, 2 otherwise.
    """
    from sim.checks import check_scenario
    from sim.scenario import load_scenario

    checks = check_scenario(load_scenario(scenario), seed=seed)
    if as_json:
        print(json.dumps(_rows(scenario, seed, checks), indent=2))
    else:
        _print(scenario, checks)
    if not all(check.passed for check in checks):
        sys.exit(_BROKEN)


def _rows(scenario: str, seed: int, checks: tuple[Check, ...]) -> dict[str, object]:
    return {
        "scenario": scenario,
        "seed": seed,
        "passed": all(check.passed for check in checks),
        "checks": [
            {
                "name": check.name,
                "claim": check.claim,
                "outcome": check.outcome,
                "detail": check.detail,
            }
            for check in checks
        ],
    }


def _print(scenario: str, checks: tuple[Check, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("check", "result", "what was looked at, and seen"):
        table.add_column(column, no_wrap=column != "what was looked at, and seen")
    for check in checks:
        style = {"failed": "bold red", "noted": "yellow", "skipped": "dim"}.get(check.outcome, "")
        text = f"{check.claim}\n{check.detail}" if check.detail else check.claim
        table.add_row(check.name.replace("_", " "), Text(_WORDS[check.outcome], style), Text(text))
    console = Console(soft_wrap=False, highlight=False)
    console.print(table)
    console.print(f"\n{scenario}: {_summary(checks)}")


def _summary(checks: tuple[Check, ...]) -> str:
    count = Counter(check.outcome for check in checks)
    said = [f"{count['failed']} of {len(checks)} checks fail" if count["failed"] else "sound"]
    said += [f"{count['passed']} hold"]
    said += [f"{count['noted']} to look at"] if count["noted"] else []
    said += [f"{count['skipped']} not looked at"] if count["skipped"] else []
    return ", ".join(said)
