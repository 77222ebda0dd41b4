"""Where surrogates come from that sessions are played on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from service.models.operations import Models
from service.problems import Problem
from service.sessions.spec import World
from service.sessions.worlds import surrogate_digest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SIMULATOR = "simulator"
"""The name of the true world."""


@runtime_checkable
class SurrogateSource(Protocol):
    """Knows where surrogates lie, by names such as `bank-flow` or `bank-flow@champion`."""

    def surrogate_folder(self, name: str) -> Path | None:
        """The folder of a surrogate, as `surrogates.storage` writes it; None for an unknown one.

        Asked in a thread, once for each session. What lies there must never change.
        """
        ...


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Surrogates that the operator put into a folder: `NAME`, or `NAME@SHA256` to be sure."""

    root: Path

    def surrogate_folder(self, name: str) -> Path | None:
        """The folder of that name, if what lies there is what was asked for."""
        base, _, digest = name.partition("@")
        if not _NAME.fullmatch(base):
            return None
        found = surrogate_digest(self.root / base)
        return self.root / base if found is not None and digest in ("", found) else None


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Surrogates among the service's models: `NAME@ALIAS` or `NAME@VERSION`."""

    models: Models

    def surrogate_folder(self, name: str) -> Path | None:
        """The folder of the version that is meant now."""
        try:
            return self.models.resolve(name, "surrogate").folder
        except Problem:
            return None


def find_world(name: str, sources: Sequence[SurrogateSource]) -> World:
    """The true simulator, or a surrogate by name; raises Problem for an unknown one."""
    if name == SIMULATOR:
        return World()
    for source in sources:
        folder = source.surrogate_folder(name)
        digest = None if folder is None else surrogate_digest(folder)
        if folder is not None and digest is not None:
            return World(kind="surrogate", name=name, folder=str(folder.absolute()), digest=digest)
    raise Problem("refused_input", f"no surrogate of that name: give {SIMULATOR!r} or name@alias")
