"""How far a job is, and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from service.jobs.notes import PROGRESS, STEP, Notes
from training.journal import Step


class Progress:
    """Parts with weights; what was read back from the journal tells nothing of the pace."""

    def __init__(
        self,
        notes: Notes,
        weights: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        total = sum(weights.values())
        self._weights = {name: weight / total for name, weight in weights.items()}
        self._notes, self._clock = notes, clock
        self._began = clock()
        self._done: dict[str, float] = {}
        self._read_back: set[str] = set()

    @property
    def share(self) -> float:
        """Of the whole, from 0 to 1."""
        return min(1.0, sum(self._weights.get(n, 0.0) * part for n, part in self._done.items()))

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None where nothing was done yet."""
        there = sum(self._weights.get(name, 0.0) for name in self._read_back)
        worked = self.share - there
        if worked <= 0.001:
            return None
        return (self._clock() - self._began) * (1.0 - self.share) / worked

    def finished(self, step: Step) -> None:
        """A step of the journal is there."""
        self._done[step.name] = 1.0
        if step.was_there:
            self._read_back.add(step.name)
        self._notes.say(STEP, step=step.name, seconds=step.seconds, was_there=step.was_there)
        self._notes.say(PROGRESS, **self._told(step.name))

    def at(self, name: str, part: float) -> None:
        """Within a step."""
        self._done[name] = min(1.0, max(self._done.get(name, 0.0), part))
        self._notes.say_seldom(PROGRESS, **self._told(name))

    def end(self) -> None:
        """All is done, also where a job ended before steps that it might have taken."""
        self._done = dict.fromkeys(self._weights, 1.0)
        self._notes.say(PROGRESS, **self._told(None))

    def _told(self, step: str | None) -> dict[str, float | str | None]:
        return {"step": step, "share": self.share, "seconds_left": self.seconds_left}
