"""What a session plays: everything that, with its actions, makes it what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from envs.actions import ActionForm
from envs.masks import Mask

AutoresetName = Literal["NextStep", "SameStep", "Disabled"]
"""Gymnasium's modes, by their values."""
Kind = Literal["simulator", "surrogate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Which of the two worlds answers; a surrogate is held to what it was when first named."""

    kind: Kind = "simulator"
    name: str | None = None
    """Of the surrogate, as it was asked for."""
    folder: str | None = None
    digest: str | None = None
    """SHA-256 of the surrogate's weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """The environment of a session, and how it is stepped."""

    env: str
    """A scenario's or a plug-in's name."""
    reference: str
    """What is loaded for it."""
    file_digest: str | None = None
    """SHA-256 of the scenario's file, where it is one of the operator's."""
    world: World = field(default_factory=World)
    seed: int = 0
    num_envs: int | None = None
    """Copies in a batch; None is one environment that is not batched."""
    autoreset_mode: AutoresetName = "SameStep"
    """Of a batch."""
    parameters: Mapping[str, float] | None = None
    objective: Mapping[str, Any] | None = None
    """A record of `envs.Objective`, or its weights by name."""
    actions: ActionForm = "joint"
    mask: Mask | None = None
    history: int = 1
    tell_state: bool = False
    """Whether replies have the system's own numbers beside what is observed of them."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SessionSpec:
        """Rebuild from a record; what a later release added and this one does not know is left."""
        known = {name.name for name in fields(cls)}
        given = {name: value for name, value in record.items() if name in known}
        return cls(**{**given, "world": World(**record["world"])})

    @property
    def problem(self) -> str:
        """What decides the problem, in one canonical line: equal lines, equal problems."""
        left_out = ("env", "seed", "num_envs", "autoreset_mode")
        record = {k: v for k, v in self.to_record().items() if k not in left_out}
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """Of everything but where a surrogate lies: two specs of one digest play the same."""
        record = self.to_record()
        record["world"] = {k: record["world"][k] for k in ("kind", "digest")}
        text = json.dumps(record, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
