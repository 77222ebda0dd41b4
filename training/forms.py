"""The forms in which a journal keeps what training makes: open files, checked when read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.description import Description
from surrogates.dataset import Transitions, read_transitions, write_transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import Surrogate
from surrogates.storage import (
    fingerprint,
    load_artefact,
    load_surrogate,
    save_artefact,
    save_surrogate,
)
from surrogates.support import Support
from training.evaluation import Comparison
from training.journal import InvalidJournal, write_json
from training.policies import NetworkPolicy

_ROWS, _PRINT = "transitions.parquet", "sha256.json"


@runtime_checkable
class SupportsRecord(Protocol):
    """Anything that JSON takes."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        ...


Record = TypeVar("Record", bound=SupportsRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordForm(Generic[Record]):
    """Small facts of one class as JSON."""

    from_record: Callable[[dict[str, Any]], Record]
    """Rebuilds one from what its `to_record` gave."""

    def write(self, folder: Path, value: Record) -> None:
        """As `record.json`."""
        write_json(folder / "record.json", value.to_record())

    def read(self, folder: Path) -> Record:
        """Raises InvalidJournal for a damaged file."""
        return self.from_record(read_json(folder / "record.json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionsForm:
    """Transitions of one system as Parquet, with the hash of the file beside it."""

    description: Description
    lineage: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, value: Transitions) -> None:
        """With the lineage as provenance."""
        write_transitions(folder / _ROWS, value, self.description, self.lineage)
        write_json(folder / _PRINT, {"sha256": fingerprint(folder / _ROWS)})

    def read(self, folder: Path) -> Transitions:
        """Raises InvalidDataset when the file is not the one that was written."""
        if fingerprint(folder / _ROWS) != read_json(folder / _PRINT).get("sha256"):
            raise InvalidDataset(
                f"{folder / _ROWS} is not what was written: delete {folder.parent} to have it made "
                "again"
            )
        return read_transitions(folder / _ROWS, self.description)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurrogateForm:
    """A fitted surrogate of one system, as it is stored for others too."""

    description: Description
    lineage: dict[str, Any] = field(default_factory=dict)
    support: Support | None = None
    """Where it has been, where that is known."""

    def write(self, folder: Path, value: Surrogate) -> None:
        """With its lineage."""
        save_surrogate(folder / "surrogate", value, self.lineage, self.support)

    def read(self, folder: Path) -> Surrogate:
        """Raises TamperedArtefact for anything but what was saved."""
        return load_surrogate(folder / "surrogate", self.description)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyForm:
    """A policy for one system."""

    system: str
    lineage: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, value: NetworkPolicy) -> None:
        """With its name and its lineage."""
        facts = {**self.lineage, "kind": "policy", "system": self.system, "name": value.name}
        save_artefact(folder / "policy", value.to_tensors(), facts)

    def read(self, folder: Path) -> NetworkPolicy:
        """Raises TamperedArtefact for anything but what was saved."""
        artefact = load_artefact(folder / "policy", kind="policy", system=self.system)
        return NetworkPolicy.from_tensors(artefact.tensors, name=str(artefact.manifest["name"]))


class CostsForm:
    """Paired costs of controllers as JSON."""

    def write(self, folder: Path, value: Comparison) -> None:
        """By controller's name."""
        costs = {name: each.tolist() for name, each in value.costs.items()}
        write_json(folder / "costs.json", costs)

    def read(self, folder: Path) -> Comparison:
        """Raises InvalidJournal for a damaged file."""
        found = read_json(folder / "costs.json")
        return Comparison(costs={name: _column(each) for name, each in found.items()})


def _column(values: list[float]) -> Float[np.ndarray, "episode"]:
    return np.array(values, dtype=float)


def read_json(path: Path) -> dict[str, Any]:
    """A record of a step; raises InvalidJournal, with the way out, for a damaged file."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidJournal(
            f"{path} is damaged: delete {path.parent.parent} to have the step done again"
        ) from error
    if not isinstance(found, dict):
        raise InvalidJournal(f"{path} holds no record: delete {path.parent.parent}")
    return found
