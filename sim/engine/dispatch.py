"""Dispatchers at work: which of several lines a customer joins."""

from __future__ import annotations

from itertools import cycle

from sim.engine.lines import Line
from sim.routing import DispatchRule


class Shortest:
    """Joins the line with the fewest customers, waiting and in service."""

    __slots__ = ("_lines",)

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines

    def resolve(self, leaving: Line | None) -> Line:
        """The line to enter now; who is about to leave one is not company to herself."""
        return min(self._lines, key=lambda line: line.present - (line is leaving))


class InTurn:
    """Takes turns."""

    __slots__ = ("_turns",)

    def __init__(self, lines: list[Line]) -> None:
        self._turns = cycle(lines)

    def resolve(self, leaving: Line | None) -> Line:
        """The line to enter now."""
        del leaving
        return next(self._turns)


class Decided:
    """Joins the line that was last decided."""

    __slots__ = ("_lines", "choice")

    def __init__(self, lines: list[Line]) -> None:
        self._lines = lines
        self.choice = 0

    def resolve(self, leaving: Line | None) -> Line:
        """The line to enter now."""
        del leaving
        return self._lines[self.choice]


DISPATCHES: dict[DispatchRule, type[Shortest | InTurn | Decided]] = {
    "shortest": Shortest,
    "round_robin": InTurn,
    "decision": Decided,
}
