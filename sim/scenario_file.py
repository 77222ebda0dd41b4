"""The form of a scenario file: keys, types and bounds, checked whole before anything is built."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SkipValidation,
    ValidationError,
    model_validator,
)

from sim.arrivals import Arrivals, build_arrivals
from sim.customers import QueueOrder
from sim.distributions import Distribution, build_distribution
from sim.drift import Drift, build_drift
from sim.errors import InvalidSettings, suggestion
from sim.servers import Picks, Preemption
from sim.volumes import Volumes

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _clock(value: object) -> str:
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return value
    raise ValueError(f"{value!r} is no time of day: write HH:MM")


def _moment(value: object) -> str | float:
    if isinstance(value, str):
        return _clock(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return float(value)
    raise ValueError(f"{value!r}: write a time of day, HH:MM, or minutes after opening")


def _servers(value: object) -> int | Literal["unlimited"]:
    if value == "unlimited":
        return "unlimited"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"{value!r} servers: a whole number, 0 or more, or 'unlimited'")


Clock = Annotated[str, PlainValidator(_clock)]
Moment = Annotated[str | float, PlainValidator(_moment)]
Servers = Annotated[int | Literal["unlimited"], PlainValidator(_servers)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Duration = Annotated[
    SkipValidation[Distribution], BeforeValidator(lambda t: _built(build_distribution, t))
]
Process = Annotated[SkipValidation[Arrivals], BeforeValidator(lambda t: _built(build_arrivals, t))]
Course = Annotated[SkipValidation[Drift], BeforeValidator(lambda t: _built(build_drift, t))]


def _built(build: Any, table: object) -> Any:
    if not isinstance(table, Mapping):
        raise ValueError(f"{table!r}: give a table")
    return build(table)


class Strict(BaseModel):
    """A part of the file; unknown keys are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


class VolumeSettings(Strict):
    """Where the real volumes are and which days are for what."""

    source: str
    time_column: str
    count_column: str
    opening: Clock
    slots: int = Field(gt=0)
    slot_minutes: int = Field(gt=0)
    fit_from: date
    fit_to: date
    live_from: date
    live_to: date

    @model_validator(mode="after")
    def _check_order(self) -> VolumeSettings:
        for first, last in (("fit_from", "fit_to"), ("live_from", "live_to")):
            if getattr(self, first) > getattr(self, last):
                raise ValueError(f"{first} {getattr(self, first)} is after {last}")
        return self

    def read(self, source: str | None = None) -> Volumes:
        """Read the whole series, from another file when one is named."""
        # Not before a file is read: pandas takes half a second, and most processes read none.
        from sim.volume_files import read_volumes

        return read_volumes(
            source or self.source,
            time_column=self.time_column,
            count_column=self.count_column,
            opening=self.opening,
            slots=self.slots,
            slot_minutes=self.slot_minutes,
        )


class DaySettings(Strict):
    """The hours of a system without volumes."""

    opening: Clock = "00:00"
    minutes: Positive


class EpochSettings(Strict):
    """When decisions are taken: every so many minutes, or after every event."""

    minutes: Positive | None = None
    events: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check_one(self) -> EpochSettings:
        if (self.minutes is None) == (self.events is None):
            raise ValueError("give either minutes or events")
        return self


class BalkingSettings(Strict):
    """Who turns away from a queue."""

    waiting: int = Field(ge=0)
    share: Share


class ClassSettings(Strict):
    """One class of customers."""

    name: str
    service: Duration
    patience: Duration | None = None
    routes: dict[str, Share] = {}
    abandonment_routes: dict[str, Share] = {}
    rejection_routes: dict[str, Share] = {}
    balking: tuple[BalkingSettings, ...] = ()
    order: QueueOrder = "first_come"
    admission: str | None = None


class BreakSettings(Strict):
    """Servers away for a while."""

    start: Moment
    minutes: Positive
    servers: int = Field(gt=0)


class BreakdownSettings(Strict):
    """How servers fail and come back."""

    uptime: Duration
    repair: Duration


