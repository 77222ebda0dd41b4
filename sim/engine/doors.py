"""Doors: the places behind them, and where those go who are not served."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from sim.engine.lines import Line


@runtime_checkable
class Destination(Protocol):
    """Where customers may be sent: a line, or a dispatcher that knows one."""

    def resolve(self, leaving: Line | None) -> Line:
        """The line to enter now, for somebody whom another line still counts as present, if any."""
        ...


class PlacesAtWork:
    """The places of a room, and who holds a server until there is one."""

    __slots__ = ("_blocked", "_holds_servers", "_inside", "_places")

    def __init__(self, places: int, *, holds_servers: bool) -> None:
        self._places, self._holds_servers = places, holds_servers
        self._inside = 0
        self._blocked: deque[Callable[[float], None]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether nobody else fits in."""
        return self._inside >= self._places

    def take(self) -> None:
        """Give a place to somebody; whoever calls has seen that there is one."""
        self._inside += 1

    def give_back(self) -> None:
        """Free a place, which those who are blocked do not have yet."""
        self._inside -= 1

    def blocks(self, line: Line) -> bool:
        """Whether who comes from this line has to keep the server for now."""
        return self._holds_servers and self.is_full and line.room is not self

    def block(self, move: Callable[[float], None]) -> None:
        """Keep a move until there is a place; first come, first served."""
        self._blocked.append(move)

    def admit_blocked(self, now: float) -> None:
        """Carry out the moves that were waiting, as far as places go."""
        while self._blocked and not self.is_full:
            self._blocked.popleft()(now)


class Exits:
    """Where customers go who are not served, by chance."""

    __slots__ = ("_exits", "_limits", "_throw")

    def __init__(
        self,
        exits: Sequence[Destination],
        limits: Float[np.ndarray, "exit"],
        random: np.random.Generator,
    ) -> None:
        self._exits, self._limits = (*exits, None), limits.tolist()
        self._throw = throws(random)

    def choose(self) -> Line | None:
        """The next one's line; None leaves."""
        chosen = self._exits[bisect_right(self._limits, self._throw())]
        return None if chosen is None else chosen.resolve(None)


def throws(random: np.random.Generator) -> Callable[[], float]:
    """Throws from 0 to 1, one a call; a generator is asked for many at a time."""

    def endless() -> Iterator[float]:
        while True:
            yield from random.random(256).tolist()

    return endless().__next__
