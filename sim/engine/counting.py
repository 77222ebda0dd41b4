"""What is counted and measured in an epoch.

A time spent is the sum of the moments of leaving less that of entering, so that nothing has to be
integrated on the way: whoever is there when the epoch begins enters then, and whoever is there
when it ends leaves then.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.description import SystemDescription
from sim.engine.lines import Line
from sim.engine.parts import Parts
from sim.engine.teams import TeamAtWork
from sim.system import Measure, System


class Counting:
    """Looks at the parts of a system at the beginning and at the end of an epoch."""

    def __init__(self, system: System, description: SystemDescription, parts: Parts) -> None:
        self._flows = parts.flows
        self._lines, self._teams = list(parts.lines.values()), list(parts.teams.values())
        self._none = [0] * len(parts.flows)
        limited = [pool.name for pool in system.pools if not pool.is_unlimited]
        overtime, on = "overtime" in system.measures, "on" in system.measures
        self._pools = [parts.pools[name] for name in limited if overtime]
        self._staff = [parts.staff[name] for name in limited if on]
        kinds: dict[Measure, Callable[[float], list[float]]] = {
            "wait": self._waits,
            "present": self._presences,
            "busy": self._busy,
            "on": self._on,
            "overtime": self._overtime,
        }
        self._kinds = [kinds[kind] for kind in system.measures]
        waiting = {f"{name}_waiting": line for name, line in parts.lines.items()}
        self._stocks: list[Line | TeamAtWork] = [
            waiting[stock.name] if stock.team is None else parts.teams[stock.team]
            for stock in description.stocks
        ]

    def begin(self, now: float) -> None:
        """Begin an epoch."""
        self._flows[:] = self._none
        for line in self._lines:
            line.area = -now * len(line.waiting)
        for team in self._teams:
            team.area = -now * team.busy
        for pool in self._pools:
            pool.over_area = -now * pool.over
        for staff in self._staff:
            staff.area = -now * staff.paid

    def stocks(self) -> list[int]:
        """Customers in every stock, in the order of the description."""
        return [
            part.busy if isinstance(part, TeamAtWork) else len(part.waiting)
            for part in self._stocks
        ]

    def measures(self, now: float) -> list[float]:
        """Times spent since the epoch began, in the order of the system's measures."""
        return [spent for kind in self._kinds for spent in kind(now)]

    def _waits(self, now: float) -> list[float]:
        return [_spent(line.area, now, len(line.waiting)) for line in self._lines]

    def _presences(self, now: float) -> list[float]:
        found = self._waits(now)
        for position, line in enumerate(self._lines):
            for team in line.teams:
                found[position] += _spent(team.area, now, team.busy)
        return found

    def _busy(self, now: float) -> list[float]:
        return [_spent(team.area, now, team.busy) for team in self._teams]

    def _on(self, now: float) -> list[float]:
        return [_spent(staff.area, now, staff.paid) for staff in self._staff]

    def _overtime(self, now: float) -> list[float]:
        return [_spent(pool.over_area, now, pool.over) for pool in self._pools]


def _spent(area: float, now: float, present: float | int) -> float:
    # Times cancel only up to rounding, and nobody waits less than nothing.
    spent = area + now * present
    return spent if spent > 0.0 else 0.0
