"""What can be wrong with a request to this study."""

from __future__ import annotations

from sim.errors import SurrogymError


class UnknownSetting(SurrogymError):
    """A system that the study does not have."""
