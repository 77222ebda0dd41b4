"""Errors of this study."""

from sim.errors import SurrogymError


class InvalidRows(SurrogymError):
    """Stored rows that cannot be read."""


class NothingQuick(SurrogymError):
    """A setting that only a long run can tell anything about."""


class UnknownSetting(SurrogymError):
    """A setting that no truth is measured on."""
