"""Errors of this study."""

from sim.errors import SurrogymError


class UnknownSetting(SurrogymError):
    """A scenario or an arm that the study does not have."""
