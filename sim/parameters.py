"""System parameters: factors on what a system's description says, alone or for one part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ARRIVALS, HANDLE_TIME, PATIENCE, STAFF, ROUTE = (
    "arrival_scale",
    "handle_time_scale",
    "patience_scale",
    "staff_scale",
    "route_scale",
)

SCALES = {
    ARRIVALS: "multiplies every arrival rate",
    HANDLE_TIME: "multiplies every service time",
    PATIENCE: "multiplies every patience",
    STAFF: "multiplies every roster",
}
"""Factors on a whole system. Those of one part have its name in front, such as
`call_handle_time_scale`; the probability of one route is `call_to_case_route_scale`."""


@dataclass(frozen=True, slots=True)
class Scales:
    """The factors in force."""

    values: Mapping[str, float]

    def of(self, kind: str, part: str) -> float:
        """The factor on one part of the system: that of the whole times its own."""
        return self.values.get(kind, 1.0) * self.values.get(f"{part}_{kind}", 1.0)
