import numpy as np
import pytest

from sim.analytic import (
    PriorityClass,
    first_come_wait,
    mean_numbers,
    pollaczek_khinchine,
    preemptive_sojourns,
    priority_waits,
)
from sim.errors import InvalidSystem, UnstableSystem

FIVE = (PriorityClass(arrival_rate=0.18, mean_service=1.0),) * 5
COSTS = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
MIXED = (
    PriorityClass(arrival_rate=0.2, mean_service=0.5, scv=4.0),
    PriorityClass(arrival_rate=0.3, mean_service=1.5, scv=0.0),
    PriorityClass(arrival_rate=0.1, mean_service=2.0, scv=0.5),
)


def test_waits_by_priority_meet_known_values() -> None:
    """Two exponential classes at utilisation .7: Cobham's formula gives 1 and 10/3."""
    rates = (0.3, 0.4)
    classes = [PriorityClass(arrival_rate=rate, mean_service=1.0) for rate in rates]
    assert priority_waits(classes) == pytest.approx([1.0, 10 / 3], rel=1e-12)


def test_five_classes_cost_what_is_listed() -> None:
    """Serving the costly first is best (c-mu) and the cheap first worst; in turn it is 9 x 3."""
    best = COSTS @ mean_numbers(FIVE, preemptive_sojourns(FIVE))
    worst = COSTS[::-1] @ mean_numbers(FIVE, preemptive_sojourns(FIVE))
    in_turn = COSTS @ mean_numbers(FIVE, np.full(5, 1.0 + first_come_wait(FIVE)))
    assert best == pytest.approx(13.5274, abs=5e-5)
    assert in_turn == pytest.approx(27.0, rel=1e-12)
    assert worst == pytest.approx(40.4726, abs=5e-5)


def test_without_priorities_only_the_mixture_of_services_matters() -> None:
    """Classes served in turn are one M/G/1 queue, whose service is a random class's."""
    rates = np.array([kind.arrival_rate for kind in MIXED])
    means = np.array([kind.mean_service for kind in MIXED])
    squares = np.array([kind.mean_service**2 * (1 + kind.scv) for kind in MIXED])
    mean, square = rates @ means / rates.sum(), rates @ squares / rates.sum()
    expected = pollaczek_khinchine(float(rates.sum()), float(mean), float(square / mean**2 - 1))
    assert first_come_wait(MIXED) == pytest.approx(expected, rel=1e-12)


def test_priorities_only_share_out_the_same_waiting() -> None:
    """The work in system does not depend on the order: loads times waits are conserved."""
    loads = np.array([kind.load for kind in MIXED])
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        waits = priority_waits([MIXED[i] for i in order])
        assert loads[order] @ waits == pytest.approx(loads.sum() * first_come_wait(MIXED))


def test_the_highest_class_does_not_see_the_others_when_it_interrupts() -> None:
    """Preemption makes it a queue of its own; without, it still waits for one in service."""
    alone = 0.5 + pollaczek_khinchine(0.2, 0.5, 4.0)
    assert preemptive_sojourns(MIXED)[0] == pytest.approx(alone, rel=1e-12)
    assert priority_waits(MIXED)[0] > alone - 0.5


def test_interruption_of_equal_classes_leaves_the_number_in_system() -> None:
    """Exponential services of one rate forget the past, so that the total is an M/M/1 queue's."""
    total = mean_numbers(FIVE, preemptive_sojourns(FIVE)).sum()
    assert total == pytest.approx(9.0, rel=1e-12)


def test_an_agent_who_cannot_keep_up_with_all_classes_is_refused() -> None:
    """The highest class alone would be stable, yet the lowest has no mean."""
    classes = (PriorityClass(arrival_rate=0.3, mean_service=2.0),) * 2
    with pytest.raises(UnstableSystem, match=r"utilisation 1\.2 of one agent"):
        preemptive_sojourns(classes)
    with pytest.raises(UnstableSystem, match=r"utilisation 1\.2 of one agent"):
        priority_waits(classes)
    with pytest.raises(InvalidSystem, match="no classes"):
        first_come_wait(())


def test_a_class_without_a_rate_is_refused() -> None:
    """A class is checked where it is written down."""
    with pytest.raises(InvalidSystem, match=r"mean_service is 0\.0"):
        PriorityClass(arrival_rate=1.0, mean_service=0.0)
    with pytest.raises(InvalidSystem, match=r"scv is -1\.0"):
        PriorityClass(arrival_rate=1.0, mean_service=0.5, scv=-1.0)
