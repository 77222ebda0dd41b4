"""Which systems may be asked for by name, and what they say of themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import structlog
from anyio.to_thread import run_sync

from service.isolation import Worker, WorkLost
from service.problems import Problem
from service.scenarios.describing import described, read
from sim.description import Description
from sim.errors import InvalidSystem, SurrogymError, suggestion
from sim.plugins import installed_simulators
from sim.scenario import bundled_scenarios, runs_own_code, summary_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(:[A-Za-z0-9._-]{1,64})?")


_SECONDS = 120.0
"""In which a plug-in has to describe itself, the start of its process included."""
_FAILS = "it does not describe itself: the service's log has why, under the request's id"
_log = structlog.get_logger("surrogym.scenarios")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A system that was built once."""

    explanation: dict[str, Any]
    """As JSON takes it."""
    description: Description


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
    _plugins: Lock = field(default_factory=Lock)
    """Apart, so that nobody waits for a plug-in who asks for another system."""
    _process: Worker = field(default_factory=Worker)
    """In which plug-ins are described."""

    async def start(self) -> None:
        """Nothing to take up."""

    async def stop(self, seconds: float) -> None:
        """End the process of plug-ins."""
        await run_sync(self._process.end)

    def missing(self) -> list[str]:
        """Always ready."""
        return []

    def names(self) -> list[str]:
        """Every name without variants, in order."""
        return sorted({*bundled_scenarios(), *installed_simulators(), *self._files()})

    def find(self, name: str) -> Known:
        """The system of that name, `name:variant` for a variant; learnt and built the first time.

        Raises InvalidSystem, with near names, for any other, and Problem for a plug-in that does
        not describe itself.
        """
        if name not in self._known:
            reference = self.reference(name)
            is_plugin = runs_own_code(reference)
            with self._plugins if is_plugin else self._lock:
                if name not in self._known:
                    tell = self._elsewhere if is_plugin else described
                    explanation, description = tell(reference)
                    known = Known(explanation=explanation, description=description)
                    self._known[name] = known
        return self._known[name]

    def summary(self, name: str) -> str:
        """What a system is, in its file's words; no code of its own is run, nothing is learnt."""
        return summary_of(self.reference(name)) or f"{name}, a simulator of the operator's own"

    def _elsewhere(self, reference: str) -> tuple[dict[str, Any], Description]:
        try:
            told = self._process.run(_SECONDS, "describe", reference)
        except WorkLost as error:
            _log.error("plug-in not described", reference=reference, reason=str(error))
            raise Problem("simulator_crashed", _FAILS) from error
        if "refusal" in told:
            _log.error("plug-in not described", reference=reference, reason=told["refusal"])
            raise Problem("simulator_error", _FAILS)
        try:
            return read(told)
        except (msgspec.MsgspecError, SurrogymError) as error:
            _log.error("plug-in not described", reference=reference, reason=str(error))
            raise Problem("simulator_error", _FAILS) from error

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
