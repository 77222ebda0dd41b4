"""Errors of this study."""

from sim.errors import SurrogymError


class UnknownSetting(SurrogymError):
    """A scenario that the study does not have."""
