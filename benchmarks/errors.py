"""What may go wrong with a benchmark."""

from __future__ import annotations

from sim.errors import SurrogymError


class NotComparable(SurrogymError):
    """Two contestants did not do the same work, so that no ratio of their times means anything."""


class InvalidMeasurement(SurrogymError):
    """Rows, settings or a name that no benchmark can use."""
