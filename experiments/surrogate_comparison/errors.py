"""Errors of this study."""

from sim.errors import SurrogymError


class UnknownContestant(SurrogymError):
    """A scenario or a contestant that does not take part."""


class UnusablePeer(SurrogymError):
    """A peer that was asked for something it cannot do."""
