"""Tables of settings that name a kind of thing and give its figures, checked whole.

A scenario file writes `service = { distribution = "gamma", mean = 3, scv = 0.5 }`. The keys that a
kind takes are the annotated arguments of its class, or of its `from_settings` where the two
differ, so that a new kind needs no more than its name in a table of kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from inspect import Parameter, signature
from reprlib import Repr
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from sim.errors import InvalidSettings, InvalidSystem, SurrogymError, suggestion

T = TypeVar("T")

Builder = Callable[[Mapping[str, object]], Any]
"""Builds a thing from a table of settings; InvalidSettings has every fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a figure must be, in the words of a message, and the test of it."""

    wanted: str
    holds: Callable[[Any], bool]


def _are_shares(values: tuple[float, ...]) -> bool:
    return all(value >= 0 for value in values) and math.isclose(sum(values), 1.0, abs_tol=1e-9)


Positive = Annotated[
    float, Limit(wanted="a finite number above 0", holds=lambda x: 0 < x < math.inf)
]
NotNegative = Annotated[
    float, Limit(wanted="a finite number, 0 or more", holds=lambda x: 0 <= x < math.inf)
]
PositiveCount = Annotated[int, Limit(wanted="a whole number above 0", holds=lambda n: n > 0)]
Probabilities = Annotated[
    tuple[float, ...],
    Limit(wanted="probabilities of 0 or more that sum to 1", holds=_are_shares),
]


def refuse_outside_limits(record: Any) -> None:
    """Raise InvalidSettings with every field of a dataclass that is outside its limit."""
    kind: Any = type(record)
    given = {field.name: getattr(record, field.name) for field in fields(record) if field.init}
    refuse_arguments(kind.__name__, get_hints(kind), given)


def refuse_arguments(what: str, hints: Mapping[str, Any], given: Mapping[str, object]) -> None:
    """Raise InvalidSettings with every argument that is outside the limit of its annotation."""
    faults = [
        f"{what}: {fault}"
        for name, value in given.items()
        for fault in _outside(name, value, _limits(hints[name]))
    ]
    if faults:
        raise InvalidSettings(*faults)


def build(
    settings: Mapping[str, object],
    *,
    naming_key: str,
    kinds: Mapping[str, Callable[..., T]],
    nested: Mapping[Any, Builder],
) -> T:
    """Build the kind that `settings[naming_key]` names from the other keys.

    `nested` has the builder of each type whose value is a table of its own. Raises InvalidSettings
    with all that is wrong: an unknown kind, unknown keys, missing keys, wrong types and refused
    values.
    """
    maker = _named(settings, naming_key, kinds)
    keys = _keys(maker)
    given = {name: value for name, value in settings.items() if name != naming_key}
    unknown = [f"{name}: unknown key{suggestion(name, keys)}" for name in given if name not in keys]
    try:
        made = maker(**_arguments(keys.values(), given, nested))
    except SurrogymError as error:
        raise InvalidSettings(*unknown, *faults_of(error)) from error
    if unknown:
        raise InvalidSettings(*unknown)
    return made


def _arguments(
    keys: Iterable[_Key], given: Mapping[str, object], nested: Mapping[Any, Builder]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    faults: list[str] = []
    for key in keys:
        try:
            values |= key.read(given, nested)
        except InvalidSettings as error:
            faults += error.faults
    if faults:
        raise InvalidSettings(*faults)
    return values


def faults_of(error: SurrogymError) -> tuple[str, ...]:
    """What an error says, one fault each."""
    return error.faults if isinstance(error, InvalidSettings) else (str(error),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """One key that a kind takes."""

    name: str
    type: Any
    limits: tuple[Limit, ...]
    is_required: bool

    def read(self, given: Mapping[str, object], nested: Mapping[Any, Builder]) -> dict[str, Any]:
        """The argument by its name; nothing where the key is left out and may be."""
        if self.name not in given:
            if self.is_required:
                raise InvalidSettings(f"{self.name}: missing; give {self._wanted}")
            return {}
        value = given[self.name]
        if self.type in nested:
            return {self.name: self._read_nested(value, nested[self.type])}
        read = _READERS[self.type].read(value)
        if read is None:
            raise InvalidSettings(f"{self.name} is {_shown(value)}: give {self._wanted}")
        faults = _outside(self.name, read, self.limits)
        if faults:
            raise InvalidSettings(*faults)
        return {self.name: read}

    @property
    def _wanted(self) -> str:
        if self.limits:
            return self.limits[0].wanted
        return _READERS[self.type].wanted if self.type in _READERS else "a table"

    def _read_nested(self, value: object, builder: Builder) -> Any:
        if not isinstance(value, Mapping):
            raise InvalidSettings(f"{self.name} is {_shown(value)}: give a table")
        try:
            return builder(value)
        except InvalidSystem as error:
            raise InvalidSettings(*(f"{self.name}: {f}" for f in faults_of(error))) from error


def _named(
    settings: Mapping[str, object], naming_key: str, kinds: Mapping[str, Callable[..., T]]
) -> Callable[..., T]:
    if naming_key not in settings:
        raise InvalidSettings(f"{naming_key}: missing; known: {', '.join(sorted(kinds))}")
    name = settings[naming_key]
    if not isinstance(name, str) or name not in kinds:
        hint = suggestion(name, kinds) if isinstance(name, str) else suggestion("", kinds)
        raise InvalidSettings(f"{naming_key}: unknown {_shown(name)}{hint}")
    kind = kinds[name]
    maker: Callable[..., T] = getattr(kind, "from_settings", kind)
    return maker


@cache
def _keys(maker: Callable[..., Any]) -> dict[str, _Key]:
    hints = get_hints(maker.__init__ if isinstance(maker, type) else maker)  # type: ignore[misc]
    return {
        name: _Key(
            name=name,
            type=_bare(hints[name]),
            limits=_limits(hints[name]),
            is_required=parameter.default is Parameter.empty,
        )
        for name, parameter in signature(maker).parameters.items()
    }


@cache
def get_hints(owner: Any) -> dict[str, Any]:
    """The annotations of a class or a function, limits included."""
    return get_type_hints(owner, include_extras=True)


def _present(hint: Any) -> Any:
    """The type without the None that stands for a key left out."""
    others = [part for part in get_args(hint) if part is not NoneType]
    return others[0] if NoneType in get_args(hint) and len(others) == 1 else hint


def _limits(hint: Any) -> tuple[Limit, ...]:
    return tuple(x for x in getattr(_present(hint), "__metadata__", ()) if isinstance(x, Limit))


def _bare(hint: Any) -> Any:
    return getattr(_present(hint), "__origin__", None) if _limits(hint) else _present(hint)


def _outside(name: str, value: object, limits: tuple[Limit, ...]) -> list[str]:
    if value is None:
        return []
    return [
        f"{name} is {_shown(value)}: give {limit.wanted}"
        for limit in limits
        if not limit.holds(value)
    ]


def _shown(value: object) -> str:
    """A value in a message: long ones are cut, lists are shown as the file has them."""
    short = Repr()
    short.maxstring = short.maxother = 60
    return short.repr(list(value) if isinstance(value, tuple) else value)


# Readers give None for what is not of their type; a settings file has no None of its own.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    wanted: str
    read: Callable[[object], Any]


def _number(value: object) -> float | None:
    # True is an int to Python, but nobody means 1 by it.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _each(read: Callable[[object], Any]) -> Callable[[object], tuple[Any, ...] | None]:
    def read_each(value: object) -> tuple[Any, ...] | None:
        items = tuple(map(read, value)) if isinstance(value, list | tuple) else (None,)
        return None if None in items else items

    return read_each


def _number_or_numbers(value: object) -> float | tuple[float, ...] | None:
    return _each(_number)(value) if isinstance(value, list | tuple) else _number(value)


def _named_numbers(value: object) -> dict[str, float] | None:
    if not isinstance(value, Mapping):
        return None
    numbers = {str(name): _number(item) for name, item in value.items()}
    return None if None in numbers.values() else numbers  # type: ignore[return-value]


_READERS: Mapping[Any, _Reader] = {
    float: _Reader(wanted="a number", read=_number),
    int: _Reader(wanted="a whole number", read=_whole),
    str: _Reader(wanted="text", read=_text),
    dict[str, float]: _Reader(wanted="a table of numbers", read=_named_numbers),
    tuple[float, ...]: _Reader(wanted="a list of numbers", read=_each(_number)),
    tuple[float, ...] | float: _Reader(
        wanted="a number or a list of numbers", read=_number_or_numbers
    ),
    tuple[tuple[float, ...], ...]: _Reader(
        wanted="a list of lists of numbers", read=_each(_each(_number))
    ),
}
