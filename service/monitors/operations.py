"""Monitors at work: made, fed, answered."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from anyio.to_thread import run_sync
from sqlalchemy.orm import Session

from service.models.operations import Models
from service.monitors import repository
from service.monitors.metrics import MonitorMetrics
from service.monitors.repository import Intake
from service.monitors.schemas import EpochBatch, MonitorOrder, RelativeCost, ShadowReport
from service.monitors.supervision import OnAlarm, OnChange, Supervisor
from service.monitors.tables import MonitorRow
from service.monitors.telemetry import read_epochs, to_transitions
from service.ownership import count_owned
from service.platform import Platform
from service.problems import Problem
from service.scenarios.catalogue import Catalogue
from sim.epoch import parameter_vector
from sim.streams import stream
from surrogates.dataset import Transitions, concatenate
from training.evaluation import relative_difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a monitor judges by from now on."""

    policy: str
    """In charge, as `name@version`."""
    surrogate: str
    beliefs: Mapping[str, float]
    reason: str


class Monitors:
    """The monitors of one running service. Call it from threads: it waits for the database."""

    def __init__(self, platform: Platform, catalogue: Catalogue, models: Models) -> None:
        self._database, self._clock = platform.database, platform.clock
        self._catalogue, self._models = catalogue, models
        self.settings = platform.settings.monitors
        self.metrics = MonitorMetrics(platform.metrics)
        self.on_remove: list[OnChange] = []
        """Who hears of monitors that are removed, before they are, in the same transaction."""
        self.supervisor = Supervisor(
            platform.database,
            platform.clock,
            models,
            catalogue,
            self.settings,
            platform.settings.data / "calibrations",
            self.metrics,
        )

    @property
    def on_failure(self) -> list[OnChange]:
        """Who hears of monitors that fail, in the transactions that note it."""
        return self.supervisor.on_failure

    @property
    def on_alarm(self) -> list[OnAlarm]:
        """Who hears of alarms, in the transactions that note them."""
        return self.supervisor.on_alarm

    async def start(self) -> None:
        """Take up what was left."""
        self.supervisor.start()

    async def stop(self, seconds: float) -> None:
        """Lay all down, to be taken up again."""
        await run_sync(self.supervisor.stop, seconds)

    def missing(self) -> list[str]:
        """What it lacks to be of use."""
        return [] if self.supervisor.is_well else ["nobody looks after monitors"]

    def create(self, owner: str, order: MonitorOrder) -> MonitorRow:
        """A new monitor, which calibrates first; what it stands on is held to its version now."""
        known = self._catalogue.find(order.system)
        description = known.description
        beliefs = parameter_vector(description.parameters, dict(order.beliefs))
        surrogate = self._models.resolve(order.surrogate, "surrogate")
        policy = self._models.resolve(order.policy, "policy")
        for each in (surrogate, policy):
            if each.system != order.system:
                raise Problem("refused_input", f"{each.reference} is of {each.system}")
        row = MonitorRow(
            id=f"mon_{secrets.token_hex(12)}",
            owner=owner,
            name=order.name,
            system=order.system,
            surrogate=surrogate.reference,
            policy=policy.reference,
            beliefs=description.parameter_values(beliefs),
            watch=order.watch.model_dump(),
            state="calibrating",
            is_paused=False,
            generation=1,
            attempts=0,
            first_day=order.first_day,
            next_day=order.first_day,
            duplicates=0,
            conflicts=0,
            late=0,
            created_at=self._clock.now(),
        )
        with self._database.begin() as session:
            if count_owned(session, MonitorRow, owner) >= self.settings.per_owner:
                raise Problem("quota_exceeded", f"at most {self.settings.per_owner} monitors")
            session.add(row)
        self.supervisor.wake()
        return row

    def take_in(self, monitor_id: str, owner: str | None, batch: EpochBatch) -> Intake:
        """Store a batch of epochs, each once; raises Problem, with every fault, for bad ones."""
        if len(batch.epochs) > self.settings.epochs_per_request:
            most = self.settings.epochs_per_request
            raise Problem("too_large", f"at most {most} epochs in one request")
        with self._database.read() as session:
            system = repository.find(session, monitor_id, owner).system
        epochs = read_epochs(batch.epochs, self._catalogue.find(system).description)
        with self._database.begin() as session:
            row = repository.find(session, monitor_id, owner, lock=True)
            intake = repository.take_in(session, row, epochs, self._clock.now())
        self.metrics.epochs.labels("stored").inc(intake.stored)
        self.metrics.epochs.labels("duplicate").inc(intake.duplicates)
        self.metrics.epochs.labels("refused").inc(len(intake.refused))
        if intake.stored:
            self.supervisor.wake()
        return intake

    def acknowledge(self, monitor_id: str, owner: str | None, reason: str) -> MonitorRow:
        """An alarm asks for nothing: watch on from the next day, with fresh detectors."""
        with self._database.begin() as session:
            row = repository.find(session, monitor_id, owner, lock=True)
            if row.state != "alarm":
                raise Problem("conflict", f"the monitor is {row.state}: there is nothing to answer")
            row.state, row.states, row.alarm = "watching", None, None
            row.reason = f"acknowledged: {reason}"[:1000]
        self.supervisor.wake()
        return row

    def pause(self, monitor_id: str, owner: str | None, *, is_paused: bool) -> MonitorRow:
        """Store telemetry without judging it, or judge again."""
        with self._database.begin() as session:
            row = repository.find(session, monitor_id, owner, lock=True)
            row.is_paused = is_paused
            if not is_paused and row.state == "failed":
                row.state = "watching" if row.calibration else "calibrating"
                row.attempts = 0
        self.supervisor.wake()
        return row

    def remove(self, monitor_id: str, owner: str | None) -> None:
        """End a monitor, forget its telemetry, and all that is done about it."""
        with self._database.begin() as session:
            row = repository.find(session, monitor_id, owner, lock=True)
            for hear in self.on_remove:
                hear(session, row)
            repository.remove(session, monitor_id)

    def begin_answer(self, session: Session, monitor_id: str) -> MonitorRow:
        """Somebody answers an alarm, in the transaction that notes who; else raises Problem."""
        row = repository.find(session, monitor_id, lock=True)
        if row.state != "alarm":
            raise Problem("conflict", f"the monitor is {row.state}: there is nothing to answer")
        row.state = "answering"
        return row

    def end_answer(
        self,
        session: Session,
        monitor_id: str,
        base: Base | None,
        reason: str,
        *,
        is_settled: bool = False,
    ) -> None:
        """The answer is given, in the transaction that notes it.

        With a base the monitor calibrates anew and watches the days that come from then on.
        Without one an alarm stands, unless it is settled: then it asks for nothing more, and the
        next days are watched by fresh detectors. A monitor whose alarm nobody answers is left as
        it is.
        """
        row = repository.find(session, monitor_id, lock=True)
        if base is None:
            if row.state == "answering":
                row.state = "watching" if is_settled else "alarm"
                row.reason = reason[:1000]
                if is_settled:
                    row.states = row.alarm = None
            return
        newest = repository.days(session, monitor_id, None, 1)
        row.next_day = max([row.next_day, *(day.day + 1 for day in newest)])
        row.policy, row.surrogate = base.policy, base.surrogate
        row.beliefs = dict(base.beliefs)
        row.generation += 1
        row.state, row.alarm, row.attempts = "calibrating", None, 0
        row.states = row.calibration = None
        row.reason = reason[:1000]

    def let_shadow(self, monitor_id: str, owner: str | None, policy: str) -> None:
        """Compare a challenger with who is in charge on days to come; raises Problem."""
        challenger = self._models.resolve(policy, "policy")
        with self._database.begin() as session:
            row = repository.find(session, monitor_id, owner, lock=True)
            if challenger.system != row.system:
                raise Problem("refused_input", f"{challenger.reference} is of {challenger.system}")
            self.begin_shadow(
                session, monitor_id, policy=challenger.reference, surrogate=row.surrogate,
                beliefs=row.beliefs, objective=None,
            )  # fmt: skip

    def drop_shadow(self, monitor_id: str, owner: str | None) -> None:
        """Compare no more."""
        with self._database.begin() as session:
            repository.find(session, monitor_id, owner)
            self.end_shadow(session, monitor_id)

    def begin_shadow(
        self,
        session: Session,
        monitor_id: str,
        *,
        policy: str,
        surrogate: str,
        beliefs: Mapping[str, float],
        objective: Mapping[str, Any] | None,
    ) -> None:
        """The same in somebody's transaction, on a surrogate and at beliefs of his own."""
        row = repository.find(session, monitor_id, lock=True)
        newest = repository.days(session, monitor_id, None, 1)
        row.shadow = {
            "policy": policy,
            "against": row.policy,
            "surrogate": surrogate,
            "beliefs": dict(beliefs),
            "objective": None if objective is None else dict(objective),
            "since_day": max([row.next_day, *(day.day + 1 for day in newest)]),
        }

    def end_shadow(self, session: Session, monitor_id: str) -> None:
        """Nobody is compared any more."""
        repository.find(session, monitor_id, lock=True).shadow = None

    def shadow_report(
        self, monitor_id: str, owner: str | None, most_days: int = 1000
    ) -> ShadowReport:
        """What was found so far; raises Problem where nobody watches."""
        with self._database.read() as session:
            row = repository.find(session, monitor_id, owner)
            if not row.shadow:
                raise Problem("not_found", "no challenger watches: PUT one")
            since = int(row.shadow["since_day"])
            days = repository.days_from(session, monitor_id, since, most_days)
        return report_of(row.shadow, [day.shadow for day in days if day.shadow])

    def telemetry(self, monitor_id: str, most_days: int) -> Transitions:
        """The last whole days that were judged or that wait behind an alarm, as transitions.

        Raises Problem where there are none.
        """
        with self._database.read() as session:
            row = repository.find(session, monitor_id)
            days = [
                day
                for day in repository.days(session, monitor_id, None, 2 * most_days)
                if repository.is_complete(day)
            ][:most_days]
            contents = [(d.day, repository.contents(session, monitor_id, d.day)) for d in days]
        if not contents:
            raise Problem("conflict", "no whole day of telemetry yet")
        description = self._catalogue.find(row.system).description
        beliefs = parameter_vector(description.parameters, row.beliefs)
        return concatenate(
            [to_transitions(told, day, beliefs, row.policy) for day, told in reversed(contents)]
        )

    def gaps(self, monitor_id: str, owner: str | None, most: int) -> Sequence[Mapping[str, Any]]:
        """What did not come, of the last days: lacking days, and lacking epochs of days."""
        with self._database.read() as session:
            expected = repository.find(session, monitor_id, owner).first_day
            earlier, days = repository.last_days(session, monitor_id, most)
            if earlier is not None:
                expected = max(expected, earlier + 1)
            found: list[dict[str, Any]] = []
            for day in days:
                if day.day > expected:
                    found.append(_gap(expected, day.day - 1, None, "nothing came"))
                expected = max(expected, day.day + 1)
                if not repository.is_complete(day):
                    came = repository.positions(session, monitor_id, day.day)
                    found.append(_gap(day.day, day.day, _lacking(came, day.length), day.outcome))
        return found


def report_of(shadow: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> ShadowReport:
    """What days add up to, each weighing the same."""
    found = [day for day in found if day["policy"] == shadow["policy"]]
    relative = None
    if len(found) > 1:
        estimate = relative_difference(
            np.array([day["challenger"] for day in found]),
            np.array([day["in_charge"] for day in found]),
            stream(0, "shadow"),
        )
        relative = RelativeCost(value=estimate.value, low=estimate.low, high=estimate.high)
    return ShadowReport(
        policy=shadow["policy"],
        against=shadow["against"],
        since_day=shadow["since_day"],
        days=len(found),
        differs=sum(day["differs"] for day in found) / len(found) if found else None,
        relative_cost=relative,
    )


def _gap(day: int, through: int, missing: list[int] | None, outcome: str) -> dict[str, Any]:
    return {"day": day, "through": through, "missing": missing, "outcome": outcome}


def _lacking(came: Sequence[int], length: int | None) -> list[int]:
    """Epochs before the last one that is known of, the first hundred."""
    last = length if length is not None else (max(came) + 1 if came else 0)
    there = set(came)
    return [position for position in range(last) if position not in there][:100]
