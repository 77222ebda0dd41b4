"""Days as they come, under one detector: each kept once, with what the detector made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.description import Description
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import InvalidDataset
from training.drift import Detector, DetectorState, Verdict
from training.forms import TransitionsForm, read_json
from training.journal import Journal, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDay:
    """One observed day."""

    label: str
    telemetry: Transitions
    state: DetectorState
    """Of the detector, after it."""
    alarm: bool
    drifted: tuple[str, ...]
    since_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDayForm:
    """A day as Parquet and JSON."""

    description: Description

    def write(self, folder: Path, value: SeenDay) -> None:
        """Telemetry and what was made of it."""
        self._rows.write(folder, value.telemetry)
        told = {
            "label": value.label,
            "state": value.state.to_record(),
            "alarm": value.alarm,
            "drifted": list(value.drifted),
            "since_days": value.since_days,
        }
        write_json(folder / "seen.json", told)

    def read(self, folder: Path) -> SeenDay:
        """Raises for files that are not what was written."""
        told: dict[str, Any] = read_json(folder / "seen.json")
        return SeenDay(
            label=str(told["label"]),
            telemetry=self._rows.read(folder),
            state=DetectorState.from_record(told["state"]),
            alarm=bool(told["alarm"]),
            drifted=tuple(told["drifted"]),
            since_days=int(told["since_days"]),
        )

    @property
    def _rows(self) -> TransitionsForm:
        return TransitionsForm(description=self.description)


class Watch:
    """The days since a detector took over, to its first alarm.

    What was observed before is read back from the journal, so that a watch goes on where it was.
    """

    def __init__(
        self, detector: Detector[DetectorState], description: Description, journal: Journal
    ) -> None:
        self._detector, self._journal = detector, journal
        self._form = SeenDayForm(description=description)
        self.days: list[SeenDay] = []
        while journal.has(name := _name(len(self.days))):
            self.days.append(journal.step(name, _not_there, self._form))

    @property
    def has_alarm(self) -> bool:
        """Whether the last day raised one; no day is observed after it."""
        return bool(self.days) and self.days[-1].alarm

    def find(self, label: str) -> SeenDay | None:
        """The day of that name, where it has been observed."""
        return next((day for day in self.days if day.label == label), None)

    def observe(self, label: str, telemetry: Transitions) -> SeenDay:
        """Take in one day; raises InvalidDataset after an alarm that nobody has answered."""
        if self.has_alarm:
            raise InvalidDataset(
                f"day {label!r} after an alarm on {self.days[-1].label}: answer it"
            )
        state = self.days[-1].state if self.days else self._detector.begin()
        after, verdict = self._detector.observe(state, telemetry)
        seen = _seen(label, telemetry, after, verdict)
        self.days.append(self._journal.step(_name(len(self.days)), lambda: seen, self._form))
        return seen

    def recent(self, most: int) -> Transitions:
        """Telemetry of the days that the drift has lasted, by the detector; two at least."""
        count = min(most, max(2, self.days[-1].since_days))
        return concatenate([day.telemetry for day in self.days[-count:]])


def _seen(label: str, telemetry: Transitions, state: DetectorState, verdict: Verdict) -> SeenDay:
    return SeenDay(
        label=label,
        telemetry=telemetry,
        state=state,
        alarm=verdict.alarm,
        drifted=verdict.drifted,
        since_days=verdict.since_days,
    )


def _name(position: int) -> str:
    return f"days/{position:05d}"


def _not_there() -> SeenDay:
    raise InvalidDataset("a day is missing from the journal")
