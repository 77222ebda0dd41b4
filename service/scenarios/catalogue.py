"""Which systems may be asked for by name, and what they say of themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from sim.description import Description
from sim.errors import InvalidSystem, suggestion
from sim.explanation import explain
from sim.plugins import installed_simulators
from sim.recipes import whole_recipe
from sim.scenario import Scenario, SimulatorRecipe, bundled_scenarios, load_scenario

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(:[A-Za-z0-9._-]{1,64})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A system that was built once."""

    scenario: Scenario
    recipe: SimulatorRecipe
    """Builds its simulator, its arrivals learnt where it has volumes."""
    description: Description

    @property
    def explanation(self) -> dict[str, Any]:
        """As JSON takes it."""
        return explain(self.scenario, self.description)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Bundled scenarios, simulators that packages installed, and files in the operator's folder.

    A name from outside is looked up among these and never taken for a path or a module: whoever may
    ask for a system may not run code of his own.
    """

    folder: Path
    """Of the operator's scenario files, `NAME.toml`."""
    _known: dict[str, Known] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def names(self) -> list[str]:
        """Every name without variants, in order."""
        return sorted({*bundled_scenarios(), *installed_simulators(), *self._files()})

    def find(self, name: str) -> Known:
        """The system of that name, `name:variant` for a variant; learnt and built the first time.

        Raises InvalidSystem, with near names, for any other.
        """
        with self._lock:
            if name not in self._known:
                self._known[name] = _built(load_scenario(self.reference(name)))
            return self._known[name]

    def reference(self, name: str) -> str:
        """What `sim.scenario.load_scenario` takes for a name; raises InvalidSystem as `find`."""
        base, colon, variant = name.partition(":")
        files = self._files()
        is_named = _NAME.fullmatch(name) is not None
        if is_named and base in files:
            return f"{files[base]}{colon}{variant}"
        if is_named and (base in bundled_scenarios() or name in installed_simulators()):
            return name
        shown = name[:64]
        raise InvalidSystem(f"no system {shown!r}{suggestion(shown, self.names())}")

    def _files(self) -> dict[str, Path]:
        found = sorted(self.folder.glob("*.toml")) if self.folder.is_dir() else []
        return {path.stem: path for path in found if _NAME.fullmatch(path.stem)}


def _built(scenario: Scenario) -> Known:
    recipe = whole_recipe(scenario)
    return Known(scenario=scenario, recipe=recipe, description=recipe().describe())
