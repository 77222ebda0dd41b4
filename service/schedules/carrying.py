"""Carries runs from step to step: estimate, decide, train, promote or keep.

Each step is a job under a key of its run, and each passage from one to the next is a transaction
that looks first whether the run still stands where it was. So whoever is killed in between is
followed by somebody who asks for the same job and takes the same passage once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from sqlalchemy.orm import Session

from service.clock import Clock
from service.database import Database
from service.errors import as_problem
from service.jobs.job import Job
from service.jobs.runtime import Jobs
from service.jobs.specs import FromJob
from service.jobs.states import JobState
from service.models.operations import CHALLENGER, CHAMPION, Evidence, Models
from service.models.repository import Move
from service.monitors.operations import Base, Monitors
from service.problems import Problem
from service.scenarios.catalogue import Catalogue
from service.schedules import asking, repository
from service.schedules.beginning import Verdict, judge
from service.schedules.planning import monitor_of, order_of
from service.schedules.schemas import ScheduleOrder
from service.schedules.tables import RunRow, ScheduleRow
from sim.errors import SurrogymError
from training.forms import TransitionsForm
from training.loop import Change, Decision

_log = structlog.get_logger("surrogym.schedules")
OnEnd = Callable[[Session, RunRow], None]
"""Hears of a run's end, in the transaction that notes it."""
OnPause = Callable[[Session, ScheduleRow], None]
"""Hears of a schedule that paused itself."""


