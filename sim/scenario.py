"""Scenario files: a system, its costs and its data, read from TOML and checked whole."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sim.arrivals import Arrivals, PoissonArrivals
from sim.description import Lever
from sim.distributions import DISTRIBUTIONS, Distribution
from sim.epoch import Parameter
from sim.errors import InvalidParameters, InvalidSystem, suggestion
from sim.simulator import ServiceSystem
from sim.system import SCALES, CustomerClass, Route, ServerTeam, System
from sim.volumes import Volumes, read_volumes


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class VolumeSettings(_Strict):
    """Where the real volumes are and which days are for what."""

    source: str
    time_column: str
    count_column: str
    opening: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
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
        return read_volumes(
            source or self.source,
            time_column=self.time_column,
            count_column=self.count_column,
            opening=self.opening,
            slots=self.slots,
            slot_minutes=self.slot_minutes,
        )


class _Epochs(_Strict):
    minutes: int = Field(gt=0)


class _Duration(_Strict):
    distribution: Literal["exponential", "deterministic", "gamma", "lognormal"]
    mean: float = Field(gt=0)
    scv: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check_shape(self) -> _Duration:
        has_shape = any(field.name == "scv" for field in fields(DISTRIBUTIONS[self.distribution]))
        if has_shape != (self.scv is not None):
            raise ValueError(f"{self.distribution} needs {'an scv' if has_shape else 'no scv'}")
        return self

    def build(self) -> Distribution:
        kind = DISTRIBUTIONS[self.distribution]
        shape = {} if self.scv is None else {"scv": self.scv}
        return kind(mean=self.mean, **shape)


class _Class(_Strict):
    name: str
    service: _Duration
    patience: _Duration | None = None
    routes: dict[str, float] = {}


class _Team(_Strict):
    name: str
    pool: str
    serves: str
    speed: float = Field(default=1.0, gt=0)
    lever: str | None = None


class _Lever(_Strict):
    name: str
    levels: tuple[float, ...] = Field(min_length=2)


class _Box(_Strict):
    low: float = Field(gt=0)
    high: float = Field(gt=0)


class Costs(_Strict):
    """Money per unit of each output, and per customer left in each stock at close."""

    outputs: dict[str, float]
    at_close: dict[str, float] = {}


class Change(_Strict):
    """A dated change of the real system's parameters."""

    on: date
    parameters: dict[str, Annotated[float, Field(gt=0)]]


class _File(_Strict):
    name: str
    summary: str
    volumes: VolumeSettings
    epochs: _Epochs
    classes: tuple[_Class, ...] = Field(min_length=1)
    pools: dict[str, tuple[tuple[str, int], ...]]
    teams: tuple[_Team, ...] = Field(min_length=1)
    levers: tuple[_Lever, ...] = ()
    parameters: dict[str, _Box] = {}
    costs: Costs
    change: Change | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A centre that only lacks its arrivals, which are learnt from its volumes."""

    name: str
    summary: str
    volumes: VolumeSettings
    boundaries: tuple[float, ...]
    classes: tuple[CustomerClass, ...]
    teams: tuple[ServerTeam, ...]
    rosters: dict[str, Float[np.ndarray, "epoch"]]
    levers: tuple[Lever, ...]
    parameters: tuple[Parameter, ...]
    costs: Costs
    change: Change | None

    def system(self, arrivals: Arrivals) -> System:
        """The system under the given arrivals."""
        return System(
            name=self.name,
            arrivals=arrivals,
            classes=self.classes,
            teams=self.teams,
            rosters=self.rosters,
            boundaries=self.boundaries,
            levers=self.levers,
            parameters=self.parameters,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorRecipe:
    """Builds a scenario's simulator in whatever process calls it."""

    scenario: Scenario
    arrivals: Arrivals

    @property
    def system(self) -> System:
        """The system that the simulator runs."""
        return self.scenario.system(self.arrivals)

    def __call__(self) -> ServiceSystem:
        """A fresh simulator."""
        return ServiceSystem(self.system)


def bundled_scenarios() -> tuple[str, ...]:
    """Names of the scenarios that come with the package."""
    folder = resources.files("sim") / "scenarios"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def load_scenario(name_or_path: str) -> Scenario:
    """Read a bundled scenario by name or a user's file by path.

    Raises InvalidSystem with every fault of the file at once, near keys suggested.
    """
    text = _read(name_or_path)
    try:
        parsed = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidSystem(f"{name_or_path}: not valid TOML: {error}") from error
    except ValidationError as error:
        faults = "\n".join(f"  {fault}" for fault in _faults(error))
        raise InvalidSystem(f"{name_or_path}:\n{faults}") from error
    try:
        return _build(parsed)
    except (InvalidSystem, InvalidParameters) as error:
        raise InvalidSystem(f"{name_or_path}: {error}") from error


