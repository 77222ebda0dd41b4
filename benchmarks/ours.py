"""Our simulator as a contestant."""

from __future__ import annotations

import numpy as np

from benchmarks.agreement import Statistics
from benchmarks.workloads import BankDay, Queue
from sim.simulator import ServiceSystem


class OurQueue:
    """The queue on our simulator."""

    def __init__(self, queue: Queue) -> None:
        self._simulator = ServiceSystem(queue.system())

    def __call__(self, seed: int) -> Statistics:
        """Run it once."""
        totals = run(self._simulator, seed, {}, np.zeros(0))
        customers = totals["customer_arrivals"]
        return {
            "customers": customers,
            "abandoned": totals["customer_abandoned"] / customers,
            "wait": totals["customer_wait"] / customers,
        }


class OurBankDay:
    """The bank day on our simulator."""

    def __init__(self, day: BankDay) -> None:
        self._day = day
        self._simulator = day.recipe()
        assert isinstance(self._simulator, ServiceSystem)

    def __call__(self, seed: int) -> Statistics:
        """Run it once."""
        assert isinstance(self._simulator, ServiceSystem)
        decision = np.array(self._day.decision)
        totals = run(self._simulator, seed, self._day.parameters, decision)
        into = {
            "call": totals["call_arrivals"],
            "escalation": totals["tier1_calls_to_escalation"] + totals["tier2_calls_to_escalation"],
            "follow_up": totals["tier1_calls_to_follow_up"] + totals["tier2_calls_to_follow_up"],
        }
        return {
            name: value
            for desk, customers in into.items()
            for name, value in (
                (f"{desk}_customers", customers),
                (f"{desk}_abandoned", totals.get(f"{desk}_abandoned", 0.0) / customers),
                (f"{desk}_wait", totals[f"{desk}_wait"] / customers),
            )
        }


def run(
    simulator: ServiceSystem, seed: int, parameters: dict[str, float], decision: np.ndarray
) -> dict[str, float]:
    """One episode under the same decision throughout; the sum of every output."""
    names = simulator.describe().output_names
    simulator.reset(seed, parameters)
    totals = np.zeros(len(names))
    is_over = False
    while not is_over:
        epoch = simulator.advance(decision)
        totals += epoch.outputs
        is_over = epoch.is_last
    return dict(zip(names, totals.tolist(), strict=True))
