"""Errors of this study."""

from sim.errors import SurrogymError


class InvalidRows(SurrogymError):
    """Stored rows that cannot be read."""


class UnknownSetting(SurrogymError):
    """A scenario or an arm that the study does not have."""
