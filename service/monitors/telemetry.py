"""Epochs as they were sent, as they are stored, and as detectors take them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from jaxtyping import Float

from service.monitors.schemas import EpochRecord
from service.problems import Fault, Problem
from sim.description import Description
from surrogates.dataset import Transitions

_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch to be stored."""

    day: int
    position: int
    is_last: bool
    digest: str
    content: dict[str, Any]


def read_epochs(records: Sequence[EpochRecord], description: Description) -> list[Epoch]:
    """Epochs with their numbers in the order of the description.

    Raises Problem that names the faults, of all records at once.
    """
    names = {
        "state": description.state_names,
        "decision": description.lever_names,
        "outputs": description.output_names,
        "next_state": description.state_names,
    }
    faults: list[Fault] = []
    found = [
        _read(record, names, f"body/epochs/{position}", faults)
        for position, record in enumerate(records)
    ]
    if faults:
        raise Problem("invalid_request", errors=faults[:_MOST_FAULTS])
    return found


def _read(
    record: EpochRecord, names: Mapping[str, tuple[str, ...]], at: str, faults: list[Fault]
) -> Epoch:
    content: dict[str, Any] = {
        group: _in_order(getattr(record, group), wanted, f"{at}/{group}", faults)
        for group, wanted in names.items()
    }
    content |= {"minutes": record.minutes, "is_last": record.is_last}
    told = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return Epoch(
        day=record.day,
        position=record.index,
        is_last=record.is_last,
        digest=hashlib.sha256(told).hexdigest()[:32],
        content=content,
    )


def _in_order(
    given: Mapping[str, float] | Sequence[float],
    names: tuple[str, ...],
    at: str,
    faults: list[Fault],
) -> list[float]:
    if isinstance(given, Mapping):
        lacking = [name for name in names if name not in given]
        unknown = [name for name in given if name not in names]
        if lacking or unknown:
            faults.append(Fault(at=at, reason=_named(lacking, unknown)))
            return []
        return [float(given[name]) for name in names]
    if len(given) != len(names):
        faults.append(Fault(at=at, reason=f"{len(given)} numbers, the scenario has {len(names)}"))
        return []
    return [float(value) for value in given]


def _named(lacking: list[str], unknown: list[str]) -> str:
    said = []
    if lacking:
        said.append(f"lacks {', '.join(lacking[:5])}")
    if unknown:
        said.append(f"{len(unknown)} names that the scenario does not have")
    return "; ".join(said)


def to_transitions(
    contents: Sequence[Mapping[str, Any]],
    episode: int,
    beliefs: Float[np.ndarray, "parameter"],
    policy: str,
) -> Transitions:
    """One day as detectors take it, recorded at the parameters that are believed."""
    rows = len(contents)

    def column(group: str) -> Float[np.ndarray, "row number"]:
        return np.array([each[group] for each in contents], dtype=float).reshape(rows, -1)

    return Transitions(
        state=column("state"),
        decision=column("decision"),
        parameters=np.tile(beliefs, (rows, 1)),
        next_state=column("next_state"),
        outputs=column("outputs"),
        duration=np.array([each["minutes"] for each in contents], dtype=float),
        episode=np.full(rows, episode),
        policy=np.full(rows, policy),
    )
