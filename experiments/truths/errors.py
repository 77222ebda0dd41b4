"""Errors of this study."""

from sim.errors import SurrogymError


class NothingQuick(SurrogymError):
    """A setting that only a long run can tell anything about."""


class UnknownSetting(SurrogymError):
    """A setting that no truth is measured on."""
