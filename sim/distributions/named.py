"""The distributions by the names that a scenario file uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sim.choices import build
from sim.distributions.distribution import Distribution
from sim.distributions.families import Deterministic, Exponential, Gamma, Lognormal, Weibull
from sim.distributions.frozen import Frozen
from sim.distributions.measured import Empirical
from sim.distributions.phases import Erlang, Hyperexponential, PhaseType

DISTRIBUTIONS: dict[str, Callable[..., Distribution]] = {
    "exponential": Exponential,
    "deterministic": Deterministic,
    "gamma": Gamma,
    "lognormal": Lognormal,
    "erlang": Erlang,
    "hyperexponential": Hyperexponential,
    "phase_type": PhaseType,
    "weibull": Weibull,
    "empirical": Empirical,
    "scipy": Frozen,
}
"""The names that a scenario file may use."""


def build_distribution(settings: Mapping[str, object]) -> Distribution:
    """Build what a table such as `{distribution = "erlang", mean = 3.0, phases = 2}` describes.

    Raises InvalidSettings, whose `faults` are all that is wrong with the table.
    """
    return build(settings, naming_key="distribution", kinds=DISTRIBUTIONS, nested={})
