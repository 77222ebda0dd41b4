"""What to read off a recording: shares, means over time and customers, single waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import brentq
from scipy.special import gammaincc

from experiments.truths.recording import Recording
from experiments.truths.truth import Estimator

Condition = Callable[[Recording], Bool[np.ndarray, "epoch"]]


def ratio(part: str, *whole: str, scale: float = 1.0) -> Estimator:
    """One output over the sum of others, such as those who gave up over those who came."""

    def estimate(recording: Recording) -> float:
        total = sum(recording.totals[name] for name in whole)
        return scale * recording.totals[part] / total

    return estimate


def per_minute(*names: str, scale: float = 1.0) -> Estimator:
    """Outputs per minute; of minutes spent somewhere, the mean number who are there."""
    return weighted(dict.fromkeys(names, scale))


def weighted(costs: Mapping[str, float]) -> Estimator:
    """Outputs per minute at a price each, such as the average holding cost."""

    def estimate(recording: Recording) -> float:
        total = sum(cost * recording.totals[name] for name, cost in costs.items())
        return total / recording.minutes

    return estimate


def growth(name: str) -> Estimator:
    """By how much a component of the state grew per minute."""

    def estimate(recording: Recording) -> float:
        return (recording.closing[name] - recording.opening[name]) / recording.minutes

    return estimate


# Looks: moments that have nothing to do with what happens, so that customers who come at the
# jumps of a Poisson process find what the looks find (Wolff 1982).


def at_least(name: str, number: float) -> Condition:
    """Looks at which a component of the state has reached a number."""
    return lambda recording: recording.watched[name] >= number


def share_of_looks(condition: Condition) -> Estimator:
    """Share of the looks in the window at which something holds."""

    def estimate(recording: Recording) -> float:
        return float(condition(recording)[recording.measured].mean())

    return estimate


def seen(*names: str) -> Estimator:
    """Mean over the looks of a number of customers."""

    def estimate(recording: Recording) -> float:
        total = sum(recording.watched[name][recording.measured] for name in names)
        return float(np.mean(total))

    return estimate


def at_phase(phase: int, phases: int, names: tuple[str, ...], at_least: float | None) -> Estimator:
    """Mean number at every so many-th look, or the share of those looks that saw a number."""

    def estimate(recording: Recording) -> float:
        total = np.sum([recording.watched[name][recording.measured] for name in names], axis=0)
        # The first measured look ends the first interval after the warm-up.
        chosen = total[(phase - 1) % phases :: phases]
        return float(chosen.mean() if at_least is None else (chosen >= at_least).mean())

    return estimate


# Waits that are not recorded one by one, but follow from a look: whoever came then would be served
# after as many ends of service as there are customers waiting, and one more.


def _would_wait_longer(
    recording: Recording, minutes: float, servers: int, service_rate: float
) -> float:
    waiting = recording.watched["call_waiting"][recording.measured]
    all_busy = recording.watched["agents_busy"][recording.measured] >= servers
    tail = gammaincc(waiting + 1.0, servers * service_rate * minutes)
    return float((all_busy * tail).mean())


def service_level(minutes: float, servers: int, service_rate: float) -> Estimator:
    """Probability that somebody who came at a look would not wait longer (M/M/n)."""
    return lambda recording: 1.0 - _would_wait_longer(recording, minutes, servers, service_rate)


def wait_quantile(share: float, servers: int, service_rate: float, most: float) -> Estimator:
    """Minutes that the wait of somebody who came at a look exceeds with probability 1 - share."""

    def estimate(recording: Recording) -> float:
        def excess(minutes: float) -> float:
            return _would_wait_longer(recording, minutes, servers, service_rate) - (1.0 - share)

        return float(brentq(excess, 0.0, most)) if excess(0.0) > 0 else 0.0

    return estimate


# Single waits, where every event ends an epoch: customers who are served in the order in which
# they came begin in that order, too.


def waits(recording: Recording) -> Float[np.ndarray, "customer"]:
    """Minutes waited by those who came within the window, up to the last who was seen to begin."""
    came = _moments(recording, "call_arrivals")
    began = _moments(recording, "agents_started")
    return np.asarray((began - came[: len(began)])[came[: len(began)] > recording.begin])


def _moments(recording: Recording, flow: str) -> Float[np.ndarray, "customer"]:
    return np.repeat(recording.moments, recording.watched[flow].astype(int))


def share_of_waits(longer_than: float) -> Estimator:
    """Share of customers who waited longer."""
    return lambda recording: float((waits(recording) > longer_than).mean())


def mean_of_waits(recording: Recording) -> float:
    """Mean minutes waited."""
    return float(waits(recording).mean())


def share_not_served_at_once(recording: Recording) -> float:
    """Share of those who came for whom no service began at the same event."""
    came = recording.watched["call_arrivals"][recording.measured] > 0
    began = recording.watched["agents_started"][recording.measured] > 0
    return float((came & ~began).sum() / came.sum())
