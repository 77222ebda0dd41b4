"""Simulators of the user's own, by `module:Class` or by the name of an installed entry point."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from sim.description import Description
from sim.errors import InvalidSystem, suggestion
from sim.simulator import Simulator

GROUP = "surrogym.simulators"
"""The group of entry points under which a package offers its simulators."""

BuildSimulator = Callable[..., Simulator]

_METHODS = ("describe", "reset", "advance")


def installed_simulators() -> tuple[str, ...]:
    """Names of the simulators that installed packages offer."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def find_simulator(reference: str) -> BuildSimulator:
    """The class or function that builds a user's simulator.

    `module:Class` is looked up among installed packages, then where Python is run. Raises
    InvalidSystem when there is none, or when what it names does not look like a simulator.
    """
    module_name, attribute = _place(reference)
    module = _module(module_name, reference)
    found = getattr(module, attribute, None)
    if not callable(found):
        raise InvalidSystem(
            f"{reference}: {module_name} has no class or function {attribute!r}"
            f"{_near(attribute, _offered(module))}"
        )
    if isinstance(found, type):
        _refuse_lacking(found, reference)
    build: BuildSimulator = found
    return build


def build_simulator(reference: str, options: Mapping[str, Any]) -> Simulator:
    """A fresh simulator of the user's own, built with the options.

    Raises InvalidSystem when it cannot be built, or does not describe itself.
    """
    build = find_simulator(reference)
    try:
        simulator = build(**options)
        _refuse_lacking(simulator, reference)
        description = simulator.describe()
    except InvalidSystem:
        raise
    except Exception as error:
        raise InvalidSystem(f"{reference} cannot be built: {told(error)}") from error
    if not isinstance(description, Description):
        raise InvalidSystem(
            f"{reference}: describe() gave {type(description).__name__}: give a sim.Description"
        )
    return simulator


def told(error: Exception) -> str:
    """What a user's code raised, in one line, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _place(reference: str) -> tuple[str, str]:
    for point in entry_points(group=GROUP):
        if point.name == reference:
            return _named_by(point)
    module_name, colon, attribute = reference.partition(":")
    if not colon or not module_name or not attribute:
        raise InvalidSystem(
            f"no simulator {reference!r}{_near(reference, installed_simulators())}; write "
            "module:Class"
        )
    return module_name, attribute


def _named_by(point: EntryPoint) -> tuple[str, str]:
    if not point.attr:
        raise InvalidSystem(f"entry point {point.name!r} is {point.value!r}: write module:Class")
    return point.module, point.attr


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder(MetaPathFinder):
    """Finds what lies in a folder, after all else: a `training.py` there hides none of ours.

    The end of `sys.path` is not enough: packages installed for development are found after it.
    """

    folder: str

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a top-level module is; those inside packages are found by their packages."""
        return PathFinder.find_spec(fullname, [self.folder], target) if path is None else None


def has_module(name: str) -> bool:
    """Whether a top-level module is installed or lies where Python is run."""
    _look_here_too()
    return find_spec(name) is not None


def _look_here_too() -> None:
    finder = _Folder(folder=str(Path.cwd()))
    if finder not in sys.meta_path:
        sys.meta_path.append(finder)


def _module(name: str, reference: str) -> ModuleType:
    _look_here_too()
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        way_out = (
            f"run from the folder that has {name.partition('.')[0]}, or install it"
            if error.name and name.startswith(error.name)
            else f"install {error.name}"
        )
        raise InvalidSystem(f"{reference}: no module {error.name!r}: {way_out}") from error
    except Exception as error:
        raise InvalidSystem(f"{reference}: cannot import {name!r}: {told(error)}") from error


def _near(name: str, known: Collection[str]) -> str:
    return suggestion(name, known) if known else ""


def _offered(module: ModuleType) -> list[str]:
    """What a module defines itself that looks like a simulator."""
    return [
        name
        for name, thing in vars(module).items()
        if isinstance(thing, type)
        and thing.__module__ == module.__name__
        and all(hasattr(thing, method) for method in _METHODS)
    ]


def _refuse_lacking(found: Any, reference: str) -> None:
    lacking = [method for method in _METHODS if not callable(getattr(found, method, None))]
    if lacking:
        raise InvalidSystem(
            f"{reference} lacks {', '.join(lacking)}: a simulator has describe, reset and advance"
        )
