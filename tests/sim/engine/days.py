"""Days that are told by hand: durations in a known order, and a trace of all that happens."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from sim.customers import CustomerClass
from sim.epoch import Epoch
from sim.servers import Pool, ServerTeam
from sim.simulator import ServiceSystem
from sim.system import System
from tests.systems import FixedArrivals

Shifts = tuple[tuple[float, float], ...]

_OF_POOLS = {setting.name for setting in fields(Pool)}
_EVENTS = 200
"""More than any of these days has."""


@dataclass(frozen=True)
class Listed:
    """Durations in the order given, over and over, from every random stream anew."""

    minutes: tuple[float, ...]
    _dealt: dict[int, tuple[np.random.Generator, int]] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        return float(np.mean(self.minutes))

    @property
    def scv(self) -> float:
        return float(np.var(self.minutes) / self.mean**2)

    def sample(self, random: np.random.Generator, size: int) -> np.ndarray:
        # The stream is kept beside its count: another could get its id after its end.
        _, dealt = self._dealt.get(id(random), (random, 0))
        self._dealt[id(random)] = (random, dealt + size)
        return np.array(self.minutes)[(dealt + np.arange(size)) % len(self.minutes)]


def listed(*minutes: float) -> Listed:
    return Listed(minutes=tuple(float(m) for m in minutes))


def come_at(*times: float) -> FixedArrivals:
    return FixedArrivals(tuple(float(time) for time in times))


def customers(name: str, *work: float, **settings: Any) -> CustomerClass:
    """A class whose customers bring this work, in the order of their coming."""
    return CustomerClass(name=name, service=listed(*work), **settings)


def servers(name: str, number: float, **settings: Any) -> Pool:
    return Pool(name=name, shifts=((0.0, float(number)),), **settings)


def desk(name: str, pool: str, serves: str, **settings: Any) -> ServerTeam:
    return ServerTeam(name=name, pool=pool, serves=serves, **settings)


def one_desk(
    *times: float, of: CustomerClass, shifts: Shifts = ((0.0, 1.0),), **settings: Any
) -> System:
    """One queue, and one server unless the shifts say otherwise, told event by event.

    Settings that a pool has are its own, the others are the system's.
    """
    mine = {name: settings.pop(name) for name in list(settings) if name in _OF_POOLS}
    return System(
        name="one_desk",
        arrivals={of.name: come_at(*times)},
        classes=(of,),
        pools=(Pool(name="staff", shifts=shifts, **mine),),
        teams=(desk("desk", "staff", of.name),),
        events=_EVENTS,
        **settings,
    )


def by_epoch(system: System, *boundaries: float, **settings: Any) -> System:
    """The same system with a decision at each boundary instead of after every event."""
    return replace(system, boundaries=boundaries, events=0, **settings)


class Day:
    """One episode, read by name."""

    def __init__(self, system: System, seed: int = 0) -> None:
        self.simulator = ServiceSystem(system)
        self.description = self.simulator.describe()
        self.first = self._named(self.simulator.reset(seed))
        self.minute = 0.0

    def _named(self, state: np.ndarray) -> dict[str, float]:
        return dict(zip(self.description.state_names, state.tolist(), strict=True))

    def advance(self, *levels: float) -> dict[str, float]:
        """The outputs and the state after one epoch; those of the same name are of the state."""
        self.epoch: Epoch = self.simulator.advance(np.array(levels, dtype=float))
        self.minute += self.epoch.duration
        values = self.epoch.outputs.tolist()
        outputs = dict(zip(self.description.output_names, values, strict=True))
        return outputs | self._named(self.epoch.state)


Trace = list[tuple[float, str]]


def trace(system: System, decisions: Mapping[float, tuple[float, ...]] | None = None) -> Trace:
    """What happens when: the flows of every event, or the servers where nobody moves.

    `decisions` are in force from the first event at or after their minute.
    """
    day = Day(system)
    told: Trace = []
    before = day.first
    while not told or not day.epoch.is_last:
        due = [
            levels for minute, levels in (decisions or {0.0: ()}).items() if minute <= day.minute
        ]
        after = day.advance(*due[-1])
        what = " ".join(_flows(day, after) or _changes(day, before, after))
        told.append((round(day.minute, 9), what))
        before = after
    # The last epoch of a day whose customers have all gone is one in which nothing happens.
    return told if told[-1][1] else told[:-1]


def _flows(day: Day, after: dict[str, float]) -> list[str]:
    counts = {flow.name: after[flow.name] for flow in day.description.flows}
    return [name if n == 1 else f"{name}*{n:g}" for name, n in counts.items() if n]


def _changes(day: Day, before: dict[str, float], after: dict[str, float]) -> list[str]:
    return [f"{n}={after[n]:g}" for n in day.description.servers if after[n] != before[n]]
