"""When to lend beds: the rule of thumb of bed managers, with thresholds to be tuned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sim.description import SystemDescription

_LOANS = (
    ("surgical_lends", "surgical", "medical"),
    ("orthopaedic_lends", "orthopaedic", "medical"),
    ("medical_lends", "medical", "surgical"),
)
"""Lever, ward that lends, and patients who are lent to; in the order of the levers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverflowRule:
    """Lends beds where another ward is short and the own ward has more free than it holds back.

    A ward is short of the beds by which its waiting patients and `margin` exceed its free beds.
    Threshold policies of this kind are the practice that Dai and Shi (2019) start from.
    """

    description: SystemDescription
    held_back: tuple[float, float, float]
    """Free beds that the lending ward keeps for its own, by lever."""
    margin: tuple[float, float]
    """Free beds that medical and surgical patients should find."""
    name: str = "overflow thresholds (tuned)"

    @staticmethod
    def box() -> dict[str, tuple[float, float]]:
        """Bounds of the search."""
        return {
            "surgical_holds": (-2.0, 12.0),
            "orthopaedic_holds": (-2.0, 10.0),
            "medical_holds": (-2.0, 10.0),
            "medical_margin": (-3.0, 8.0),
            "surgical_margin": (-6.0, 8.0),
        }

    @classmethod
    def from_values(cls, description: SystemDescription, values: dict[str, float]) -> OverflowRule:
        """The rule of a point in the box."""
        surgical, orthopaedic, medical, *margin = values.values()
        return cls(
            description=description,
            held_back=(surgical, orthopaedic, medical),
            margin=(margin[0], margin[1]),
        )

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """By lever the highest level that is wanted and that the ward can spare."""
        free, lent = self._free(states)
        short = {
            kind: self._column(states, f"{kind}_waiting") + margin - free[kind]
            for kind, margin in zip(("medical", "surgical"), self.margin, strict=True)
        }
        choice = np.zeros(len(states), dtype=int)
        loans = zip(_LOANS, self.description.levers, self.held_back, strict=True)
        for (lever, ward, patients), given, held in loans:
            spare = free[ward] - held
            wanted = lent[lever] + np.minimum(short[patients], spare)
            levels = np.rint(np.array(given.levels) * self._beds(ward))
            reached = (levels[None, :] <= wanted[:, None]).sum(axis=1) - 1
            choice = choice * len(levels) + np.maximum(reached, 0)
        return choice

    def _free(
        self, states: Float[np.ndarray, "batch state"]
    ) -> tuple[dict[str, Float[np.ndarray, "batch"]], dict[str, Float[np.ndarray, "batch"]]]:
        """Free beds by ward, and beds with lent patients by lever."""
        free = {
            ward: self._beds(ward) - self._column(states, f"{ward}_own_busy")
            for ward in ("medical", "surgical", "orthopaedic")
        }
        lent = {}
        for lever, ward, patients in _LOANS:
            lent[lever] = self._column(states, f"{ward}_for_{patients}_busy")
            free[ward] = free[ward] - lent[lever]
        return free, lent

    def _beds(self, ward: str) -> float:
        return float(self.description.calendar.column(f"{ward}_ward").max())

    def _column(
        self, states: Float[np.ndarray, "batch state"], name: str
    ) -> Float[np.ndarray, "batch"]:
        return np.asarray(states[:, self.description.state_names.index(name)])
