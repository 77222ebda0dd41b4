"""Errors that studies share."""

from sim.errors import SurrogymError


class InvalidRows(SurrogymError):
    """Stored rows that cannot be read."""
