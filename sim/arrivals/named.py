"""The processes of arrivals by the names that a scenario file uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sim.arrivals.built import BatchArrivals, RenewalArrivals
from sim.arrivals.modulated import DoublyStochasticArrivals, MarkovModulatedArrivals
from sim.arrivals.poisson import PoissonArrivals, SinusoidalArrivals, TimeVaryingArrivals
from sim.arrivals.process import Arrivals
from sim.arrivals.recorded import RecordedArrivals
from sim.choices import build
from sim.distributions import Distribution, build_distribution

ARRIVALS: dict[str, Callable[..., Arrivals]] = {
    "poisson": PoissonArrivals,
    "time_varying": TimeVaryingArrivals,
    "sinusoidal": SinusoidalArrivals,
    "doubly_stochastic": DoublyStochasticArrivals,
    "markov_modulated": MarkovModulatedArrivals,
    "batch": BatchArrivals,
    "renewal": RenewalArrivals,
    "recorded": RecordedArrivals,
}
"""The names that a scenario file may use."""


def build_arrivals(settings: Mapping[str, object]) -> Arrivals:
    """Build what a table such as `{process = "poisson", rate = 4.0}` describes.

    Raises InvalidSettings, whose `faults` are all that is wrong with the table and those in it.
    """
    return build(
        settings,
        naming_key="process",
        kinds=ARRIVALS,
        nested={Arrivals: build_arrivals, Distribution: build_distribution},
    )
