"""Errors of data sets, surrogates and artefacts."""

from sim.errors import SurrogymError


class InvalidDataset(SurrogymError):
    """Transitions that cannot be used, or do not belong to the system at hand."""


class NotFitted(SurrogymError):
    """A surrogate was asked before it was fitted."""


class TamperedArtefact(SurrogymError):
    """A saved artefact that is not what its manifest says."""


class InvalidQuestion(SurrogymError):
    """A state, decision or parameters that the system cannot have."""