def _read(name_or_path: str) -> str:
    bundled = bundled_scenarios()
    if name_or_path in bundled:
        return (resources.files("sim") / "scenarios" / f"{name_or_path}.toml").read_text("utf-8")
    path = Path(name_or_path)
    if not path.is_file():
        raise InvalidSystem(
            f"no scenario {name_or_path!r}{suggestion(name_or_path, bundled)}; "
            "or give the path of a TOML file"
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSystem(f"{name_or_path}: cannot be read: {error}") from error


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            known = _known_keys(fault["loc"])
            yield f"{where}: unknown key{suggestion(str(fault['loc'][-1]), known)}"
        elif fault["type"] == "missing":
            yield f"{where}: missing"
        elif fault["type"] == "value_error":
            yield f"{where}: {fault['ctx']['error']}"
        else:
            yield f"{where} = {fault['input']!r}: {fault['msg'].lower()}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = _File
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


def _build(parsed: _File) -> Scenario:
    boundaries = _boundaries(parsed)
    scenario = Scenario(
        name=parsed.name,
        summary=parsed.summary.strip(),
        volumes=parsed.volumes,
        boundaries=boundaries,
        classes=tuple(_customer_class(c) for c in parsed.classes),
        teams=tuple(ServerTeam(**team.model_dump()) for team in parsed.teams),
        rosters={
            pool: _roster(pool, shifts, parsed.volumes.opening, boundaries)
            for pool, shifts in parsed.pools.items()
        },
        levers=tuple(Lever(name=lever.name, levels=lever.levels) for lever in parsed.levers),
        parameters=tuple(_parameter(name, box) for name, box in parsed.parameters.items()),
        costs=parsed.costs,
        change=parsed.change,
    )
    _check_names(scenario)
    return scenario


def _boundaries(parsed: _File) -> tuple[float, ...]:
    """Epochs of equal length; what remains at the end makes the last one longer."""
    minutes, slot = parsed.epochs.minutes, parsed.volumes.slot_minutes
    close = parsed.volumes.slots * slot
    if minutes % slot or minutes > close:
        raise InvalidSystem(
            f"epochs.minutes = {minutes}: a multiple of volumes.slot_minutes ({slot}), "
            f"at most the whole day ({close})"
        )
    return (*(float(minutes * k) for k in range(close // minutes)), float(close))


def _customer_class(parsed: _Class) -> CustomerClass:
    return CustomerClass(
        name=parsed.name,
        service=parsed.service.build(),
        patience=None if parsed.patience is None else parsed.patience.build(),
        routes=tuple(Route(to=to, probability=p) for to, p in parsed.routes.items()),
    )


def _roster(
    pool: str, shifts: tuple[tuple[str, int], ...], opening: str, boundaries: tuple[float, ...]
) -> Float[np.ndarray, "epoch"]:
    starts = np.array([_minutes(clock) - _minutes(opening) for clock, _ in shifts], dtype=float)
    if len(starts) == 0 or starts[0] > 0 or np.any(np.diff(starts) <= 0):
        raise InvalidSystem(f"pools.{pool}: shifts must begin at {opening} and follow in order")
    for (clock, _), start in zip(shifts, starts, strict=True):
        if start > 0 and start not in boundaries[:-1]:
            raise InvalidSystem(
                f"pools.{pool}: the shift at {clock} begins with no epoch of the day"
            )
    position = np.searchsorted(starts, boundaries[:-1], side="right") - 1
    return np.array([shifts[k][1] for k in position], dtype=float)


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    if not (hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
        raise InvalidSystem(f"{clock!r} is no time of day: write HH:MM")
    return 60 * int(hours) + int(minutes)


def _parameter(name: str, box: _Box) -> Parameter:
    if name not in SCALES:
        raise InvalidSystem(f"parameters.{name}: unknown{suggestion(name, SCALES)}")
    return Parameter(
        name=name, unit="factor on the scenario's figure", low=box.low, high=box.high, nominal=1.0
    )


def _check_names(scenario: Scenario) -> None:
    """Refuse costs and changes of things the system does not have."""
    description = scenario.system(
        PoissonArrivals(rate=1.0, minutes=scenario.boundaries[-1])
    ).describe()
    _refuse_unknown("costs.outputs", scenario.costs.outputs, description.output_names)
    stocks = [stock.name for stock in description.stocks]
    _refuse_unknown("costs.at_close", scenario.costs.at_close, stocks)
    if scenario.change is not None:
        known = [p.name for p in scenario.parameters]
        _refuse_unknown("change.parameters", scenario.change.parameters, known)


def _refuse_unknown(
    where: str, given: dict[str, float], known: tuple[str, ...] | list[str]
) -> None:
    for name in given:
        if name not in known:
            raise InvalidSystem(f"{where}.{name}: unknown{suggestion(name, known)}")
