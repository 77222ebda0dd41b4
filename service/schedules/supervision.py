"""Turns the scheduler: a thread that plans what is due and carries runs further."""

from __future__ import annotations

import threading

import structlog

from service.clock import Clock
from service.database import Database
from service.problems import Problem
from service.schedules import repository
from service.schedules.carrying import Carrier
from service.schedules.planning import is_due, plan
from service.schedules.settings import ScheduleSettings

_log = structlog.get_logger("surrogym.schedules")


class Scheduler:
    """Looks every few seconds, and when it is woken."""

    def __init__(
        self, database: Database, clock: Clock, carrier: Carrier, settings: ScheduleSettings
    ) -> None:
        self._database, self._clock = database, clock
        self._carrier, self._settings = carrier, settings
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take up what was left."""
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Lay it down within so long; what was under way is taken up where it stands."""
        self._is_stopping = True
        self.wake()
        if self._thread is not None:
            self._thread.join(seconds)

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    @property
    def is_well(self) -> bool:
        """Whether its thread turns."""
        return self._thread is not None and self._thread.is_alive()

    def turn(self) -> bool:
        """Plan what is due and carry every open run one step; whether any went further."""
        self._plan()
        with self._database.read() as session:
            runs = [run.id for run in repository.open_runs(session)]
        went = [self._carry(run) for run in runs]
        return any(went)

    def _plan(self) -> None:
        now = self._clock.now()
        with self._database.read() as session:
            # Looking takes nobody's lock.
            due = [row for row in repository.awake(session) if is_due(session, row, now)]
        for row in due:
            with self._database.begin() as session:
                try:
                    found = repository.find(session, row.id, lock=True)
                except Problem:
                    # It was deleted in the meantime.
                    continue
                if not found.is_paused:
                    plan(session, found, now, self._settings)

    def _carry(self, run_id: str) -> bool:
        try:
            return not self._has_stopped() and self._carrier.carry(run_id)
        except Problem:
            # It went with its schedule.
            return False
        except Exception as error:
            # One that fails on our side holds up no other, and is tried again.
            _log.error("a run could not be carried further", run=run_id, exc_info=error)
            return False

    def _run(self) -> None:
        while not self._has_stopped():
            self._wake.clear()
            try:
                while self.turn():
                    if self._has_stopped():
                        return
            except Exception as error:
                if not self._has_stopped():
                    _log.error("schedules could not be looked after", exc_info=error)
            self._wake.wait(self._settings.look_seconds)

    def _has_stopped(self) -> bool:
        return self._is_stopping
