"""What the true simulator says, fixed before any arm runs: policies, their costs, held-out epochs.

The policies to be ranked are a few good ones (the best that a search on the true simulator finds),
constants and random linear rules. Held-out epochs are those that these policies meet: half from
the good ones, half from the varied ones; half at nominal parameters, half spread over the box. A
second set is the baseline's own: a Latin hypercube under random decisions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.where_to_simulate.place import Place
from experiments.where_to_simulate.rules import find_rules
from experiments.where_to_simulate.settings import Setting
from sim.description import Description
from sim.simulator import Simulator
from sim.streams import stream
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions, concatenate, read_transitions, write_transitions
from surrogates.design import RoughView, latin_hypercube, plan_latin_hypercube, within_box
from training.evaluation import Day, evaluation_seeds, run_day
from training.heuristics import ConstantRule, Controller, LinearRule

_ROOT = 1999
"""Seed of everything in a reference; no arm's seed is near it."""
_GOOD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The yardstick of a setting."""

    controllers: tuple[Controller, ...]
    costs: Float[np.ndarray, "controller"]
    """True mean cost of an episode, at nominal parameters, on the same seeds for all."""
    held_out: Transitions
    """Epochs that good and varied policies meet."""
    usual: Transitions
    """Epochs of a Latin hypercube under random decisions."""


def reference_of(setting: Setting, place: Place, folder: Path) -> Reference:
    """Read from a folder of its own, or measured and kept there first."""
    kept = folder / f"{setting.scenario}-{setting.digest}"
    if not (kept / "policies.json").exists():
        _keep(_measure(setting, place), place, kept)
    values = json.loads((kept / "policies.json").read_text(encoding="utf-8"))
    return Reference(
        controllers=tuple(_from_record(each, place.description) for each in values["rules"]),
        costs=np.array(values["costs"]),
        held_out=read_transitions(kept / "held_out.parquet", place.description)[0],
        usual=read_transitions(kept / "usual.parquet", place.description)[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    controllers: list[Controller]
    costs: list[float]
    held_out: Transitions
    usual: Transitions


def _measure(setting: Setting, place: Place) -> _Measured:
    simulator, objective = place.build(), place.objective
    controllers = [
        *_good_rules(setting, place, simulator),
        *_varied_rules(setting, place),
    ]
    seeds = evaluation_seeds(_ROOT, setting.true_days, "ranking")
    nominal = [[run_day(simulator, c, objective, seed, {}) for seed in seeds] for c in controllers]
    rows = [
        *_telemetry(controllers, nominal, setting),
        *_over_the_box(setting, place, simulator, controllers),
    ]
    plans = plan_latin_hypercube(place.description, 32, _ROOT)
    return _Measured(
        controllers=controllers,
        costs=[float(np.mean([day.cost for day in days])) for days in nominal],
        held_out=_sampled(rows, setting.scored_rows, "held out"),
        usual=_sampled([run_episodes(place.build, plans)], setting.scored_rows, "usual"),
    )


def _good_rules(setting: Setting, place: Place, simulator: Simulator) -> list[Controller]:
    """The best rules that a search on the true simulator finds."""
    seeds = evaluation_seeds(_ROOT, setting.screened_days, "screening")

    def judge(controllers: Sequence[Controller]) -> Iterator[float]:
        for controller in controllers:
            days = [run_day(simulator, controller, place.objective, seed, {}) for seed in seeds]
            yield float(np.mean([day.cost for day in days]))

    rounds, candidates = setting.searched
    found = find_rules(place.description, judge, rounds=rounds, candidates=candidates, seed=_ROOT)
    return [rule for _, rule in found[:_GOOD]]


def _varied_rules(setting: Setting, place: Place) -> list[Controller]:
    """Constants over the range of joint choices, then random linear rules."""
    description, (constants, linear) = place.description, setting.varied
    choices = np.linspace(0, len(description.decisions) - 1, constants).round().astype(int)
    random, view = stream(_ROOT, "linear rules"), RoughView(description)
    shape = (len(description.levers), len(view.names) + 1)
    sizes = tuple(len(lever.levels) for lever in description.levers)
    scale = 2.0 / len(view.names) ** 0.5
    return [
        *(ConstantRule(choice=int(choice)) for choice in choices),
        *(
            LinearRule(view=view, weights=random.normal(scale=scale, size=shape), sizes=sizes)
            for _ in range(linear)
        ),
    ]


def _to_record(rule: Controller) -> dict[str, Any]:
    """A rule as JSON."""
    if isinstance(rule, ConstantRule):
        return {"choice": rule.choice}
    assert isinstance(rule, LinearRule)
    return {"weights": rule.weights.tolist()}


def _from_record(record: dict[str, Any], description: Description) -> Controller:
    """The rule that was recorded."""
    if "choice" in record:
        return ConstantRule(choice=record["choice"])
    sizes = tuple(len(lever.levels) for lever in description.levers)
    view = RoughView(description)
    return LinearRule(view=view, weights=np.array(record["weights"]), sizes=sizes)


def _telemetry(
    controllers: Sequence[Controller], days: Sequence[Sequence[Day]], setting: Setting
) -> Iterator[Transitions]:
    """As many days of each controller as are held out."""
    for number, _ in enumerate(controllers):
        for day in days[number][: _share(number, setting)]:
            yield day.telemetry


def _share(number: int, setting: Setting) -> int:
    """Held-out days of a controller: the first few are the good ones."""
    of_good, of_varied = setting.held_out
    return of_good if number < _GOOD else of_varied


def _over_the_box(
    setting: Setting, place: Place, simulator: Simulator, controllers: Sequence[Controller]
) -> Iterator[Transitions]:
    d = place.description
    asked = [c for i, c in enumerate(controllers) for _ in range(_share(i, setting))]
    points = latin_hypercube(len(d.parameters), len(asked), stream(_ROOT, "box"))
    seeds = evaluation_seeds(_ROOT, len(asked), "box")
    for controller, point, seed in zip(asked, within_box(d, points), seeds, strict=True):
        values = d.parameter_values(point)
        yield run_day(simulator, controller, place.objective, seed, values, values).telemetry


def _sampled(parts: list[Transitions], rows: int, purpose: str) -> Transitions:
    whole = concatenate(parts)
    chosen = stream(_ROOT, purpose).permutation(len(whole))[:rows]
    return whole.take(np.sort(chosen))


def _keep(measured: _Measured, place: Place, folder: Path) -> None:
    """The policies last: while they are missing, the rest does not count."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("held_out", "usual"):
        rows = getattr(measured, name)
        write_transitions(folder / f"{name}.parquet", rows, place.description, {"seed": _ROOT})
    rules = [_to_record(rule) for rule in measured.controllers]
    text = json.dumps({"rules": rules, "costs": measured.costs})
    (folder / "policies.json").write_text(text + "\n", encoding="utf-8")
