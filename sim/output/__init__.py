"""From the numbers of runs to figures with their intervals."""

from sim.output.batches import BatchMeans, batch_means, lag_one_correlation
from sim.output.intervals import Estimate, mean_interval
from sim.output.paired import paired_interval, paired_ratio
from sim.output.replications import Replications, Run, replicate
from sim.output.samples import Sample
from sim.output.warm_up import WarmUp, mser_warm_up

__all__ = [
    "BatchMeans",
    "Estimate",
    "Replications",
    "Run",
    "Sample",
    "WarmUp",
    "batch_means",
    "lag_one_correlation",
    "mean_interval",
    "mser_warm_up",
    "paired_interval",
    "paired_ratio",
    "replicate",
]
