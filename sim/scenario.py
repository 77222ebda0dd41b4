"""Scenarios: named systems with their prose, costs and changes, read from TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from sim.arrivals import Arrivals
from sim.choices import faults_of
from sim.description import Description, SystemDescription
from sim.drift import Drift, Drifting, Restructured, differences
from sim.errors import InvalidSettings, InvalidSystem, SurrogymError, suggestion
from sim.plugins import build_simulator, find_simulator, has_module, installed_simulators
from sim.scenario_file import (
    Change,
    Costs,
    ScenarioFile,
    SimulatorFile,
    StructuralChange,
    VolumeSettings,
    check_file,
)
from sim.scenario_system import build_system
from sim.simulator import ServiceSystem, Simulator
from sim.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is simulated and what it costs: a system, or a simulator of the user's own."""

    name: str
    summary: str
    costs: Costs
    variants: tuple[str, ...] = ()
    """Names of the scenario's other versions, to be read as `name:variant`."""
    template: System | None = None
    """The system; where volumes are given its arrivals are a stand-in until they are learnt."""
    volumes: VolumeSettings | None = None
    change: Change | None = None
    simulator: str | None = None
    """A user's simulator, as `module:Class` or the name of an entry point."""
    options: dict[str, Any] = field(default_factory=dict)
    drift: dict[str, Drift] = field(default_factory=dict)
    """By parameter, how it moves from episode to episode."""
    structural_change: StructuralChange | None = None
    changed_template: System | None = None
    """The system after the structural change."""

    def system(self, arrivals: Arrivals | None = None) -> System:
        """The system, under the given arrivals where volumes leave them open."""
        if self.template is None:
            raise InvalidSystem(f"scenario {self.name!r} runs {self.simulator}: it has no system")
        return self._under(arrivals, self.template)

    def changed_system(self, arrivals: Arrivals | None = None) -> System:
        """The system after the structural change; the same as before where there is none."""
        if self.changed_template is None:
            return self.system(arrivals)
        return self._under(arrivals, self.changed_template)

    def _under(self, arrivals: Arrivals | None, template: System) -> System:
        if arrivals is not None:
            return template.with_arrivals(arrivals)
        if self.volumes is not None:
            raise InvalidSystem(
                f"scenario {self.name!r}: learn its arrivals from its volumes first"
            )
        return template


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorRecipe:
    """Builds a scenario's simulator in whatever process calls it."""

    scenario: Scenario
    arrivals: Arrivals | None = None
    """The arrivals learnt from the scenario's volumes, where it has any."""

    @property
    def system(self) -> System:
        """The system that the simulator runs."""
        return self.scenario.system(self.arrivals)

    def __call__(self) -> Simulator:
        """A fresh simulator of the system as it was described."""
        if self.scenario.simulator is not None:
            return build_simulator(self.scenario.simulator, self.scenario.options)
        return ServiceSystem(self.system)

    def drifting(self) -> Drifting:
        """A fresh simulator that changes from episode to episode as the scenario says."""
        simulator, change = self(), self.scenario.structural_change
        if change is not None:
            simulator = Restructured(
                before=simulator,
                after=ServiceSystem(self.scenario.changed_system(self.arrivals)),
                from_episode=change.from_episode,
            )
        return Drifting(simulator, self.scenario.drift)


def bundled_scenarios() -> tuple[str, ...]:
    """Names of the scenarios that come with the package."""
    folder = resources.files("sim") / "scenarios"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def load_scenario(name: str) -> Scenario:
    """Read a scenario.

    `name` is a bundled scenario, the path of a TOML file, either followed by `:variant`, or a
    user's simulator as `module:Class` or the name of an installed entry point. Raises
    InvalidSystem with every fault at once, near keys suggested; the file's variants are checked
    with it.
    """
    base, variant = _split(name)
    text = _read(base)
    if text is None:
        return _around(name)
    try:
        content = _parse(text)
        if variant not in (None, *content.variants) and _is_a_module_too(base):
            return _around(name)
        return _load(content, variant)
    except SurrogymError as error:
        faults = "\n".join(f"  {fault}" for fault in faults_of(error))
        raise InvalidSystem(f"{name}:\n{faults}") from error


def runs_own_code(name: str) -> bool:
    """Whether to read a scenario is to run a user's code; nothing of it is run to tell.

    Raises InvalidSystem where there is no such scenario, or its file is no TOML.
    """
    base, variant = _split(name)
    text = _read(base)
    if text is None:
        return True
    content = _parse(text)
    if variant not in (None, *content.variants):
        return _is_a_module_too(base)
    return any("simulator" in each for each in (content.base, *content.variants.values()))


def summary_of(name: str) -> str:
    """What a scenario's file says that it is, unchecked; empty where there is no file."""
    text = _read(_split(name)[0])
    return "" if text is None else " ".join(str(_parse(text).base.get("summary", "")).split())


def _split(name: str) -> tuple[str, str | None]:
    base, colon, variant = name.rpartition(":")
    if colon and (base in bundled_scenarios() or base.endswith(".toml")):
        return base, variant
    return name, None


def _is_a_module_too(base: str) -> bool:
    """Whether a user's module has the name of a scenario of ours."""
    return base in bundled_scenarios() and has_module(base)


