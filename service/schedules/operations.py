"""Schedules: made, changed, paused, asked for runs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from prometheus_client import Counter
from sqlalchemy import delete, event
from sqlalchemy.orm import Session

from service.jobs.runtime import Jobs
from service.models import repository as models
from service.models.operations import Models
from service.monitors import repository as monitors
from service.monitors.operations import Monitors
from service.monitors.tables import MonitorRow
from service.ownership import count_owned
from service.platform import Platform
from service.problems import Problem
from service.scenarios.catalogue import Catalogue
from service.schedules import asking, repository
from service.schedules.carrying import Carrier
from service.schedules.cron import check, due_after, due_between
from service.schedules.planning import add, monitor_of, order_of
from service.schedules.schemas import (
    BackfillOrder,
    ObjectiveOrder,
    ScheduleChange,
    ScheduleOrder,
    ScheduleView,
)
from service.schedules.supervision import Scheduler
from service.schedules.tables import RunRow, ScheduleRow
from service.webhooks.operations import Webhooks


class Schedules:
    """The schedules of one running service. Call it from threads: it waits for the database."""

    def __init__(
        self,
        platform: Platform,
        catalogue: Catalogue,
        known: Models,
        jobs: Jobs,
        watching: Monitors,
        webhooks: Webhooks,
    ) -> None:
        self._database, self._clock = platform.database, platform.clock
        self._catalogue, self._models, self._jobs = catalogue, known, jobs
        self._webhooks = webhooks
        self.settings = platform.settings.schedules
        self.carrier = Carrier(
            database=platform.database,
            clock=platform.clock,
            catalogue=catalogue,
            models=known,
            jobs=jobs,
            monitors=watching,
            on_end=[self._ended],
            on_pause=[self._paused],
        )
        self.scheduler = Scheduler(platform.database, platform.clock, self.carrier, self.settings)
        watching.on_alarm.append(self._alarmed)
        watching.on_failure.append(self._failed)
        watching.on_remove.append(self._removed)
        self._ends = Counter(
            "surrogym_runs_total", "Runs of schedules by what became of them.",
            ["trigger", "state"], registry=platform.metrics,
        )  # fmt: skip

    async def start(self) -> None:
        """Take up what was left."""
        self.scheduler.start()

    async def stop(self, seconds: float) -> None:
        """Lay it down, to be taken up again."""
        await run_sync(self.scheduler.stop, seconds)

    def missing(self) -> list[str]:
        """What it lacks to be of use."""
        return [] if self.scheduler.is_well else ["the scheduler does not turn"]

    def create(self, owner: str, order: ScheduleOrder) -> ScheduleRow:
        """A new schedule, if everything that its runs will need is there; raises Problem."""
        self._check(owner, order)
        now = self._clock.now()
        row = ScheduleRow(
            id=f"sch_{secrets.token_hex(12)}",
            owner=owner,
            name=order.name,
            monitor_id=order.monitor,
            order=order.model_dump(mode="json"),
            objective_number=0,
            is_paused=False,
            failures=0,
            runs=0,
            planned_until=now,
            created_at=now,
        )
        with self._database.begin() as session:
            if count_owned(session, ScheduleRow, owner) >= self.settings.per_owner:
                raise Problem("quota_exceeded", f"at most {self.settings.per_owner} schedules")
            session.add(row)
        self.scheduler.wake()
        return row

    def change(self, schedule_id: str, owner: str | None, wish: ScheduleChange) -> ScheduleRow:
        """Have some of it otherwise from now on; runs at work go on as they began."""
        with self._database.read() as session:
            row = repository.find(session, schedule_id, owner)
        changed = wish.model_dump(mode="json", exclude_unset=True)
        order = ScheduleOrder.model_validate({**row.order, **changed})
        self._check(row.owner, order)
        with self._database.begin() as session:
            found = repository.find(session, schedule_id, owner, lock=True)
            if found.order.get("on", {}).get("cron") != order.model_dump(mode="json")["on"]["cron"]:
                found.planned_until = self._clock.now()
            found.order, found.name = order.model_dump(mode="json"), order.name
        self.scheduler.wake()
        return found

    def remove(self, schedule_id: str, owner: str | None) -> None:
        """End a schedule, and whatever it has at work."""
        with self._database.read() as session:
            repository.find(session, schedule_id, owner)
            open_runs = [
                run.id for run in repository.open_runs(session) if run.schedule_id == schedule_id
            ]
        for run_id in open_runs:
            self.carrier.cancel(run_id, owner, "the schedule was deleted")
        with self._database.begin() as session:
            repository.find(session, schedule_id, owner, lock=True)
            session.execute(delete(RunRow).where(RunRow.schedule_id == schedule_id))
            session.execute(delete(ScheduleRow).where(ScheduleRow.id == schedule_id))

    def pause(
        self, schedule_id: str, owner: str | None, *, is_paused: bool, reason: str | None = None
    ) -> ScheduleRow:
        """Begin nothing by itself, or begin again; what came due in the meantime is passed over."""
        with self._database.begin() as session:
            row = repository.find(session, schedule_id, owner, lock=True)
            if row.is_paused and not is_paused:
                row.planned_until = self._clock.now()
            row.is_paused, row.reason, row.failures = is_paused, reason, 0
        self.scheduler.wake()
        return row

    def run_now(self, schedule_id: str, owner: str | None, key: str | None) -> RunRow:
        """Ask for a run; the same key gives the same."""
        now = self._clock.now()
        with self._database.begin() as session:
            row = repository.find(session, schedule_id, owner, lock=True)
            wanted = f"manual:{key or secrets.token_hex(12)}"
            run = add(session, row, "manual", wanted[:120], now, now)
        self.scheduler.wake()
        return run

    def want(self, schedule_id: str, owner: str | None, wish: ObjectiveOrder) -> RunRow:
        """Other costs from now on, for this run and all later ones; raises Problem.

        Wishing for what is wished for already gives the run that answers it.
        """
        told = wish.model_dump(mode="json")
        now = self._clock.now()
        with self._database.begin() as session:
            row = repository.find(session, schedule_id, owner, lock=True)
            self._check_objective(monitor_of(session, row).system, wish)
            if row.objective != told:
                row.objective, row.objective_number = told, row.objective_number + 1
            run = add(session, row, "objective", f"objective:{row.objective_number}", now, now)
        self.scheduler.wake()
        return run

    def backfill(self, schedule_id: str, owner: str | None, wish: BackfillOrder) -> list[RunRow]:
        """Runs for cron times of the past, each once; raises Problem where there is no cron."""
        now = self._clock.now()
        with self._database.begin() as session:
            row = repository.find(session, schedule_id, owner, lock=True)
            cron = order_of(row).on.cron
            if cron is None:
                raise Problem("conflict", "the schedule has no cron: POST runs instead")
            until = min(wish.until, now)
            most = self.settings.backfill
            times = due_between(cron.expression, cron.time_zone, wish.since, until, most + 1)
            if len(times) > most:
                raise Problem("refused_input", f"more than {most} times: ask for fewer")
            runs = [
                add(session, row, "backfill", f"backfill:{time.isoformat()}", time, now)
                for time in times
            ]
        self.scheduler.wake()
        return runs

    def cancel_run(self, run_id: str, owner: str | None, reason: str) -> RunRow:
        """End a run that waits or is at work; raises Problem for one that has ended."""
        run = self.carrier.cancel(run_id, owner, reason)
        self.scheduler.wake()
        return run

    def view(self, row: ScheduleRow) -> ScheduleView:
        """A schedule as it is shown."""
        order = order_of(row)
        cron, next_at = order.on.cron, None
        if cron is not None and not row.is_paused:
            times = due_after(cron.expression, cron.time_zone, row.planned_until)
            next_at = next(times, None)
        return ScheduleView(
            **order.model_dump(),
            id=row.id,
            owner=row.owner,
            objective=None if not row.objective else ObjectiveOrder.model_validate(row.objective),
            is_paused=row.is_paused,
            reason=row.reason,
            failures=row.failures,
            next_at=next_at,
            created_at=row.created_at,
        )

    # What is checked, and who is told

    def _check(self, owner: str, order: ScheduleOrder) -> None:
        if order.on.cron is not None:
            check(order.on.cron.expression, order.on.cron.time_zone)
        answer = order.answer
        answer.check_training(answer.seed)
        with self._database.read() as session:
            monitor = monitors.find(session, order.monitor, owner)
            for reference in (monitor.policy, monitor.surrogate):
                holder = models.owner_of(session, asking.name_of(reference))
                if holder != owner:
                    raise Problem(
                        "forbidden",
                        f"{reference} belongs to somebody else: a run could register nothing "
                        "under its name",
                    )
        if answer.transitions is None:
            surrogate = self._models.resolve(monitor.surrogate, "surrogate")
            asking.transitions_of(self._jobs, surrogate, owner)
        else:
            self._jobs.get(answer.transitions.job, owner)
            self._jobs.repository.artefact(answer.transitions.job, answer.transitions.artefact)

    def _check_objective(self, system: str, wish: ObjectiveOrder) -> None:
        description = self._catalogue.find(system).description
        named: Sequence[tuple[str, Any, tuple[str, ...]]] = (
            ("costs", wish.costs, description.output_names),
            ("costs_at_close", wish.costs_at_close, description.state_names),
        )
        if wish.costs is None and wish.costs_at_close is None:
            raise Problem("refused_input", "say which costs are wanted")
        for what, costs, names in named:
            stray = [name for name in costs or {} if name not in names]
            if stray:
                raise Problem("refused_input", f"{what}: known are {', '.join(names)}"[:900])

    def _alarmed(self, session: Session, row: MonitorRow, alarm: Any) -> None:
        told = {"monitor": row.id, "name": row.name, "system": row.system, "alarm": dict(alarm)}
        self._webhooks.announce(session, row.owner, "monitor.alarm", told)
        self.scheduler.wake()

    def _failed(self, session: Session, row: MonitorRow) -> None:
        told = {"monitor": row.id, "name": row.name, "reason": row.reason}
        self._webhooks.announce(session, row.owner, "monitor.failed", told)

    def _removed(self, session: Session, row: MonitorRow) -> None:
        """Its schedules and runs go with it; their jobs are for nobody any more."""
        runs = [run for run in repository.open_runs(session) if run.monitor_id == row.id]
        for run in runs:
            event.listen(session, "after_commit", partial(self._drop, run), once=True)

    def _drop(self, run: RunRow, _: Session) -> None:
        self.carrier.drop_jobs(run)

    def _ended(self, session: Session, run: RunRow) -> None:
        self._ends.labels(run.trigger, run.state).inc()
        if run.state == "skipped":
            return
        told = {
            "run": run.id,
            "schedule": run.schedule_id,
            "monitor": run.monitor_id,
            "trigger": run.trigger,
            "state": run.state,
            "reason": run.reason,
        }
        self._webhooks.announce(
            session, run.owner, "run.failed" if run.state == "failed" else "run.ended", told
        )

    def _paused(self, session: Session, row: ScheduleRow) -> None:
        told = {"schedule": row.id, "name": row.name, "reason": row.reason}
        self._webhooks.announce(session, row.owner, "schedule.paused", told)
