"""What jobs ask of the registry of models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

ModelKind = Literal["policy", "surrogate"]
MODEL_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""By which models are registered and asked for."""


@runtime_checkable
class RegisteredVersion(Protocol):
    """A version of a model."""

    @property
    def version(self) -> int:
        """Its number."""
        ...

    @property
    def folder(self) -> Path:
        """Its files."""
        ...


@runtime_checkable
class Registry(Protocol):
    """Where models are registered and looked up; `service.models` is one."""

    def register(
        self,
        *,
        name: str,
        kind: ModelKind,
        system: str,
        folder: Path,
        owner: str,
        lineage: dict[str, Any] | None = None,
    ) -> RegisteredVersion:
        """Keep a copy as the next version of a name.

        The same files again must give the version that is there: a job that was killed between this
        and its end asks twice.
        """
        ...

    def check_name(self, name: str, kind: ModelKind, owner: str) -> None:
        """Raise Problem for a name under which this owner could register no such model."""
        ...

    def resolve(self, reference: str, kind: ModelKind | None = None) -> RegisteredVersion:
        """What `name@alias` or `name@version` stands for; raises Problem where there is none."""
        ...
