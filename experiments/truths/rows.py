"""One replication as it was measured."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.truths.setting import Depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One replication of one setting: what it says of every truth measured on it."""

    setting: str
    depth: Depth
    digest: str
    """Of all that the replication depends on; rows of a setting that has changed do not count."""
    seed: int
    warm_up: float
    minutes: float
    values: dict[str, float]
    """By truth."""
    seconds: float
    commit: str
    date: str
    machine: str

    @property
    def key(self) -> tuple[str, str, int]:
        """What was measured: setting, digest and seed."""
        return self.setting, self.digest, self.seed
