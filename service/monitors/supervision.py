"""Turns telemetry into verdicts: days in order, each judged once, whatever is killed in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.orm import Session

from service.clock import Clock
from service.database import Database
from service.isolation import Worker, WorkLost
from service.models.operations import Models
from service.monitors import repository
from service.monitors.metrics import MonitorMetrics
from service.monitors.settings import MonitorSettings
from service.monitors.tables import MonitorDayRow, MonitorRow
from service.monitors.watched import Shadowed, Tuning, Watched
from service.scenarios.catalogue import Catalogue
from service.stopping import join_all
from sim.errors import SurrogymError

_log = structlog.get_logger("surrogym.monitors")
OnAlarm = Callable[[Session, MonitorRow, Mapping[str, Any]], None]
"""Hears of an alarm in the transaction that notes it."""
OnChange = Callable[[Session, MonitorRow], None]
"""Hears of what becomes of a monitor, in the transaction that notes it."""
_LOOKED_AHEAD = 50
_MOST_SHADOWED = 1000


@dataclass(frozen=True, slots=True)
class _Due:
    """A day that is to be judged or passed over."""

    monitor_id: str
    generation: int
    next_day: int
    day: int
    outcome: str
    states: Mapping[str, Any] | None
    contents: list[dict[str, Any]]
    watched: Watched


class Supervisor:
    """A thread that judges days, and one that calibrates."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        models: Models,
        catalogue: Catalogue,
        settings: MonitorSettings,
        folder: Path,
        metrics: MonitorMetrics,
    ) -> None:
        self._database, self._clock, self._models = database, clock, models
        self._catalogue, self._settings, self._folder = catalogue, settings, folder
        self._metrics = metrics
        self.on_alarm: list[OnAlarm] = []
        self.on_failure: list[OnChange] = []
        self._observing, self._calibrating = Worker(), Worker()
        self._wake = {"observe": threading.Event(), "calibrate": threading.Event()}
        self._is_stopping = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take up what was left."""
        for name, turn in (("observe", self.watch_due), ("calibrate", self.calibrate_due)):
            thread = threading.Thread(target=self._run, args=(name, turn), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, seconds: float) -> None:
        """Lay all down within so long; what was under way is done anew."""
        self._is_stopping = True
        self.wake()
        self._observing.end()
        self._calibrating.end()
        join_all(self._threads, seconds)

    def wake(self) -> None:
        """Something came in."""
        for event in self._wake.values():
            event.set()

    @property
    def is_well(self) -> bool:
        """Whether its threads turn."""
        return all(thread.is_alive() for thread in self._threads)

    def watch_due(self) -> bool:
        """Judge days, and compare challengers on them; whether there was anything to do."""
        judged, compared = self.observe_due(), self.shadow_due()
        return judged or compared

    def shadow_due(self) -> bool:
        """Compare each challenger on the next whole day; whether there was any."""
        with self._database.read() as session:
            watching = repository.shadowed(session)
        compared = [self._shadow_one(row.id) for row in watching]
        return any(compared)

    def observe_due(self) -> bool:
        """Judge the next day of each monitor that has one; whether there was any."""
        with self._database.read() as session:
            watching = [row for row in repository.at_work(session) if row.state == "watching"]
        judged = [self._observe_one(row.id) for row in watching if not row.is_paused]
        return any(judged)

    def calibrate_due(self) -> bool:
        """Calibrate the oldest monitor that waits for it; whether there was any."""
        with self._database.read() as session:
            waiting = [r for r in repository.at_work(session) if r.state == "calibrating"]
        for row in waiting:
            if not row.is_paused:
                self._calibrate(row)
                return True
        return False

    def _run(self, name: str, turn: Callable[[], bool]) -> None:
        while not self._has_stopped():
            self._wake[name].clear()
            try:
                while turn():
                    if self._has_stopped():
                        return
            except Exception as error:
                if not self._has_stopped():
                    _log.error("monitors could not be looked after", exc_info=error)
            self._wake[name].wait(self._settings.look_seconds)

    def _has_stopped(self) -> bool:
        return self._is_stopping

    def _observe_one(self, monitor_id: str) -> bool:
        due = self._due(monitor_id)
        if due is None:
            return False
        found: dict[str, Any] | None = None
        if due.outcome != repository.SKIPPED:
            try:
                found = self._observing.run(
                    self._settings.observation_seconds,
                    "observe",
                    due.watched,
                    due.states,
                    due.day,
                    due.contents,
                )
            except (WorkLost, SurrogymError) as error:
                self._stumbled(due.monitor_id, due.generation, f"day {due.day}: {error}")
                return not self._has_stopped()
        self._note(due, found)
        return True

    def _shadow_one(self, monitor_id: str) -> bool:
        with self._database.read() as session:
            row = repository.find(session, monitor_id)
            if not row.shadow:
                return False
            since = int(row.shadow["since_day"])
            days = repository.days_from(session, monitor_id, since, _MOST_SHADOWED)
            ready = [day for day in days if not day.shadow and repository.is_complete(day)]
            if not ready:
                return False
            day = ready[0].day
            contents = repository.contents(session, monitor_id, day)
        about = self._shadowed(row)
        try:
            found = self._observing.run(
                self._settings.observation_seconds, "compare", about, day, contents
            )
        except (WorkLost, SurrogymError) as error:
            # A challenger that fails on a day has no evidence of it, which speaks against it.
            _log.warning("no comparison", monitor=monitor_id, day=day, reason=str(error))
            found = {}
        with self._database.begin() as session:
            now = repository.find(session, monitor_id, lock=True)
            seen = session.get(MonitorDayRow, (monitor_id, day))
            if seen is not None and now.shadow == row.shadow:
                policy = row.shadow["policy"]
                seen.shadow = {"policy": policy if found else None, **found}
        return not self._has_stopped()

    def _shadowed(self, row: MonitorRow) -> Shadowed:
        shadow = row.shadow or {}
        return Shadowed(
            reference=self._catalogue.reference(row.system),
            surrogate=self._models.resolve(shadow["surrogate"], "surrogate").folder.absolute(),
            policy=self._models.resolve(shadow["against"], "policy").folder.absolute(),
            challenger=self._models.resolve(shadow["policy"], "policy").folder.absolute(),
            beliefs=tuple(sorted(shadow["beliefs"].items())),
            objective=shadow["objective"],
        )

    def _due(self, monitor_id: str) -> _Due | None:
        with self._database.read() as session:
            row = repository.find(session, monitor_id)
            days = repository.days_from(session, monitor_id, row.next_day, _LOOKED_AHEAD)
            if row.state != "watching" or not days:
                return None
            first, outcome = days[0], self._outcome(row, days)
            if outcome is None:
                return None
            return _Due(
                monitor_id=row.id,
                generation=row.generation,
                next_day=row.next_day,
                day=first.day,
                outcome=outcome,
                states=row.states,
                contents=repository.contents(session, monitor_id, first.day),
                watched=self.watched(row),
            )

    def _outcome(self, row: MonitorRow, days: Any) -> str | None:
        """What becomes of the first of some days; None where it is still waited for."""
        first: MonitorDayRow = days[0]
        late = timedelta(seconds=float(row.watch["late_seconds"]))
        now = self._clock.now()
        is_whole = repository.is_complete(first)
        if is_whole and first.day == row.next_day:
            return repository.OBSERVED
        if is_whole and now - first.last_at >= late:
            # Days before it never came.
            return repository.OBSERVED
        later = [day.first_at for day in days[1:]]
        if not is_whole and later and now - max(min(later), first.last_at) >= late:
            return repository.KEPT if row.watch["lacking"] == "keep" else repository.SKIPPED
        return None

    def _note(self, due: _Due, found: dict[str, Any] | None) -> None:
        now = self._clock.now()
        with self._database.begin() as session:
            row = repository.find(session, due.monitor_id, lock=True)
            place = (row.state, row.generation, row.next_day)
            if place != ("watching", due.generation, due.next_day):
                # Another service was quicker, or the monitor was changed in the meantime.
                return
            day = session.get(MonitorDayRow, (row.id, due.day))
            assert day is not None
            day.outcome, day.generation = due.outcome, row.generation
            row.next_day, row.attempts, row.reason = due.day + 1, 0, None
            if found is None:
                return
            verdicts: dict[str, Any] = found["verdicts"]
            row.states, day.verdicts = found["states"], verdicts
            raised = {n: v for n, v in verdicts.items() if v["alarm"]}
            day.is_alarm = bool(raised)
            self._metrics.days.inc()
            if raised:
                self._raise(session, row, due.day, raised, now.isoformat())

    def _raise(
        self, session: Session, row: MonitorRow, day: int, raised: dict[str, Any], at: str
    ) -> None:
        drifted = dict.fromkeys(name for verdict in raised.values() for name in verdict["drifted"])
        row.state = "alarm"
        row.alarm = {
            "day": day,
            "detectors": list(raised),
            "drifted": list(drifted),
            "since_days": max(verdict["since_days"] for verdict in raised.values()),
            "at": at,
        }
        for hear in self.on_alarm:
            hear(session, row, row.alarm)
        self._metrics.alarms.inc()
        _log.warning("alarm", monitor=row.id, day=day, drifted=list(drifted))

    def _calibrate(self, row: MonitorRow) -> None:
        try:
            told = self._calibrating.run(
                self._settings.calibration_seconds,
                "calibrate",
                self.watched(row),
                _tuning(row),
            )
        except (WorkLost, SurrogymError) as error:
            self._stumbled(row.id, row.generation, f"calibration: {error}")
            return
        with self._database.begin() as session:
            now = repository.find(session, row.id, lock=True)
            if (now.state, now.generation) == ("calibrating", row.generation):
                now.state, now.calibration, now.states = "watching", told, None
                now.attempts, now.reason = 0, None
        self._wake["observe"].set()

    def _stumbled(self, monitor_id: str, generation: int, reason: str) -> None:
        """Try again, but not for ever."""
        if self._has_stopped():
            return
        _log.warning("monitor stumbled", monitor=monitor_id, reason=reason)
        with self._database.begin() as session:
            row = repository.find(session, monitor_id, lock=True)
            if row.generation != generation:
                return
            row.attempts += 1
            row.reason = reason[:1000]
            if row.attempts >= self._settings.attempts:
                row.state = "failed"
                for hear in self.on_failure:
                    hear(session, row)

    def watched(self, row: MonitorRow) -> Watched:
        """What a monitor is about, where a process finds it.

        Calibrations are kept by what they are made from: monitors of the same share theirs.
        """
        surrogate = self._models.resolve(row.surrogate, "surrogate")
        policy = self._models.resolve(row.policy, "policy")
        beliefs = tuple(sorted(row.beliefs.items()))
        made_from = (row.system, surrogate.digest, policy.digest, beliefs, _tuning(row))
        return Watched(
            reference=self._catalogue.reference(row.system),
            surrogate=surrogate.folder.absolute(),
            policy=policy.folder.absolute(),
            beliefs=beliefs,
            folder=(self._folder / sha256(repr(made_from).encode()).hexdigest()[:32]).absolute(),
        )


def _tuning(row: MonitorRow) -> Tuning:
    watch = row.watch
    return Tuning(
        detectors=tuple(watch["detectors"]),
        run_length=float(watch["run_length"]),
        in_control_days=int(watch["in_control_days"]),
        seed=int(watch["seed"]) + row.generation,
    )
