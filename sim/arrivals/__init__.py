"""How customers come: processes that give the times of arrivals, in minutes after opening."""

from sim.arrivals.built import BatchArrivals, RenewalArrivals
from sim.arrivals.fits import fit_doubly_stochastic
from sim.arrivals.modulated import DoublyStochasticArrivals, MarkovModulatedArrivals
from sim.arrivals.named import ARRIVALS, build_arrivals
from sim.arrivals.poisson import PoissonArrivals, SinusoidalArrivals, TimeVaryingArrivals
from sim.arrivals.process import Arrivals, ArrivalStream
from sim.arrivals.recorded import Record, RecordedArrivals, TraceArrivals

__all__ = [
    "ARRIVALS",
    "ArrivalStream",
    "Arrivals",
    "BatchArrivals",
    "DoublyStochasticArrivals",
    "MarkovModulatedArrivals",
    "PoissonArrivals",
    "Record",
    "RecordedArrivals",
    "RenewalArrivals",
    "SinusoidalArrivals",
    "TimeVaryingArrivals",
    "TraceArrivals",
    "build_arrivals",
    "fit_doubly_stochastic",
]
