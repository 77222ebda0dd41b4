"""What a change asks for: which of the answers is due, and whether new simulation is needed.

A surrogate knows no reward and takes parameters as inputs. So a changed objective and parameters
inside the box that it has learnt ask for nothing but training on it; beyond that it has to learn
first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Float

from sim.description import Description
from training.calibrate import Calibration


class Change(StrEnum):
    """What has changed, by the answer that is due; the later in the list, the more it asks for."""

    NOTHING = "nothing"
    OBJECTIVE = "objective"
    """Something else is wanted of the same system."""
    INSIDE = "parameters inside the box"
    OUTSIDE = "parameters outside the box"
    STRUCTURE = "structure"
    """No parameters explain what is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is known of a change."""

    objective_changed: bool = False
    calibration: Calibration | None = None
    """Parameters as re-estimated from telemetry; None where nobody looked."""
    unexplained: tuple[str, ...] = ()
    """Parts of the system that stay unusual at the re-estimated parameters."""
    is_followed: bool = False
    """Whether estimates that pushed against the box were followed beyond it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer that is due."""

    change: Change
    moved: tuple[str, ...]
    """Parameters that have moved surely and by enough to matter, the clearest first."""
    reason: str

    @property
    def retrains(self) -> bool:
        """Whether policies are trained again."""
        return self.change is not Change.NOTHING

    @property
    def simulates(self) -> bool:
        """Whether the surrogate needs new epochs of the true simulator first."""
        return self.change in (Change.OUTSIDE, Change.STRUCTURE)

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"change": self.change.value, "moved": list(self.moved), "reason": self.reason}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Decision:
        """Rebuild from a record."""
        return cls(
            change=Change(record["change"]), moved=tuple(record["moved"]), reason=record["reason"]
        )


def decide(
    findings: Findings, *, smallest_change: float = 0.05, given: tuple[str, ...] = ()
) -> Decision:
    """The answer that what was found asks for.

    A parameter counts when its interval leaves out what was believed and it has moved by
    `smallest_change` of that or more. `given` are parameters that nobody answers, because whoever
    is in charge sees them come and go. An estimate at a bound explains nothing, whether the truth
    lies beyond or no parameter has changed at all: it is to be followed before the structure is
    blamed, and what is unexplained then is of the structure, wherever the estimate lies.
    """
    moved = _moved(findings.calibration, smallest_change, given)
    beyond = _at_bound(findings.calibration, moved)
    if beyond and not (findings.is_followed and findings.unexplained):
        told = f"{', '.join(beyond)} pushed against the box that the surrogate has learnt"
        return Decision(change=Change.OUTSIDE, moved=moved, reason=told)
    if findings.unexplained:
        parts = ", ".join(findings.unexplained)
        where = "in the box and beyond" if findings.is_followed else "inside the box"
        told = f"no parameters {where} explain what is seen of {parts}"
        return Decision(change=Change.STRUCTURE, moved=moved, reason=told)
    if moved:
        told = f"{', '.join(moved)} moved inside the box"
        return Decision(change=Change.INSIDE, moved=moved, reason=told)
    if findings.objective_changed:
        return Decision(change=Change.OBJECTIVE, moved=(), reason="something else is wanted")
    return Decision(change=Change.NOTHING, moved=(), reason="nothing that matters has moved")


def corrected(
    description: Description,
    beliefs: Float[np.ndarray, "parameter"],
    calibration: Calibration,
    given: tuple[str, ...] = (),
) -> Float[np.ndarray, "parameter"]:
    """Beliefs with the estimates of what has surely moved, however little, but for the `given`."""
    found = {e.name: e.value for e in calibration.estimates}
    moved = [name for name in calibration.moved if name not in given]
    names = [p.name for p in description.parameters]
    after = beliefs.copy()
    for name in moved:
        after[names.index(name)] = found[name]
    return after


def _moved(
    calibration: Calibration | None, smallest_change: float, given: tuple[str, ...]
) -> tuple[str, ...]:
    if calibration is None:
        return ()
    relative = {e.name: abs(e.value / e.start - 1.0) for e in calibration.estimates}
    return tuple(
        name
        for name in calibration.moved
        if relative[name] >= smallest_change and name not in given
    )


def _at_bound(calibration: Calibration | None, moved: tuple[str, ...]) -> tuple[str, ...]:
    if calibration is None:
        return ()
    return tuple(e.name for e in calibration.estimates if e.at_bound and e.name in moved)
