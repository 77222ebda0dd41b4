"""Conditional quantiles of every free number, sampled one after another."""

from surrogates.quantile.surrogate import QuantileSettings, QuantileSurrogate, fit_quantile

__all__ = ["QuantileSettings", "QuantileSurrogate", "fit_quantile"]
