"""Errors that studies share."""

from sim.errors import SurrogymError


class InvalidRows(SurrogymError):
    """Stored rows that cannot be read."""


class UnknownSetting(SurrogymError):
    """A system or a change that a study does not have."""
