"""Gaussian processes, sparse or exact, one for each free number of an epoch."""

from surrogates.gaussian_process.settings import GaussianProcessSettings
from surrogates.gaussian_process.surrogate import GaussianProcessSurrogate, fit_gaussian_process

__all__ = ["GaussianProcessSettings", "GaussianProcessSurrogate", "fit_gaussian_process"]
