"""Monitors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from service.bodies import Strict

MonitorState = Literal["calibrating", "watching", "alarm", "answering", "failed"]
DayOutcome = Literal["open", "observed", "skipped", "kept"]
DetectorName = Literal["score cusum", "residual cusum", "adwin", "page-hinkley", "kswin"]
Reference = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}@[a-z0-9_-]{1,32}$", examples=["clinic-flow@champion"]
    ),
]
Day = Annotated[int, Field(ge=0, lt=2**53)]
Numbers = Annotated[list[FiniteFloat], Field(max_length=4096)]
Named = Annotated[dict[Annotated[str, Field(max_length=200)], FiniteFloat], Field(max_length=4096)]
_MOST_EPOCHS = 1_000_000


class WatchOrder(Strict):
    """How closely is watched."""

    detectors: list[DetectorName] = Field(
        default=["score cusum", "residual cusum"], min_length=1, max_length=5
    )
    run_length: float = Field(
        default=250.0, gt=1, le=1e6, description="Wanted mean days between false alarms of all"
    )
    in_control_days: int = Field(
        default=150, ge=20, le=10_000, description="Simulated, to calibrate on"
    )
    seed: int = Field(default=0, ge=0, lt=2**31)
    late_seconds: float = Field(
        default=3600.0, ge=0, le=1e8,
        description="For so long a day that lacks epochs is waited for once later ones came",
    )  # fmt: skip
    lacking: Literal["skip", "keep"] = Field(
        default="skip",
        description="What becomes of a day that still lacks epochs then: left out, or judged by "
        "what came of it",
    )
    stale_seconds: float | None = Field(
        default=None, gt=0, le=1e9, description="After so long without telemetry it is stale"
    )


class MonitorOrder(Strict):
    """A monitor that is wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "front desk",
                    "system": "clinic",
                    "surrogate": "clinic-flow@champion",
                    "policy": "clinic-policy@champion",
                }
            ]
        },
    )

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
    system: str = Field(min_length=1, max_length=130, description="As in /v1/scenarios")
    surrogate: Reference = Field(description="By which days are judged")
    policy: Reference = Field(description="In charge of the system")
    beliefs: Named = Field(
        default_factory=dict, description="Parameters that are believed; nominal where not given"
    )
    watch: WatchOrder = Field(default_factory=WatchOrder)
    first_day: Day = Field(
        default=0,
        description="The first that is expected: if it does not come, that is a gap. Days before "
        "are stored and not judged",
    )


class EpochRecord(Strict):
    """One epoch of the running system; numbers by name, or in the order of the scenario."""

    day: Day
    index: int = Field(ge=0, lt=_MOST_EPOCHS, description="Within the day, from 0")
    state: Named | Numbers = Field(description="At its beginning")
    decision: Named | Numbers = Field(description="Level of each lever")
    outputs: Named | Numbers
    next_state: Named | Numbers = Field(description="At its end")
    minutes: float = Field(gt=0, allow_inf_nan=False, description="That it lasted")
    is_last: bool = Field(default=False, description="Whether the day ended with it")


class EpochBatch(Strict):
    """Epochs in any order; what came before may come again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "epochs": [
                        {
                            "day": 0,
                            "index": 0,
                            "state": {"waiting": 3},
                            "decision": {"desks": 2},
                            "outputs": {"wait": 41.5},
                            "next_state": {"waiting": 1},
                            "minutes": 30,
                        }
                    ]
                }
            ]
        },
    )

    epochs: list[EpochRecord] = Field(min_length=1, max_length=100_000)


class Refused(BaseModel):
    """An epoch that was there already with other numbers; the first ones stay."""

    day: int
    index: int


class Received(BaseModel):
    """What became of a batch."""

    stored: int
    duplicates: int = Field(description="There already, with the same numbers")
    refused: list[Refused]
    late: int = Field(description="Stored for days that were judged or passed over already")


class Alarm(BaseModel):
    """What was raised, on which day, and what drifted."""

    day: int
    detectors: list[str]
    drifted: list[str] = Field(description="Parameters and parts of the system, the clearest first")
    since_days: int
    at: datetime


class Calibrated(BaseModel):
    """What the detectors were tuned to, and what that came to."""

    days: int
    seconds: float
    thresholds: dict[str, float]
    run_lengths: dict[str, Any] = Field(description="Mean days between false alarms, as simulated")


class MonitorView(BaseModel):
    """A monitor as it stands."""

    id: str
    name: str
    owner: str
    system: str
    surrogate: str
    policy: str
    beliefs: dict[str, float]
    watch: WatchOrder
    state: MonitorState
    is_paused: bool
    is_stale: bool = Field(description="Whether no telemetry came for longer than it should")
    reason: str | None
    generation: int = Field(description="Counts its calibrations")
    first_day: int = Field(description="The first day that is expected")
    next_day: int = Field(description="The first day that is not judged yet")
    calibration: Calibrated | None
    alarm: Alarm | None
    shadow: str | None = Field(description="Challenger that watches")
    duplicates: int
    conflicts: int
    late: int
    created_at: datetime
    last_epoch_at: datetime | None


class DayView(BaseModel):
    """One day."""

    day: int
    received: int
    length: int | None = Field(description="Epochs that it has; null until the last one came")
    outcome: DayOutcome
    generation: int | None
    is_alarm: bool
    verdicts: dict[str, Any] | None = Field(description="Of each detector")
    shadow: dict[str, Any] | None = Field(description="What a challenger would have done")
    first_at: datetime
    last_at: datetime


class Gap(BaseModel):
    """What did not come."""

    day: int
    through: int = Field(description="The last of the days in a row")
    missing: list[int] | None = Field(
        description="Epochs that lack, the first hundred; null where nothing came of the day"
    )
    outcome: str


class Series(BaseModel):
    """What one detector saw of one part, day by day."""

    detector: str
    part: str
    threshold: float
    days: list[int]
    residuals: list[float] = Field(description="Standardised")
    evidence: list[float] = Field(description="The greater of both sums, to hold to the threshold")


class Residuals(BaseModel):
    """All series of the last days."""

    series: list[Series]
    alarms: list[int] = Field(description="Days on which an alarm was raised")


class ShadowOrder(Strict):
    """A challenger that is to watch."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"policy": "clinic-policy@challenger"}]}
    )

    policy: Reference = Field(examples=["clinic-policy@challenger"])


class RelativeCost(BaseModel):
    """Of a challenger against who is in charge, below 0 is cheaper; with its 95% interval."""

    value: float
    low: float
    high: float


class ShadowReport(BaseModel):
    """What a challenger would have done on days as they came."""

    policy: str
    against: str = Field(description="In charge")
    since_day: int
    days: int = Field(description="Compared so far")
    differs: float | None = Field(description="Share of decisions that differ")
    relative_cost: RelativeCost | None = Field(
        description="As the surrogate imagines it from the states of the days; null until two came"
    )


class Acknowledgement(Strict):
    """Why an alarm asks for nothing more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "a public holiday"}]})

    reason: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]+$")
