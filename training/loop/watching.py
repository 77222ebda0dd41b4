"""Days as they come, under some detectors: each kept once, with what they made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sim.description import Description
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import InvalidDataset
from training.drift import Detector, Verdict
from training.forms import TransitionsForm, read_json
from training.journal import Journal, write_json
from training.loop.telemetry import Door


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDay:
    """One observed day."""

    label: str
    telemetry: Transitions
    states: dict[str, dict[str, Any]]
    """Of each detector after it, as records."""
    alarms: tuple[str, ...]
    """Names of the detectors that raised one."""
    drifted: tuple[str, ...]
    """What they name, those of the first detector first."""
    since_days: int
    """Days that the drift has lasted, by the detector that saw it begin first."""

    @property
    def alarm(self) -> bool:
        """Whether anybody raised one."""
        return bool(self.alarms)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDayForm:
    """A day as Parquet and JSON."""

    description: Description

    def write(self, folder: Path, value: SeenDay) -> None:
        """Telemetry and what was made of it."""
        self._rows.write(folder, value.telemetry)
        told = {
            "label": value.label,
            "states": value.states,
            "alarms": list(value.alarms),
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
            states=told["states"],
            alarms=tuple(told["alarms"]),
            drifted=tuple(told["drifted"]),
            since_days=int(told["since_days"]),
        )

    @property
    def _rows(self) -> TransitionsForm:
        return TransitionsForm(description=self.description)


class Watch:
    """The days since some detectors took over, to the first alarm of one of them.

    What was observed before is read back from the journal, so that a watch goes on where it was.
    """

    def __init__(
        self,
        detectors: Mapping[str, Detector[Any]],
        door: Door,
        journal: Journal,
    ) -> None:
        self._detectors, self._door, self._journal = dict(detectors), door, journal
        self._form = SeenDayForm(description=door.description)
        self.days: list[SeenDay] = []
        while journal.has(name := _name(len(self.days))):
            day = journal.step(name, _not_there, self._form)
            self.days.append(replace(day, telemetry=self._told_apart(day.telemetry)))

    @property
    def has_alarm(self) -> bool:
        """Whether the last day raised one; no day is observed after it."""
        return bool(self.days) and self.days[-1].alarm

    def find(self, label: str) -> SeenDay | None:
        """The day of that name, where it has been observed."""
        return next((day for day in self.days if day.label == label), None)

    def observe(self, label: str, telemetry: Transitions) -> SeenDay:
        """Take in one day; raises InvalidDataset after an alarm that nobody has answered.

        So it does for what is no day of the system, of which nothing is kept. Of the parameters
        only those are read that telemetry shows; hidden ones are taken as they are believed.
        A day whose episode has the number of an earlier one is given the next number, for a day is
        told by it from others and draws its own residuals by it.
        """
        if self.has_alarm:
            raise InvalidDataset(
                f"day {label!r} after an alarm on {self.days[-1].label}: answer it"
            )
        self._door.refuse(label, telemetry)
        seen = self._looked_at(label, self._told_apart(telemetry))
        self.days.append(self._journal.step(_name(len(self.days)), lambda: seen, self._form))
        return seen

    def _told_apart(self, telemetry: Transitions) -> Transitions:
        known = [number for day in self.days for number in np.unique(day.telemetry.episode)]
        if not np.isin(telemetry.episode, known).any():
            return telemetry
        after = max(known) + 1 - telemetry.episode.min()
        return replace(telemetry, episode=telemetry.episode + after)

    def _looked_at(self, label: str, telemetry: Transitions) -> SeenDay:
        before = self.days[-1].states if self.days else {}
        states, verdicts = {}, dict[str, Verdict]()
        for name, detector in self._detectors.items():
            state = detector.restore(before[name]) if before else detector.begin()
            after, verdicts[name] = detector.observe(state, telemetry)
            states[name] = after.to_record()
        raised = {name: verdict for name, verdict in verdicts.items() if verdict.alarm}
        named = [part for verdict in raised.values() for part in verdict.drifted]
        return SeenDay(
            label=label,
            telemetry=telemetry,
            states=states,
            alarms=tuple(raised),
            drifted=tuple(dict.fromkeys(named)),
            since_days=max((v.since_days for v in (raised or verdicts).values()), default=0),
        )

    def recent(self, most: int) -> Transitions:
        """Telemetry of the days that the drift has lasted, by the detectors; two at least."""
        count = min(most, max(2, self.days[-1].since_days))
        return concatenate([day.telemetry for day in self.days[-count:]])


def _name(position: int) -> str:
    return f"days/{position:05d}"


def _not_there() -> SeenDay:
    raise InvalidDataset("a day is missing from the journal")
