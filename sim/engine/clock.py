"""The clock of an episode: SimPy's queue of events, and whether anything has happened."""

from __future__ import annotations

from collections.abc import Callable

from simpy import Environment
from simpy.events import NORMAL, Event


class Clock(Environment):
    """SimPy's environment, run to a moment or until something happens that may be answered."""

    happened = False
    """Whether anybody came, was served or gave up, or a server came or went.

    An event that was overtaken by another, such as the end of a patience that was not needed, is
    no happening: nobody outside could notice it.
    """

    def __init__(self) -> None:
        super().__init__(initial_time=0.0)

    def after(self, minutes: float, then: Callable[[Event], None]) -> Event:
        """Call a function in so many minutes."""
        event = Event(self)
        event._ok, event._value = True, None
        event.callbacks = [then]
        self.schedule(event, NORMAL, minutes)
        return event

    def run_until_something_happens(self) -> bool:
        """Run event by event; False when nothing will happen any more."""
        self.happened = False
        queue, step = self._queue, self.step
        while queue and not self.happened:
            step()
        return self.happened
