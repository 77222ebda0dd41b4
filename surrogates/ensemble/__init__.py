"""An ensemble of probabilistic networks: chance and ignorance, apart."""

from surrogates.ensemble.members import FAST, EnsembleSettings
from surrogates.ensemble.surrogate import EnsembleSurrogate, MemberDraws, fit_ensemble

__all__ = ["FAST", "EnsembleSettings", "EnsembleSurrogate", "MemberDraws", "fit_ensemble"]