Passage = Callable[[Session, RunRow], None]
"""From one step to the next, in a transaction."""


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """Takes runs further. Call it from one thread."""

    database: Database
    clock: Clock
    catalogue: Catalogue
    models: Models
    jobs: Jobs
    monitors: Monitors
    on_end: list[OnEnd]
    on_pause: list[OnPause]

    def carry(self, run_id: str) -> bool:
        """Take a run one step further where that is possible; whether it was."""
        with self.database.read() as session:
            run = repository.find_run(session, run_id)
            order = order_of(repository.find(session, run.schedule_id))
        steps = {
            repository.WAITING: self._begin,
            "calibrating": self._calibrate,
            "retraining": self._retrain,
            "shadowing": self._shadow,
        }
        step = steps.get(run.state)
        if step is None:
            return False
        try:
            return step(order, run)
        except (Problem, SurrogymError) as error:
            told = as_problem(error)
            if told.status >= 500:
                raise
            return self._end(run, "failed", told.detail or told.document()["title"])

    def cancel(self, run_id: str, owner: str | None, reason: str) -> RunRow:
        """End a run that is not over, and its job; raises Problem for one that is."""
        with self.database.begin() as session:
            run = repository.find_run(session, run_id, owner, lock=True)
            if run.state in repository.ENDED:
                raise Problem("conflict", f"the run is {run.state}: there is nothing to cancel")
            self._close(session, run, "cancelled", reason)
        self.drop_jobs(run)
        return run

    # Steps

    def _begin(self, order: ScheduleOrder, run: RunRow) -> bool:
        now, replaced = self.clock.now(), None
        with self.database.read() as session:
            row = repository.find(session, run.schedule_id)
            if judge(session, row, order, run, now) == Verdict("wait", run.reason):
                # As it did at the last look: nobody's lock is taken for that.
                return False
        with self.database.begin() as session:
            row = repository.find(session, run.schedule_id, lock=True)
            found = repository.find_run(session, run.id, lock=True)
            # Of all services, one at a time decides for a monitor.
            monitor = monitor_of(session, found, lock=True)
            if found.state != repository.WAITING:
                return False
            verdict = judge(session, row, order, found, now)
            if verdict.what == "wait":
                found.reason = verdict.reason
                if verdict.until is not None:
                    found.begin_at = max(found.begin_at, verdict.until)
                return False
            if verdict.what == "skip":
                self._close(session, found, "skipped", verdict.reason or "")
                return True
            if verdict.what == "replace":
                replaced = repository.at_work_on(session, run.monitor_id)
                if replaced is not None:
                    self._close(session, replaced, "cancelled", f"run {found.id} takes its place")
            if found.trigger == "alarm" and monitor.state != "alarm":
                self._close(session, found, "skipped", f"the monitor is {monitor.state} by now")
                return True
            if monitor.state == "alarm":
                self.monitors.begin_answer(session, monitor.id)
            found.base = {
                "system": monitor.system,
                "policy": monitor.policy,
                "surrogate": monitor.surrogate,
                "beliefs": dict(monitor.beliefs),
                "alarm": monitor.alarm,
                "objective": row.objective,
            }
            found.started_at, found.reason = now, None
            found.state = "calibrating"
            if found.trigger == "objective":
                found.state = "retraining"
                found.decision = Decision(
                    change=Change.OBJECTIVE, moved=(), reason="something else is wanted"
                ).to_record()
        if replaced is not None:
            self.drop_jobs(replaced)
        _log.info("run begins", run=run.id, trigger=run.trigger, monitor=run.monitor_id)
        return True

    def _calibrate(self, order: ScheduleOrder, run: RunRow) -> bool:
        if run.calibrate_job is None:
            with self._telemetry(order, run) as folder:
                spec = asking.calibration(order, run)
                material = {asking.TELEMETRY: Path(folder)}
                job = self.jobs.submit(run.owner, spec, f"{run.id}:calibrate", material)
            return self._note(run, calibrate_job=job.id)
        job = self.jobs.get(run.calibrate_job)
        if not job.state.is_final:
            return False
        if job.state is not JobState.DONE:
            return self._job_lost(run, job)
        decision = self._decided(run, job)
        if decision.change is Change.STRUCTURE and job.spec["structure_points"] is not None:
            assert run.base is not None
            # The test has looked at days of the simulator all over the box.
            told = (
                f"{decision.reason}; the simulator {run.base['system']!r} does not show what has "
                "changed: nobody is trained on it, watch by a simulator that does"
            )
            return self._end(run, "kept", told, decision=decision.to_record())
        if not decision.retrains:
            return self._end(run, "kept", decision.reason, decision=decision.to_record())
        return self._note(run, state="retraining", decision=decision.to_record())

    def _retrain(self, order: ScheduleOrder, run: RunRow) -> bool:
        if run.retrain_job is None:
            spec = asking.retraining(order, run, self._transitions(order, run))
            with ExitStack() as stack:
                material = {}
                if spec.telemetry is not None:
                    folder = stack.enter_context(self._telemetry(order, run))
                    material[asking.TELEMETRY] = Path(folder)
                job = self.jobs.submit(run.owner, spec, f"{run.id}:retrain", material)
            return self._note(run, retrain_job=job.id)
        job = self.jobs.get(run.retrain_job)
        if not job.state.is_final:
            return False
        if job.state is not JobState.DONE or job.outcome is None:
            return self._job_lost(run, job)
        outcome = self._judged(job, run)
        shadow = order.answer.shadow
        if shadow is not None and outcome["is_promoted"]:
            return self._begin_shadow(run, outcome)
        return self._conclude(run, outcome, str(job.outcome["reason"]))

    def _begin_shadow(self, run: RunRow, outcome: dict[str, Any]) -> bool:
        def begin(session: Session, found: RunRow) -> None:
            assert found.base is not None
            self._let_challenge(session, found, outcome)
            self.monitors.begin_shadow(
                session,
                found.monitor_id,
                policy=outcome["policy"],
                surrogate=outcome["surrogate"],
                beliefs=outcome["beliefs"],
                objective=found.base["objective"],
            )
            since = self.clock.now().isoformat()
            found.state, found.outcome = "shadowing", {**outcome, "shadowing_since": since}

        return self._pass(run, begin)

    def _shadow(self, order: ScheduleOrder, run: RunRow) -> bool:
        """Wait for days as they come, and for no more than so long."""
        assert run.outcome is not None
        wanted = order.answer.shadow
        days, within = (1, 0.0) if wanted is None else (wanted.days, wanted.within_seconds)
        report = self.monitors.shadow_report(run.monitor_id, None, days)
        if report.days >= days and report.relative_cost is not None:
            found = report.relative_cost
            told = (
                f"on {report.days} days as they came its imagined cost is {found.value:+.1%} "
                f"[{found.low:+.1%}, {found.high:+.1%}]"
            )
            outcome = {**run.outcome, "shadow": report.model_dump(mode="json")}
            outcome["is_promoted"] = found.high < 0
            return self._conclude(run, outcome, told)
        if self._passed(run.outcome["shadowing_since"]) < within:
            return False
        told = f"{report.days} of {days} days came, and evidence that is missing speaks against it"
        return self._conclude(run, {**run.outcome, "is_promoted": False}, told)

    def _passed(self, since: str) -> float:
        """Seconds."""
        return (self.clock.now() - datetime.fromisoformat(since)).total_seconds()

    # What is found

    def _decided(self, run: RunRow, job: Job) -> Decision:
        assert job.outcome is not None
        assert run.base is not None
        decision = Decision.from_record(job.outcome["decision"])
        if decision.retrains:
            return decision
        was_tested = job.spec["structure_points"] is not None
        if run.trigger == "alarm" and run.base["alarm"] is not None and not was_tested:
            parts = self._parts(run.base["system"], run.base["alarm"]["drifted"])
            if parts:
                told = f"no parameters inside the box explain what is seen of {', '.join(parts)}"
                return Decision(change=Change.STRUCTURE, moved=(), reason=told)
        if run.trigger in ("cron", "manual", "backfill"):
            # Asked for whatever has changed: the policy may still be bettered where it stands.
            told = f"{decision.reason}; asked for all the same"
            return Decision(change=Change.INSIDE, moved=(), reason=told)
        return decision

    def _parts(self, system: str, drifted: list[str]) -> list[str]:
        """What drifted and is no parameter."""
        known = {each.name for each in self.catalogue.find(system).description.parameters}
        return [name for name in drifted if name not in known]

    def _judged(self, job: Job, run: RunRow) -> dict[str, Any]:
        """What a re-training made, and what its gate measured."""
        assert job.outcome is not None
        assert run.base is not None
        published = {
            each.name: f"{each.published['name']}@{each.published['version']}"
            for each in self.jobs.repository.artefacts(job.id)
            if each.published is not None
        }
        return {
            "is_promoted": bool(job.outcome["is_promoted"]),
            "evidence": job.outcome["evidence"],
            "simulator_epochs": job.outcome["simulator_epochs"],
            "surrogate_steps": job.outcome["surrogate_steps"],
            "policy": published["policy"],
            "surrogate": published.get("surrogate", run.base["surrogate"]),
            "beliefs": job.outcome["beliefs"],
        }

    def _transitions(self, order: ScheduleOrder, run: RunRow) -> FromJob:
        assert run.base is not None
        if order.answer.transitions is not None:
            return order.answer.transitions
        surrogate = self.models.resolve(run.base["surrogate"], "surrogate")
        return asking.transitions_of(self.jobs, surrogate, run.owner)

    # Ends

    def _conclude(self, run: RunRow, outcome: dict[str, Any], reason: str) -> bool:
        """Promote or keep, believe what was found, and watch again: all or nothing."""

        def conclude(session: Session, found: RunRow) -> None:
            assert found.base is not None
            self._let_challenge(session, found, outcome)
            is_promoted, told = self._promote(session, found, outcome, reason)
            found.outcome = {**outcome, "is_promoted": is_promoted}
            self._follow_surrogate(session, found, outcome)
            base = Base(
                policy=outcome["policy"] if is_promoted else found.base["policy"],
                surrogate=outcome["surrogate"],
                beliefs=outcome["beliefs"],
                reason=told,
            )
            is_new = any(
                getattr(base, name) != found.base[name]
                for name in ("policy", "surrogate", "beliefs")
            )
            state = "promoted" if is_promoted else "kept"
            self._close(session, found, state, told, base if is_new else None)

        return self._pass(run, conclude)

    def _let_challenge(self, session: Session, run: RunRow, outcome: dict[str, Any]) -> None:
        wish = self._wish(run, asking.version_of(outcome["policy"]), "made by this run")
        self.models.stand(session, asking.name_of(outcome["policy"]), CHALLENGER, wish)

    def _promote(
        self, session: Session, run: RunRow, outcome: dict[str, Any], reason: str
    ) -> tuple[bool, str]:
        """Make champion what its evidence speaks for; of all else the alias's history has why."""
        assert run.base is not None
        measured = outcome["evidence"]
        name = asking.name_of(outcome["policy"])
        wish = self._wish(run, asking.version_of(outcome["policy"]), reason)
        evidence = Evidence(
            job=run.retrain_job,
            champion=asking.version_of(run.base["policy"]),
            low=measured["low"],
            value=measured["value"],
            high=measured["high"],
            episodes=measured["count"],
        )
        if outcome["is_promoted"]:
            return self.models.promote_in(session, name, wish, evidence)
        self.models.keep_champion(session, name, wish, evidence)
        return False, reason

    def _follow_surrogate(self, session: Session, run: RunRow, outcome: dict[str, Any]) -> None:
        assert run.base is not None
        if outcome["surrogate"] != run.base["surrogate"]:
            wish = self._wish(run, asking.version_of(outcome["surrogate"]), "it has learnt more")
            self.models.stand(session, asking.name_of(outcome["surrogate"]), CHAMPION, wish)

    def _wish(self, run: RunRow, version: int, reason: str) -> Move:
        actor = f"schedule {run.schedule_id}"
        told = f"{run.trigger}, run {run.id}: {reason}"
        return Move(version=version, actor=actor, reason=told[:1000])

    def _job_lost(self, run: RunRow, job: Job) -> bool:
        return self._end(run, "failed", f"job {job.id} is {job.state}: {job.reason}")

    def _end(self, run: RunRow, state: str, reason: str, **values: Any) -> bool:
        def end(session: Session, found: RunRow) -> None:
            _set(found, values)
            self._close(session, found, state, reason)

        return self._pass(run, end)

    def _close(
        self, session: Session, run: RunRow, state: str, reason: str, base: Base | None = None
    ) -> None:
        """End a run: the monitor is answered, failures are counted, and who listens hears of it."""
        was = run.state
        run.state, run.reason, run.ended_at = state, reason[:1000], self.clock.now()
        if was in repository.AT_WORK:
            with suppress(Problem):
                # The monitor may be gone.
                if was == "shadowing":
                    self.monitors.end_shadow(session, run.monitor_id)
                is_settled = state == "kept"
                self.monitors.end_answer(
                    session, run.monitor_id, base, reason, is_settled=is_settled
                )
        row = repository.find(session, run.schedule_id, lock=True)
        if state == "failed":
            row.failures += 1
            most = order_of(row).pause_after_failures
            if row.failures >= most and not row.is_paused:
                row.is_paused = True
                row.reason = f"{row.failures} runs in a row failed, the last: {reason}"[:1000]
                for hear in self.on_pause:
                    hear(session, row)
        elif state in ("promoted", "kept"):
            row.failures = 0
        for hear_end in self.on_end:
            hear_end(session, run)
        _log.info("run ended", run=run.id, state=state, reason=reason)

    def _note(self, run: RunRow, **values: Any) -> bool:
        return self._pass(run, lambda _, found: _set(found, values))

    def _pass(self, run: RunRow, passage: Passage) -> bool:
        """Take a passage in a transaction, if the run still stands where it was seen."""
        with self.database.begin() as session:
            found = repository.find_run(session, run.id, lock=True)
            if found.state != run.state:
                return False
            passage(session, found)
        return True

    def drop_jobs(self, run: RunRow) -> None:
        """Cancel what a run has asked for."""
        for job in (run.calibrate_job, run.retrain_job):
            if job is not None:
                with suppress(Problem):
                    self.jobs.cancel(job, reason=f"run {run.id} was cancelled")

    def _telemetry(self, order: ScheduleOrder, run: RunRow) -> TemporaryDirectory[str]:
        """The monitor's last days in a folder that goes once the job has its own."""
        assert run.base is not None
        days = self.monitors.telemetry(run.monitor_id, order.answer.days)
        description = self.catalogue.find(run.base["system"]).description
        folder = TemporaryDirectory(prefix="telemetry-", dir=self.jobs.data)
        TransitionsForm(description=description, lineage={"monitor": run.monitor_id}).write(
            Path(folder.name), days
        )
        return folder


def _set(run: RunRow, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(run, name, value)