class PoolSettings(Strict):
    """One pool of servers; a bare list stands for its shifts, a bare number for its servers."""

    servers: Servers | None = None
    shifts: tuple[tuple[Moment, Servers], ...] | None = None
    breaks: tuple[BreakSettings, ...] = ()
    picks: Picks = "stay"
    preemption: Preemption | None = None
    shared: bool = False
    setup: Duration | None = None
    breakdown: BreakdownSettings | None = None
    staffing: str | None = None
    order: str | None = None
    orders: tuple[tuple[str, ...], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_short_forms(cls, given: Any) -> Any:
        if isinstance(given, list):
            return {"shifts": given}
        return {"servers": given} if isinstance(given, int | str) else given

    @model_validator(mode="after")
    def _check_one(self) -> PoolSettings:
        if (self.servers is None) == (self.shifts is None):
            raise ValueError("give either servers or shifts")
        return self


class TeamSettings(Strict):
    """Servers of a pool who serve one class."""

    name: str
    pool: str
    serves: str
    speed: Positive = 1.0
    lever: str | None = None


class DispatcherSettings(Strict):
    """Sends each customer to one of several classes."""

    name: str
    to: tuple[str, ...]
    rule: Literal["shortest", "round_robin", "decision"] = "shortest"
    lever: str | None = None


class RoomSettings(Strict):
    """A finite number of places."""

    name: str
    places: int = Field(gt=0)
    classes: tuple[str, ...]
    when_full: Literal["lose", "block"] = "lose"


class LeverSettings(Strict):
    """What may be decided; positions of orders and routes need no levels."""

    name: str
    levels: tuple[float, ...] = ()


class BoxSettings(Strict):
    """Where a parameter may move."""

    low: Positive
    high: Positive


class Costs(Strict):
    """Money per unit of each output, and per customer left in each stock at close."""

    outputs: dict[str, float]
    at_close: dict[str, float] = {}
    unit: str = "dollars"


class Change(Strict):
    """A dated change of the real system's parameters."""

    on: date
    parameters: dict[str, Positive]


class StructuralChange(Strict):
    """From one episode on, the system is another variant of the scenario."""

    from_episode: int = Field(gt=0)
    variant: str


class ScenarioFile(Strict):
    """A scenario as its file has it."""

    name: str
    summary: str
    volumes: VolumeSettings | None = None
    day: DaySettings | None = None
    epochs: EpochSettings
    arrivals: dict[str, Process] = {}
    classes: tuple[ClassSettings, ...] = Field(min_length=1)
    pools: dict[str, PoolSettings] = Field(min_length=1)
    teams: tuple[TeamSettings, ...] = Field(min_length=1)
    dispatchers: tuple[DispatcherSettings, ...] = ()
    rooms: tuple[RoomSettings, ...] = ()
    levers: tuple[LeverSettings, ...] = ()
    parameters: dict[str, BoxSettings] = {}
    measures: tuple[Literal["wait", "present", "busy", "on", "overtime"], ...] = ("wait",)
    costs: Costs
    change: Change | None = None
    drift: dict[str, Course] = {}
    structural_change: StructuralChange | None = None

    @model_validator(mode="after")
    def _check_clock(self) -> ScenarioFile:
        if self.volumes is not None and (self.arrivals or self.day):
            raise ValueError("volumes say who comes and when: leave out arrivals and day")
        if self.volumes is None and not self.arrivals:
            raise ValueError("nobody comes: give volumes or arrivals")
        if self.volumes is None and (self.day is None) != (self.epochs.events is not None):
            raise ValueError("epochs of some minutes need a day with its minutes, events need none")
        if self.change is not None and self.volumes is None:
            raise ValueError("a change has a date and needs volumes: use drift")
        return self


class SimulatorFile(Strict):
    """A scenario around a simulator of the user's own."""

    name: str
    summary: str
    simulator: str
    """`module:Class`, or the name of an installed entry point."""
    options: dict[str, Any] = {}
    """Passed to the class."""
    costs: Costs
    drift: dict[str, Course] = {}


def check_file(content: dict[str, Any]) -> ScenarioFile | SimulatorFile:
    """The file's content in its form. Raises InvalidSettings with every fault at once."""
    form = SimulatorFile if "simulator" in content else ScenarioFile
    try:
        return form.model_validate(content)
    except ValidationError as error:
        raise InvalidSettings(*_faults(error, form)) from error


def _faults(error: ValidationError, form: type[BaseModel]) -> Iterator[str]:
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"])
        place = f"{where}: " if where else ""
        if fault["type"] == "extra_forbidden":
            known = _known_keys(fault["loc"], form)
            yield f"{place}unknown key{suggestion(str(fault['loc'][-1]), known)}"
        elif fault["type"] == "missing":
            yield f"{place}missing"
        elif fault["type"] == "value_error":
            cause = fault["ctx"]["error"]
            each = cause.faults if isinstance(cause, InvalidSettings) else (str(cause),)
            yield from (f"{place}{one}" for one in each)
        else:
            yield f"{where} = {fault['input']!r}: {fault['msg'].lower()}"


def _known_keys(location: tuple[int | str, ...], form: type[BaseModel]) -> list[str]:
    model: Any = form
    for part in location[:-1]:
        if isinstance(part, int) or part not in getattr(model, "model_fields", {}):
            continue
        model = _model_inside(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_inside(argument)
        if found is not None:
            return found
    return None
