"""What ends a watch, as it is kept in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from envs.objective import Objective
from training.forms import RecordForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What ends a watch: an alarm, another objective, or another simulator."""

    wanted: Objective | None
    """The objective; None for anything else."""
    label: str | None = None
    """What the caller calls it, so that it is known again."""
    simulator: str | None = None
    """Digest of the simulator that was handed over; None for anything else."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        wanted = None if self.wanted is None else self.wanted.to_record()
        return {"wanted": wanted, "label": self.label, "simulator": self.simulator}

    def __str__(self) -> str:
        if self.simulator is not None:
            return f"a new simulator, {self.simulator[:8]}"
        if self.wanted is None:
            return "an alarm"
        return "another objective" if self.label is None else f"the objective {self.label!r}"

    def repeats(self, other: Event) -> bool:
        """Whether this is the other asked again, though it may have come later."""
        return self.label is not None and self.label == other.label

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Event:
        """Rebuild from a record."""
        wanted = record["wanted"]
        return cls(
            wanted=None if wanted is None else Objective.from_record(wanted),
            label=record.get("label"),
            simulator=record.get("simulator"),
        )


EVENTS = RecordForm(from_record=Event.from_record)
