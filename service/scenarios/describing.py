"""Plug-ins described where their code can hang or crash without harm: in a process of its own.

What comes back is bytes, of which only plain values and our own records are made: neither a result
nor an exception of a plug-in's own class may import its module here.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from sim.description import Description, SystemDescription
from sim.errors import SurrogymError
from sim.explanation import explain
from sim.recipes import whole_recipe
from sim.scenario import load_scenario


def described(reference: str) -> tuple[dict[str, Any], Description]:
    """A scenario explained, and what its simulator says of itself; runs the simulator's code."""
    scenario = load_scenario(reference)
    description = whole_recipe(scenario)().describe()
    return explain(scenario, description), description


def describe(reference: str) -> dict[str, Any]:
    """The same for another process: the bytes of both, or why not."""
    try:
        explanation, description = described(reference)
        return {
            "explanation": _ENCODER.encode(explanation),
            "description": _ENCODER.encode(description),
            "is_system": isinstance(description, SystemDescription),
        }
    except SurrogymError as error:
        return {"refusal": str(error)}
    except Exception as error:
        return {"refusal": f"{type(error).__name__}: {error}"}


def read(told: dict[str, Any]) -> tuple[dict[str, Any], Description]:
    """What was described elsewhere; raises MsgspecError or SurrogymError for what is no record."""
    kind = SystemDescription if told["is_system"] else Description
    return (
        msgspec.msgpack.decode(told["explanation"], type=dict[str, Any]),
        msgspec.msgpack.decode(told["description"], type=kind, dec_hook=_array),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} in a description")


def _array(_: Any, value: Any) -> Any:
    return np.asarray(value, dtype=float)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
