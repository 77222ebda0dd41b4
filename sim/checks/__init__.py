"""Every check that applies to a scenario: the contract, and for our own systems its truths."""

from sim.checks.load import OfferedLoad, busiest_epoch, mean_load, offered_load
from sim.checks.scenario import check_scenario, check_system

__all__ = [
    "OfferedLoad",
    "busiest_epoch",
    "check_scenario",
    "check_system",
    "mean_load",
    "offered_load",
]
