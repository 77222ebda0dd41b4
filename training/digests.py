"""What tells the inputs of a step from others: a digest of values, however they are nested."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

_PICKLE_PROTOCOL = 2
"""The first by which all objects tell of themselves alike."""
Above = tuple[int, ...]
"""Identities of the objects within which one stands."""


def digest_of(*values: object) -> str:
    """What tells values from others: the same for values equally made, in another process too.

    Classes and functions of a module count by their names, not by what they do; a function that is
    made within another or has no name by its code and what it holds on to; anything else by all
    that is in it, as pickle sees it, and by the name of its class where pickle refuses it.
    """
    return hashlib.sha256(json.dumps(_told(values, ())).encode()).hexdigest()


def _told(value: object, above: Above) -> Any:
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, np.generic):
        return _told(value.item(), above)
    if isinstance(value, np.ndarray):
        return _told_array(value)
    if id(value) in above:
        return ["the one", len(above) - above.index(id(value)), "above"]
    above = (*above, id(value))
    if isinstance(value, Mapping):
        return ["mapping", *sorted([repr(key), _told(each, above)] for key, each in value.items())]
    if isinstance(value, list | tuple):
        return ["sequence", *(_told(each, above) for each in value)]
    if isinstance(value, set | frozenset):
        return ["set", *sorted(json.dumps(_told(each, above)) for each in value)]
    if is_dataclass(value) and not isinstance(value, type):
        parts = [[each.name, _told(getattr(value, each.name), above)] for each in fields(value)]
        return [type(value).__qualname__, *parts]
    if isinstance(value, MethodType):
        return ["method", value.__name__, _told(value.__self__, above)]
    if isinstance(value, FunctionType) and "<" in value.__qualname__:
        cells = (cell for cell in value.__closure__ or () if cell != CellType())
        held = [cell.cell_contents for cell in cells]
        given = [value.__defaults__, value.__kwdefaults__, *held]
        return ["function", _told_code(value.__code__), _told(given, above)]
    return _named(value) if hasattr(value, "__qualname__") else _told_object(value, above)


def _named(value: Any) -> list[Any]:
    return ["named", f"{value.__module__}.{value.__qualname__}"]


def _told_object(value: object, above: Above) -> list[Any]:
    """How pickle would make it again, without what it has worked out in the meantime."""
    # A class may refuse in any way it likes.
    try:
        reduced = value.__reduce_ex__(_PICKLE_PROTOCOL)
    except Exception:
        return _named(type(value))
    if isinstance(reduced, str):
        return ["named", f"{type(value).__module__}.{reduced}"]
    maker, given, state, *items = (*reduced, None, None, None)[:5]
    if isinstance(state, dict):
        state = {name: state[name] for name in state if not _is_worked_out(type(value), name)}
    contents = [list(each) for each in items if each is not None]
    return ["object", *(_told(part, above) for part in (maker, given, state, contents))]


def _is_worked_out(kind: type, name: str) -> bool:
    return isinstance(getattr(kind, name, None), cached_property)


def _told_array(values: np.ndarray) -> list[Any]:
    """Numbers as float64, as they are read back from Parquet."""
    if values.dtype.kind in "biuf":
        numbers = np.ascontiguousarray(values, dtype=np.float64)
        return ["array", list(values.shape), hashlib.sha256(numbers.tobytes()).hexdigest()]
    return ["array", list(values.shape), *map(str, values.ravel().tolist())]


def _told_code(code: CodeType) -> list[Any]:
    """What a function does; where it stands in its file does not count."""
    constants = [
        _told_code(each) if isinstance(each, CodeType) else _told(each, ())
        for each in code.co_consts
    ]
    return [code.co_code.hex(), list(code.co_names), constants]