def _read(name: str) -> str | None:
    """The text of a bundled scenario or a file; None when the name is of neither."""
    bundled = bundled_scenarios()
    if name in bundled:
        return (resources.files("sim") / "scenarios" / f"{name}.toml").read_text("utf-8")
    path = Path(name)
    if not path.is_file():
        if ":" in name or name in installed_simulators():
            return None
        known = (*bundled, *installed_simulators())
        raise InvalidSystem(
            f"no scenario {name!r}{suggestion(name, known)}; or give the path of a TOML file, or "
            "your own simulator as module:Class"
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSystem(f"{name}: cannot be read: {error}") from error


def _around(reference: str) -> Scenario:
    """A scenario around a simulator that brings its own costs."""
    kind = find_simulator(reference)
    costs = getattr(kind, "costs", None)
    if not isinstance(costs, dict):
        raise InvalidSystem(
            f"{reference}: what does an epoch cost? Give the class `costs`, a dictionary from "
            "output names to money per unit, or write a scenario file with [costs]"
        )
    scenario = Scenario(
        name=reference.rpartition(":")[2].lower(),
        summary=" ".join((kind.__doc__ or "").split()),
        costs=Costs(outputs=costs),
        simulator=reference,
    )
    _check_names(scenario, SimulatorRecipe(scenario=scenario)().describe())
    return scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """What a file says, before it is checked."""

    base: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]]

    def varied(self, variant: str) -> _Content:
        """The content with a variant's changes in place."""
        if variant not in self.variants:
            raise InvalidSystem(f"no variant {variant!r}{suggestion(variant, self.variants)}")
        changed = _merged(self.base, self.variants[variant])
        return replace(self, base={**changed, "name": f"{self.base.get('name', '')}:{variant}"})


def _parse(text: str) -> _Content:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSystem(f"not valid TOML: {error}") from error
    variants = content.pop("variants", {})
    if not isinstance(variants, dict) or not all(isinstance(v, dict) for v in variants.values()):
        raise InvalidSystem("variants: a table of tables, each with what it changes")
    return _Content(base=content, variants=variants)


_NAMES_A_KIND = ("process", "distribution", "shape")


def _merged(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The content with the changes in place; tables are merged, all else is replaced.

    A table that names another kind, such as another process of arrivals, is replaced too, for the
    figures of one kind mean nothing to another.
    """
    merged = dict(content)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not _is_other_kind(old, value):
            value = _merged(old, value)
        merged[key] = value
    return merged


def _is_other_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return any(old.get(name) != new[name] for name in _NAMES_A_KIND if name in new)


def _load(content: _Content, variant: str | None) -> Scenario:
    if variant is not None:
        return _build(content.varied(variant))
    scenario = _build(content)
    faults: list[str] = []
    for name in content.variants:
        try:
            _build(content.varied(name))
        except SurrogymError as error:
            faults += [f"variants.{name}: {fault}" for fault in faults_of(error)]
    if faults:
        raise InvalidSettings(*faults)
    return scenario


def _build(content: _Content) -> Scenario:
    parsed = check_file(dict(content.base))
    scenario = Scenario(
        name=parsed.name,
        summary=parsed.summary.strip(),
        costs=parsed.costs,
        variants=tuple(content.variants),
        drift=parsed.drift,
    )
    if isinstance(parsed, SimulatorFile):
        scenario = replace(scenario, simulator=parsed.simulator, options=parsed.options)
        _check_names(scenario, SimulatorRecipe(scenario=scenario)().describe())
        return scenario
    return _with_system(scenario, parsed, content)


def _with_system(scenario: Scenario, parsed: ScenarioFile, content: _Content) -> Scenario:
    template = build_system(parsed)
    scenario = replace(
        scenario,
        template=template,
        volumes=parsed.volumes,
        change=parsed.change,
        structural_change=parsed.structural_change,
    )
    _check_names(scenario, template.describe())
    if parsed.structural_change is None:
        return scenario
    return replace(scenario, changed_template=_changed(template, parsed.structural_change, content))


def _changed(template: System, change: StructuralChange, content: _Content) -> System:
    """The system after a structural change, of which the same names must be told."""
    parsed = check_file(dict(content.varied(change.variant).base))
    assert isinstance(parsed, ScenarioFile)
    changed = build_system(parsed)
    faults = differences(template.describe(), changed.describe())
    if faults:
        raise InvalidSettings(*(f"structural_change: {fault}" for fault in faults))
    return changed


def _check_names(scenario: Scenario, description: Description) -> None:
    """Refuse costs and changes of things the simulator does not have."""
    stocks: Iterable[str] = description.state_names
    if isinstance(description, SystemDescription):
        stocks = [stock.name for stock in description.stocks]
    parameters = [p.name for p in description.parameters]
    faults = [
        *_unknown("costs.outputs", scenario.costs.outputs, description.output_names),
        *_unknown("costs.at_close", scenario.costs.at_close, stocks),
        *_unknown("drift", scenario.drift, parameters),
    ]
    if scenario.change is not None:
        faults += _unknown("change.parameters", scenario.change.parameters, parameters)
    if scenario.structural_change is not None:
        chosen = scenario.structural_change.variant
        faults += _unknown("structural_change.variant", {chosen: None}, scenario.variants)
    if faults:
        raise InvalidSettings(*faults)


def _unknown(where: str, given: Iterable[str], known: Iterable[str]) -> list[str]:
    names = tuple(known)
    return [
        f"{where}.{name}: unknown{suggestion(name, names)}" for name in given if name not in names
    ]
