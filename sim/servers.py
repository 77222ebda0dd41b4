"""Servers: the pools they belong to, when they are there, and what they can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from sim.distributions import Distribution
from sim.errors import InvalidSystem

Picks = Literal["stay", "priority", "first_come", "longest_queue"]
PICKS: tuple[Picks, ...] = ("stay", "priority", "first_come", "longest_queue")
Preemption = Literal["resume", "repeat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Servers away for a while."""

    start: float
    """Minutes after opening."""
    minutes: float
    servers: int

    def __post_init__(self) -> None:
        if self.start < 0 or not self.minutes > 0 or self.servers < 1:
            raise InvalidSystem(
                f"break of {self.servers} servers for {self.minutes:g} minutes at {self.start:g}: "
                "at least one server, more than 0 minutes, after opening"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """How servers fail and come back; each on its own, whether it works or not.

    In a pool with preemption the customer in service is interrupted, otherwise served first.
    """

    uptime: Distribution
    repair: Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Servers who may do each other's work."""

    name: str
    shifts: tuple[tuple[float, float], ...]
    """(minutes after opening, servers on duty from then on), the first at 0; inf: unlimited."""
    breaks: tuple[Break, ...] = ()
    picks: Picks = "stay"
    """Whom a free server takes next: `stay` with the queue just served while it has anybody, then
    the teams as listed; `priority`, the teams as listed; `first_come` over all queues;
    `longest_queue`."""
    preemption: Preemption | None = None
    """Whether servers drop a customer for one of higher priority, a changed decision or the end
    of a shift, and whether the dropped work is resumed or repeated; None: they finish first."""
    is_shared: bool = False
    """Processor sharing: everybody is in service at once, at an equal share of the servers and
    of one server at most."""
    setup: Distribution | None = None
    """From ordering a server until it can serve, as when a machine starts."""
    breakdown: Breakdown | None = None
    staffing: str | None = None
    """The lever that orders the number of servers, in place of shifts."""
    order: str | None = None
    """The lever that picks one of `orders`."""
    orders: tuple[tuple[str, ...], ...] = ()
    """Orders of priority among the pool's teams, for the lever."""

    def __post_init__(self) -> None:
        starts = [start for start, _ in self.shifts]
        if not starts or starts[0] != 0 or not np.all(np.diff(starts) > 0):
            raise InvalidSystem(
                f"pool {self.name!r}: shifts begin at {starts}: the first at 0, then rising"
            )
        for start, servers in self.shifts:
            if not servers >= 0 or (np.isfinite(servers) and servers != round(servers)):
                raise InvalidSystem(
                    f"pool {self.name!r}: {servers:g} servers from minute {start:g}: "
                    "a whole number, 0 or more"
                )
        if self.picks not in PICKS:
            raise InvalidSystem(f"pool {self.name!r}: picks {self.picks!r}: {', '.join(PICKS)}")
        if self.order is not None and self.picks not in ("stay", "priority"):
            raise InvalidSystem(
                f"pool {self.name!r}: the lever {self.order!r} says whom a free server takes next, "
                f"and picks {self.picks!r} too: drop one of them"
            )
        if (self.order is None) != (not self.orders):
            raise InvalidSystem(
                f"pool {self.name!r}: a lever `order` and the `orders` it picks from go together"
            )
        if self.is_unlimited and (self.setup or self.breakdown or self.staffing or self.breaks):
            raise InvalidSystem(
                f"pool {self.name!r} is unlimited: it has no breaks, set-ups, breakdowns or "
                "staffing"
            )
        if self.is_shared and (self.preemption or self.breakdown or self.order):
            raise InvalidSystem(
                f"pool {self.name!r} is shared by all in service: nobody is preempted, "
                "interrupted or put in order"
            )

    @classmethod
    def by_epoch(
        cls, name: str, servers: Float[np.ndarray, "epoch"], boundaries: tuple[float, ...]
    ) -> Pool:
        """A pool whose roster changes with the epochs."""
        if len(servers) != len(boundaries) - 1:
            raise InvalidSystem(
                f"roster of {name!r} has {len(servers)} values for {len(boundaries) - 1} epochs"
            )
        pairs = zip(boundaries[:-1], servers.tolist(), strict=True)
        return cls(name=name, shifts=tuple((float(start), float(n)) for start, n in pairs))

    @property
    def is_unlimited(self) -> bool:
        """Whether nobody ever waits for a server."""
        return any(np.isinf(servers) for _, servers in self.shifts)

    @property
    def is_flexible(self) -> bool:
        """Whether the number of available servers is more than what the shifts say."""
        return self.setup is not None or self.breakdown is not None or self.staffing is not None

    def schedule(self) -> tuple[tuple[float, float], ...]:
        """(minute, servers on duty from then on), with the breaks taken off."""
        ends = [b.start + b.minutes for b in self.breaks]
        moments = sorted({s for s, _ in self.shifts} | {b.start for b in self.breaks} | set(ends))
        return tuple((moment, self.on_duty(moment)) for moment in moments)

    def on_duty(self, minute: float) -> float:
        """Servers on duty at a minute after opening, breaks taken off."""
        scheduled = [servers for start, servers in self.shifts if start <= minute][-1]
        away = sum(b.servers for b in self.breaks if b.start <= minute < b.start + b.minutes)
        return max(scheduled - away, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTeam:
    """Servers of a pool who serve one class at a speed.

    Where levers size the teams of a pool, the one team without a lever has what is left over;
    where no team has a lever, every server of the pool serves all its classes.
    """

    name: str
    pool: str
    serves: str
    speed: float = 1.0
    lever: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.speed < np.inf:
            raise InvalidSystem(f"team {self.name!r}: speed {self.speed}: a number above 0")
