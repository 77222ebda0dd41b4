"""Errors of runs and their folders."""

from sim.errors import SurrogymError


class InvalidRun(SurrogymError):
    """A run's folder that cannot be used as asked."""
