"""What the README says of the studies, from their figures and rows and from nothing else.

`python -m experiments.readme` rewrites the blocks of the README between their markers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.blocks import with_block
from experiments.racing.rows import Row
from experiments.rows import origin_of, read_rows
from experiments.surrogate_comparison.analysis import Field, fields, largest
from experiments.surrogate_comparison.settings import GROUNDS
from experiments.surrogate_comparison.study import stored
from experiments.time_to_policy.settings import THOROUGH
from experiments.time_to_policy.table import headline, races

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "experiments"
BEGIN, END = "<!-- studies: begin -->", "<!-- studies: end -->"
RACE_BEGIN, RACE_END = "<!-- time to policy: begin -->", "<!-- time to policy: end -->"
_PLACES = "Places among all families, BoTorch, SMT, scikit-learn and mbrl's ensemble"
_FEWER = (
    "Exact Gaussian processes are fitted to some of these: BoTorch to 300, SMT to 150, "
    "scikit-learn to 200. Not sure: the 95% interval of the paired difference to the best of the "
    "others holds 0."
)
Figures = dict[str, dict[str, Any]]


def figures(study: str) -> tuple[Figures, str]:
    """A study's figures by name, and where they come from."""
    told = json.loads((STUDIES / study / "summary.json").read_text(encoding="utf-8"))
    origin = f"commit {told['commit']}, {told['date']}, {told['machine']}"
    return {figure["name"]: figure for figure in told["figures"]}, origin


def block() -> str:
    """The block as Markdown."""
    return "\n".join([*_comparison(), "", *_where_to_simulate()])


def _comparison() -> list[str]:
    found, _ = figures("surrogate_comparison")
    return [
        "| learnt from the same transitions | CRPS | ranking of 24 policies | 95% covers |",
        "| --- | --- | --- | ---: |",
        *(
            f"| {name} | {place(found, name, 'crps')} | {place(found, name, 'tau')} | "
            f"{found[f'{name}_coverage_95']['value']:.1%} |"
            for name in GROUNDS
            if f"{name}_crps_rank" in found
        ),
        "",
        f"{_PLACES}, from {_amounts()} transitions; {_seeds(found)} ({_origin()}). {_FEWER}",
    ]


def _amounts() -> str:
    return " or ".join(f"{n:,}" for n in sorted({field.amount for field in _compared()}))


def _compared() -> tuple[Field, ...]:
    return largest(fields(stored(STUDIES / "surrogate_comparison" / "rows.jsonl")))


def _origin() -> str:
    """Every commit, day and machine of the rows in use."""
    rows = [row for field in _compared() for mine in field.rows.values() for row in mine]
    return f"commits {origin_of(rows)}"


def _seeds(found: Figures) -> str:
    fewest = min(figure["n"] for figure in found.values())
    if fewest == 1:
        return "one seed, which proves no lead"
    return f"means over {fewest} seeds or more"


def place(found: Figures, ground: str, what: str) -> str:
    """A place, and whether it is one that chance may have given."""
    figure, behind = found[f"{ground}_{what}_rank"], found.get(f"{ground}_{what}_behind_best_other")
    _, _, who = figure["unit"].partition("place of ")
    sure = behind is not None and (behind["high"] < 0 or behind["low"] > 0)
    return f"{figure['value']:g}. {who}" + ("" if sure else " (not sure)")


def _where_to_simulate() -> list[str]:
    found, origin = figures("where_to_simulate")
    head = "epochs that a Latin hypercube needs over those of a campaign"
    lines = [f"| {head} | at equal CRPS | at equal tau |", "| --- | ---: | ---: |"]
    for name, figure in found.items():
        scenario, saves, _ = name.partition("_epochs_saved")
        if saves and name.endswith("_epochs_saved"):
            tau = found[f"{name}_at_equal_tau"]
            lines.append(f"| {scenario} | {_ratio(figure)} | {_ratio(tau)} |")
    return [*lines, "", f"Above 1 a campaign saves; the goal was 2 ({origin})."]


def _ratio(figure: dict[str, Any]) -> str:
    return f"{figure['value']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}]"


def race_block() -> str:
    """How soon policies are good enough, as Markdown."""
    rows = read_rows(STUDIES / "time_to_policy" / "rows.jsonl", Row)
    mine = [row for _, its, _ in races(rows, THOROUGH) for row in its]
    (share,) = {setting.reaches for setting in THOROUGH}
    told = (
        "Good enough: greedily on the same true days, cheaper than the best rule and at "
        f"{share:.0%} of the best value known. Wall-clock on two cores, simulating and fitting "
        "included; medians over seeds, those that did not get there counted with what they were "
        f"given, and in brackets the first and the last that did ({origin_of(mine)})."
    )
    return "\n".join([*headline(rows, THOROUGH), "", told])


def rewrite(text: str) -> str:
    """The README with its blocks replaced."""
    return with_block(with_block(text, BEGIN, END, block), RACE_BEGIN, RACE_END, race_block)


def main() -> None:
    """Rewrite the README."""
    readme = ROOT / "README.md"
    readme.write_text(rewrite(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
