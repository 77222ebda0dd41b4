"""What theory knows exactly: truths that the simulator must meet and policies are judged by.

Closed forms of stationary queues, and the best control of small Markovian networks. Rates are per
minute and times in minutes. The offered load is the arrival rate times the mean service time, in
agents.
"""

from sim.analytic.benchmark_networks import (
    CRISS_CROSS_LOADS,
    CRISS_CROSS_OPTIMA,
    KnownOptimum,
    criss_cross,
    five_class,
    n_model,
    n_model_threshold_policy,
    reentrant,
    tandem,
)
from sim.analytic.birth_death import birth_and_death
from sim.analytic.delay import (
    erlang_c,
    erlang_c_mean_queue,
    erlang_c_mean_wait,
    erlang_c_occupancy,
    erlang_c_service_level,
    erlang_c_wait_quantile,
)
from sim.analytic.impatience import ErlangA, erlang_a
from sim.analytic.infinite_server import infinite_server_mean, sinusoidal_mean_number
from sim.analytic.jackson import JacksonStation, StationAverages, jackson_network
from sim.analytic.loss import LimitedQueue, erlang_b, limited_queue
from sim.analytic.markov_network import Activity, MarkovNetwork
from sim.analytic.optimum import Optimum, evaluate, find_optimum
from sim.analytic.policies import (
    IDLE,
    Policy,
    c_mu_policy,
    max_pressure_policy,
    max_weight_policy,
)
from sim.analytic.priorities import (
    PriorityClass,
    first_come_wait,
    mean_numbers,
    preemptive_sojourns,
    priority_waits,
)
from sim.analytic.single_server import pollaczek_khinchine, processor_sharing_sojourn
from sim.analytic.staffing import halfin_whitt, least_staffing, square_root_staffing
from sim.analytic.threshold_problems import AdmissionProblem, SlowServerProblem, ThresholdOptimum

__all__ = [
    "CRISS_CROSS_LOADS",
    "CRISS_CROSS_OPTIMA",
    "IDLE",
    "Activity",
    "AdmissionProblem",
    "ErlangA",
    "JacksonStation",
    "KnownOptimum",
    "LimitedQueue",
    "MarkovNetwork",
    "Optimum",
    "Policy",
    "PriorityClass",
    "SlowServerProblem",
    "StationAverages",
    "ThresholdOptimum",
    "birth_and_death",
    "c_mu_policy",
    "criss_cross",
    "erlang_a",
    "erlang_b",
    "erlang_c",
    "erlang_c_mean_queue",
    "erlang_c_mean_wait",
    "erlang_c_occupancy",
    "erlang_c_service_level",
    "erlang_c_wait_quantile",
    "evaluate",
    "find_optimum",
    "first_come_wait",
    "five_class",
    "halfin_whitt",
    "infinite_server_mean",
    "jackson_network",
    "least_staffing",
    "limited_queue",
    "max_pressure_policy",
    "max_weight_policy",
    "mean_numbers",
    "n_model",
    "n_model_threshold_policy",
    "pollaczek_khinchine",
    "preemptive_sojourns",
    "priority_waits",
    "processor_sharing_sojourn",
    "reentrant",
    "sinusoidal_mean_number",
    "square_root_staffing",
    "tandem",
]
