"""Errors of this study."""

from sim.errors import SurrogymError


class UnknownNetwork(SurrogymError):
    """A network that the study does not have."""
