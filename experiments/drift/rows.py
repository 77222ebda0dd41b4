"""What one row of this study holds: one detector, calibrated once, through one kind of change."""

from __future__ import annotations

from dataclasses import dataclass

IN_CONTROL = "none"
"""The kind of change of rows in control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All runs of one arm, seed and change."""

    scenario: str
    arm: str
    seed: int
    digest: str
    """Of the setting; rows of a setting that has changed do not count."""
    kind: str
    """Of the change; "none" in control."""
    size: float
    delays: tuple[int | None, ...]
    """Days to the first alarm of each run, since the change where there is one; None without."""
    named_right: int
    """Alarms since a change whose clearest name is of the kind that changed; counted, as the next
    two are, where there are kinds."""
    named_wrong: int
    """Alarms since a change whose clearest name is of another kind."""
    named_beside: int
    """Alarms since a change that name another kind, clearest or not."""
    explained: int
    """Alarms that the structure test was asked about."""
    structure: int
    """Of these, how many it took for a change of structure."""
    seconds: float
    """Processor seconds of these runs; of calibration and measuring too in control."""
    commit: str
    date: str
    machine: str

    @property
    def cell(self) -> tuple[str, str, int, str]:
        """What it is a part of: scenario, arm, seed and digest."""
        return self.scenario, self.arm, self.seed, self.digest
