"""Distributions of durations, in minutes: service, patience, travel, set-up."""

from sim.distributions.distribution import Distribution
from sim.distributions.families import Deterministic, Exponential, Gamma, Lognormal, Weibull
from sim.distributions.frozen import Frozen
from sim.distributions.measured import Empirical
from sim.distributions.named import DISTRIBUTIONS, build_distribution
from sim.distributions.phases import Erlang, Hyperexponential, PhaseType

__all__ = [
    "DISTRIBUTIONS",
    "Deterministic",
    "Distribution",
    "Empirical",
    "Erlang",
    "Exponential",
    "Frozen",
    "Gamma",
    "Hyperexponential",
    "Lognormal",
    "PhaseType",
    "Weibull",
    "build_distribution",
]
