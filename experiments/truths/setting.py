"""A system under a control, and how long it has to be watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from hashlib import sha256
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float

from experiments.truths.errors import NothingQuick
from sim.description import SystemDescription
from sim.streams import stream
from sim.system import System

SEED = 1917
"""Erlang's year; every replication's seed derives from it."""

ENDLESS = 10**9
"""Epochs of a system whose epochs end with events: more than anybody will ask for."""

Depth = Literal["quick", "thorough"]

Decide = Callable[[Float[np.ndarray, "state"]], Float[np.ndarray, "lever"]]
"""The levels of all levers in a state."""


class Control(Protocol):
    """A way to decide, whatever the names in a description say about where things stand."""

    def begin(self, description: SystemDescription) -> Decide:
        """Be ready to decide in states of this description."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Always:
    """The same levels at all times; none where nothing can be decided."""

    levels: tuple[float, ...] = ()

    def begin(self, description: SystemDescription) -> Decide:
        """Be ready."""
        del description
        levels = np.array(self.levels, dtype=float)
        return lambda _: levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is simulated."""

    replications: int
    minutes: float
    """Measured in each replication, after the warm-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One system under one control: what several truths are measured on."""

    name: str
    build: Callable[[], System]
    """The system, with any boundaries where epochs end at looks, with events where decisions are
    taken or customers followed at every event."""
    control: Control = field(default_factory=Always)
    warm_up: float
    """Minutes from opening empty until measuring begins, long enough to forget it."""
    look: float | None = None
    """Minutes between looks at the state; None: epochs end with events, or with the run."""
    watched: tuple[str, ...] = ()
    """State components and outputs that are kept epoch by epoch; the rest is only summed."""
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Factors on what the system's description says, by name."""
    thorough: Effort
    quick: Effort | None
    """None where a quick interval would be too wide to tell anything."""

    def effort(self, depth: Depth) -> Effort:
        """How much is simulated at a depth. Raises NothingQuick where that would tell nothing."""
        if depth == "thorough":
            return self.thorough
        if self.quick is None:
            raise NothingQuick(f"setting {self.name!r} has no quick effort: measure it thoroughly")
        return self.quick

    @property
    def depths(self) -> tuple[Depth, ...]:
        """The depths at which it can be measured, the deepest first."""
        return ("thorough",) if self.quick is None else ("thorough", "quick")

    def over(self, minutes: float) -> System:
        """The system with its epochs for one replication."""
        system = self.build()
        if system.is_event_driven:
            return replace(system, events=ENDLESS)
        looks = 1 if self.look is None else round(minutes / self.look)
        ends = self.warm_up + (minutes / looks) * np.arange(looks + 1)
        return replace(system, boundaries=(0.0, *ends.tolist()))

    def seeds(self, depth: Depth) -> tuple[int, ...]:
        """One seed for each replication, of its own for every setting and depth."""
        random = stream(SEED, "truths", self.name, depth)
        return tuple(random.integers(2**31, size=self.effort(depth).replications).tolist())

    def digest(self, depth: Depth) -> str:
        """Twelve characters that change with anything that the replications depend on."""
        system = self.over(self.effort(depth).minutes)
        what = (system, self.control, dict(self.parameters), self.warm_up)
        return sha256(_told(what).encode()).hexdigest()[:12]


def _told(value: object) -> str:
    """A value in words, without fields at their defaults: what is added later changes nothing."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_told(k)}: {_told(v)}' for k, v in value.items())}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_told, value))})"
    if is_dataclass(value) and not isinstance(value, type):
        told = ((one, _told(getattr(value, one.name))) for one in fields(value) if one.init)
        given = [f"{one.name}={words}" for one, words in told if words != _default(one)]
        return f"{type(value).__name__}({', '.join(given)})"
    return repr(value)


def _default(one: Field[object]) -> str | None:
    if one.default is not MISSING:
        return _told(one.default)
    return None if one.default_factory is MISSING else _told(one.default_factory())
