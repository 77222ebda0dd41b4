"""`surrogym scenarios`: what is bundled or installed, and one scenario explained."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sim.scenario import Scenario

ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A bundled scenario, the path of a TOML file, either followed by :variant, or your "
        "own simulator as module:Class or by the name it is installed under.",
    ),
]


def scenarios(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[SCENARIO]", help="Explain this one; none: list them all."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """List the bundled scenarios, or explain one: states, outputs, levers, parameters, costs."""
    if name is None:
        _list(as_json)
        return
    from sim.explanation import explain
    from sim.recipes import whole_recipe
    from sim.scenario import load_scenario

    scenario = load_scenario(name)
    told = explain(scenario, whole_recipe(scenario)().describe())
    print(json.dumps(told, indent=2) if as_json else "\n".join(_lines(told)))


def _list(as_json: bool) -> None:
    from sim.contract.check import plural
    from sim.plugins import installed_simulators
    from sim.scenario import bundled_scenarios, load_scenario

    found = {name: _summed_up(load_scenario(name)) for name in bundled_scenarios()}
    installed = installed_simulators()
    if as_json:
        print(json.dumps({"bundled": found, "installed": installed}, indent=2))
        return
    for name, about in found.items():
        classes = "classes" if about["classes"] != 1 else "class"
        counts = f"{about['classes']} {classes}, {plural(about['levers'], 'lever')}"
        print(f"{name}: {counts}{_variants(about)}")
        print(f"  {about['first_sentence']}")
    for name in installed:
        print(f"{name}: installed by a package")
    print("\nsurrogym scenarios NAME explains one; surrogym validate NAME checks it.")


def _summed_up(scenario: Scenario) -> dict[str, Any]:
    assert scenario.template is not None
    return {
        "first_sentence": " ".join(scenario.summary.split()).split(". ")[0].rstrip(".") + ".",
        "classes": len(scenario.template.classes),
        "levers": len(scenario.template.levers),
        "variants": scenario.variants,
    }


def _variants(about: dict[str, Any]) -> str:
    names = about["variants"]
    return f"; variants {', '.join(names)}" if names else ""


def _lines(told: dict[str, Any]) -> Iterable[str]:
    from textwrap import wrap

    yield from (told["name"], *wrap(told["summary"], 88))
    if told["variants"]:
        yield f"Variants: {', '.join(told['variants'])}, as in {told['name']}:{told['variants'][0]}"
    yield f"\nAn episode has {told['epochs']:,} decision epochs{_how_long(told['minutes'])}."
    units = told["costs"]["unit"]
    sections = {
        "States, at the end of an epoch": [(s["name"], s["unit"]) for s in told["states"]],
        "Outputs, over an epoch": [(o["name"], o["unit"]) for o in told["outputs"]],
        "Levers": [(x["name"], _levels(x)) for x in told["levers"]],
        "Parameters": [(p["name"], _box(p)) for p in told["parameters"]],
        f"Costs, in {units} for each": [
            (name, f"{cost:g}") for name, cost in told["costs"]["outputs"].items()
        ],
        f"Costs at close, in {units} for each left": [
            (name, f"{cost:g}") for name, cost in told["costs"]["at_close"].items()
        ],
        "Drift from episode to episode": list(told["drift"].items()),
    }
    for title, rows in sections.items():
        yield from _section(title, rows)


def _how_long(minutes: list[float] | None) -> str:
    if minutes is None:
        return ", each until the next event"
    shortest, longest = minutes[0], minutes[-1]
    return f" of {shortest:g} minutes" + (
        "" if shortest == longest else f", the longest {longest:g}"
    )


def _section(title: str, rows: list[tuple[str, str]]) -> Iterable[str]:
    if rows:
        width = max(len(name) for name, _ in rows)
        yield f"\n{title}"
        yield from (f"  {name:{width}}  {value}" for name, value in rows)


def _levels(lever: dict[str, Any]) -> str:
    if lever["positions"]:
        return "; ".join(f"{level:g} {lever['positions'][int(level)]}" for level in lever["levels"])
    meanings = {
        "share": "share of the pool moved",
        "servers": "servers ordered",
        "order": "position of an order of priority",
        "route": "position of the class to send to",
        "admission": "share of arrivals let in",
        "value": "value",
    }
    return f"{', '.join(f'{x:g}' for x in lever['levels'])} ({meanings[lever['decides']]})"


def _box(p: dict[str, Any]) -> str:
    return f"{p['low']:g} to {p['high']:g}, nominal {p['nominal']:g} ({p['unit']})"
