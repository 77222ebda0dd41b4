"""Commands and replies as bytes: JSON text for people, msgpack for speed.

In msgpack an array is `{dtype, shape, bytes}`, the bytes as they lie in memory, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from math import prod
from typing import Any

import msgspec
import numpy as np
import orjson

from service.problems import Problem
from service.sessions.frames import Frame, Kind
from service.sessions.refusal import Refused

_DTYPES = frozenset(("|b1", "|i1", "|u1", "<i2", "<i4", "<i8", "<u2", "<u4", "<u8", "<f4", "<f8"))
_MOST_ID = 2**53


class Form(IntEnum):
    """In which a message is written."""

    JSON = 0
    MSGPACK = 1


MEDIA = {Form.JSON: "application/json", Form.MSGPACK: "application/msgpack"}
"""Content types over HTTP."""


def form_of(content_type: str) -> Form | None:
    """The form of a body; None for what is not read here."""
    media = content_type.partition(";")[0].strip()
    return next((form for form, name in MEDIA.items() if name == media), None)


class Command(msgspec.Struct, kw_only=True):
    """A message to a session."""

    type: str = "step"
    step_id: int | None = None
    action: Any = None
    seed: int | None = None
    reset_mask: Any = None


_READERS: dict[int, Callable[[bytes | memoryview], Command]] = {
    Form.JSON: msgspec.json.Decoder(Command).decode,
    Form.MSGPACK: msgspec.msgpack.Decoder(Command).decode,
}


def read_command(payload: bytes | memoryview, form: int) -> Command:
    """A command as it arrived; raises Refused for what is none."""
    try:
        command = _READERS[form](payload)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Refused("invalid_request", f"no command: {_told(error)}") from error
    if command.step_id is not None and not 0 < command.step_id < _MOST_ID:
        raise Refused("invalid_request", "step_id: a whole number from 1")
    if command.seed is not None and not 0 <= command.seed < _MOST_ID:
        raise Refused("invalid_request", "seed: a whole number from 0 to below 2**53")
    command.action = _array(command.action)
    command.reset_mask = _array(command.reset_mask)
    return command


def write_reply(fields: Mapping[str, Any], form: int) -> bytes:
    """A reply as it is sent; its numbers are known to be finite."""
    if form == Form.JSON:
        return orjson.dumps(fields, option=orjson.OPT_SERIALIZE_NUMPY)
    return _ENCODER.encode(fields)


def write_hello(session_id: str, credit: int, step_id: int | None) -> bytes:
    """What a stream says first: how many commands may be under way, and the last step id."""
    return orjson.dumps(
        {"type": "hello", "session_id": session_id, "credit": credit, "step_id": step_id}
    )


def message_of(frame: Frame) -> bytes:
    """A worker's answer as a message: its reply, or the problem."""
    if frame.kind == Kind.REPLY:
        return frame.content
    return write_problem(Problem(*frame.told()), Form(frame.form), frame.number)


def write_problem(problem: Problem, form: Form, step_id: int | None = None) -> bytes:
    """A problem as a message; `step_id` is that of the last command that was done."""
    document = {"type": "error", "step_id": step_id, "problem": problem.document()}
    return orjson.dumps(document) if form is Form.JSON else msgspec.msgpack.encode(document)


def _raw(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        # A buffer of two dimensions would be refused, a flat one is written as it lies.
        return {"dtype": value.dtype.str, "shape": value.shape, "bytes": value.reshape(-1).data}
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} in a reply")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_raw)


def _array(given: Any) -> Any:
    """The array that a message tells; anything else as it is."""
    if not isinstance(given, dict):
        return given
    dtype, shape, content = (given.get(name) for name in ("dtype", "shape", "bytes"))
    if not (
        isinstance(dtype, str)
        and dtype in _DTYPES
        and isinstance(shape, list)
        and all(type(n) is int and n >= 0 for n in shape)
        and isinstance(content, bytes)
    ):
        raise Refused("invalid_request", "an array is {dtype, shape, bytes}, little endian")
    if prod(shape) * np.dtype(dtype).itemsize != len(content):
        raise Refused("invalid_request", f"{len(content)} bytes for {dtype} of shape {shape}")
    return np.frombuffer(content, dtype=dtype).reshape(shape)


def _told(error: Exception) -> str:
    return str(error)[:200] if isinstance(error, msgspec.MsgspecError) else "nested too deeply"
