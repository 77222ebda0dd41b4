"""What one row of a race holds."""

from __future__ import annotations

from dataclasses import dataclass, field

RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One arm with one seed; or those who need no training, under the arm RULES."""

    race: str
    """The system, or what changed in it."""
    digest: str
    """Of the setting; rows of a setting that has changed do not count."""
    arm: str
    seed: int
    curve: list[list[float]] = field(default_factory=list)
    """Seconds, true epochs and mean cost of a day of each judged checkpoint."""
    costs: dict[str, float] = field(default_factory=dict)
    """Of whoever else is compared, on the same days."""
    seconds: float
    """In all."""
    commit: str
    date: str
    machine: str

    @property
    def told(self) -> str:
        """In a line."""
        found = self.costs or {f"{point[0]:.0f} s": round(point[2]) for point in self.curve}
        return f"{self.race} {self.arm} seed {self.seed}, {self.seconds:.0f} s: {found}"

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What it answers."""
        return self.race, self.digest, self.arm, self.seed
