"""Schedules over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.jobs.specs import Closed, FromJob, Investigating, Retraining, Seed, Values

Trigger = Literal["alarm", "cron", "objective", "manual", "backfill"]
RunState = Literal[
    "waiting", "calibrating", "retraining", "shadowing",
    "promoted", "kept", "skipped", "failed", "cancelled",
]  # fmt: skip
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
"""Beyond which not every time zone can say a time."""
_YEAR_SECONDS = 366 * 24 * 3600.0


class CronOrder(Closed):
    """At certain times."""

    expression: str = Field(max_length=100, examples=["0 3 * * 1"], description="Five fields")
    time_zone: str = Field(default="UTC", max_length=64, examples=["Europe/London"])
    jitter_seconds: float = Field(
        default=0.0, ge=0, le=24 * 3600,
        description="Each begins at random up to so much later, so that not all begin at once",
    )  # fmt: skip
    catch_up_seconds: float = Field(
        default=3600.0, ge=0, le=_YEAR_SECONDS,
        description="What was missed by no more is made up for, as after the service was away",
    )  # fmt: skip


class OnOrder(Closed):
    """What asks for a run, apart from a changed objective and a call."""

    alarm: bool = Field(default=True, description="An alarm of the monitor")
    cron: CronOrder | None = None


class BudgetOrder(Closed):
    """How often at most."""

    runs: int = Field(default=10, ge=1, le=10_000)
    days: float = Field(default=30.0, gt=0, le=366)


class ShadowOrder(Closed):
    """Let a challenger that passed the gate watch before it takes charge."""

    days: int = Field(ge=1, le=1000, description="Days of telemetry that must come in")
    within_seconds: float = Field(
        default=14 * 24 * 3600.0, gt=0, le=_YEAR_SECONDS,
        description="Evidence that has not come by then speaks against it",
    )  # fmt: skip


class AnswerOrder(Investigating, Retraining):
    """How a run re-estimates, trains and judges."""

    days: int = Field(default=60, ge=1, le=1000, description="Last days of telemetry to learn from")
    transitions: FromJob | None = Field(
        default=None,
        description="On which the surrogate was fitted; found by its lineage where not given",
    )
    shadow: ShadowOrder | None = None
    cores: int = Field(default=1, ge=1, le=1024)
    seed: Seed = 0


class ScheduleOrder(Closed):
    """A schedule that is wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "keep the front desk good",
                    "monitor": "mon_0123456789abcdef01234567",
                    "on": {
                        "alarm": True,
                        "cron": {"expression": "0 3 * * 1", "time_zone": "Europe/London"},
                    },
                    "answer": {"budget": {"seconds": 300}},
                    "cool_down_seconds": 86400,
                }
            ]
        },
    )

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
    monitor: str = Field(pattern=r"^mon_[0-9a-f]{24}$")
    on: OnOrder = OnOrder()
    answer: AnswerOrder = AnswerOrder()
    overlap: Literal["skip", "queue", "cancel"] = Field(
        default="skip",
        description="What becomes of a cron time or a call while a run is at work: nothing, or it "
        "waits, or it takes the other's place. Alarms and changed objectives always wait",
    )
    cool_down_seconds: float = Field(
        default=0.0, ge=0, le=_YEAR_SECONDS, description="Between the end of a run and the next"
    )
    budget: BudgetOrder | None = None
    pause_after_failures: int = Field(default=3, ge=1, le=100, description="In a row")


class ScheduleChange(Closed):
    """What is to be otherwise; what is not given stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"overlap": "queue", "cool_down_seconds": 3600}]},
    )

    name: str | None = Field(default=None, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
    on: OnOrder | None = None
    answer: AnswerOrder | None = None
    overlap: Literal["skip", "queue", "cancel"] | None = None
    cool_down_seconds: float | None = Field(default=None, ge=0, le=_YEAR_SECONDS)
    budget: BudgetOrder | None = None
    pause_after_failures: int | None = Field(default=None, ge=1, le=100)

    @model_validator(mode="after")
    def _check(self) -> ScheduleChange:
        for name in self.model_fields_set - {"budget"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name}: leave it out for what stays")
        return self


class ObjectiveOrder(Closed):
    """Other costs that are wanted from now on; the scenario's for what is not given."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"costs": {"registration_wait": 2.0}}]},
    )

    costs: Values | None = Field(default=None, description="Of one unit of each output")
    costs_at_close: Values | None = Field(default=None, description="Of what is left at the close")


class BackfillOrder(Closed):
    """Times of the past for which runs are to be made up."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}]
        },
    )

    since: datetime
    until: datetime

    @model_validator(mode="after")
    def _check(self) -> BackfillOrder:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError("give times with their offset from UTC")
        if self.since.year < _FIRST_YEAR or self.until.year > _LAST_YEAR:
            raise ValueError(f"give times of the years {_FIRST_YEAR} to {_LAST_YEAR}")
        if self.since >= self.until:
            raise ValueError("`since` must come before `until`")
        return self


class Why(Closed):
    """A reason, for those who read it later."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "stock-taking until Friday"}]},
    )  # fmt: skip

    reason: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]+$")


class RunView(BaseModel):
    """One answer: from what asked for it to what came of it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    schedule_id: str
    monitor_id: str
    owner: str
    number: int
    trigger: Trigger
    planned_at: datetime
    begin_at: datetime = Field(description="Not before")
    state: RunState
    reason: str | None = Field(description="Why it waits, or ended as it did")
    base: dict[str, Any] | None = Field(
        description="What was in charge, believed and wanted when it began"
    )
    calibrate_job: str | None
    retrain_job: str | None
    decision: dict[str, Any] | None = Field(description="What has changed, by the answer due")
    outcome: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class ScheduleView(BaseModel):
    """A schedule as it stands."""

    id: str
    owner: str
    name: str
    monitor: str
    on: OnOrder
    answer: AnswerOrder
    overlap: Literal["skip", "queue", "cancel"]
    cool_down_seconds: float
    budget: BudgetOrder | None
    pause_after_failures: int
    objective: ObjectiveOrder | None = Field(description="In place of the scenario's costs")
    is_paused: bool
    reason: str | None = Field(description="Why it is paused")
    failures: int = Field(description="In a row")
    next_at: datetime | None = Field(description="Next time of its cron")
    created_at: datetime
