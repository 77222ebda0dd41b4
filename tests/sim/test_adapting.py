"""Parts of adapters, held against SimPy itself."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import simpy

from sim.adapting import Absences, check_decision, private_copy, run_watching
from sim.errors import InvalidDecision, InvalidSystem
from tests.sim.faulty import DESCRIPTION

SERVERS = 4


def _busy_line(
    environment: simpy.Environment, resource: simpy.PriorityResource, seed: int
) -> list[tuple[float, float]]:
    """Customers of two priorities who come, wait and are served; (came, began) of each served."""
    random = np.random.default_rng(seed)
    began: list[tuple[float, float]] = []

    def customer(priority: int, minutes: float) -> Generator[Any, Any, None]:
        came = environment.now
        with resource.request(priority=priority) as request:
            yield request
            began.append((came, environment.now))
            yield environment.timeout(minutes)

    def source() -> Generator[Any, Any, None]:
        while True:
            yield environment.timeout(random.exponential(1.0))
            environment.process(customer(int(random.integers(2)), random.exponential(3.0)))

    environment.process(source())
    return began


def _by_capacity(resource: Any) -> Callable[[int], None]:
    """The other way, through SimPy's private names."""

    def keep(away: int) -> None:
        resource._capacity = SERVERS - away
        for _ in range(SERVERS):
            # Each call lets one customer in, however many places there are.
            resource._trigger_put(None)

    return keep


def _served(seed: int, keeps: Callable[[Any], Callable[[int], None]]) -> list[tuple[float, float]]:
    environment = simpy.Environment()
    resource = simpy.PriorityResource(environment, capacity=SERVERS)
    began = _busy_line(environment, resource, seed)
    keep = keeps(resource)
    for until, away in enumerate((1, 3, 0, 2, 4, 0, 1, 2), start=1):
        keep(away)
        environment.run(until=25.0 * until)
    return began


@pytest.mark.parametrize("seed", range(5))
def test_absences_are_what_a_changed_capacity_would_be(seed: int) -> None:
    """Both say that the busy finish first and that whoever comes back serves at once."""
    ours = _served(seed, lambda resource: Absences(resource).keep)
    assert len(ours) > 100
    assert ours == _served(seed, _by_capacity)


def test_absences_are_not_counted_as_customers() -> None:
    """States and waiting lines read from a resource would otherwise count people who are not."""
    environment = simpy.Environment()
    resource = simpy.PriorityResource(environment, capacity=2)
    absences = Absences(resource)
    customers = [resource.request(priority=0) for _ in range(3)]
    absences.keep(1)
    assert (resource.count, len(resource.queue)) == (2, 2)
    assert absences.in_service == customers[:2]
    assert absences.waiting == customers[2:]


def test_a_resource_in_order_of_arrival_is_refused_with_the_way_out() -> None:
    """There, whoever leaves would first wait behind every customer."""
    resource: Any = simpy.Resource(simpy.Environment(), capacity=2)
    with pytest.raises(InvalidSystem, match="PriorityResource in its place"):
        Absences(resource)


@pytest.mark.parametrize("away", [-1, 3])
def test_more_absences_than_servers_are_refused(away: int) -> None:
    """A decision beyond the capacity would otherwise be carried out in part, unnoticed."""
    absences = Absences(simpy.PriorityResource(simpy.Environment(), capacity=2))
    with pytest.raises(InvalidDecision, match=f"{away} servers away: from 0 to 2, the capacity"):
        absences.keep(away)


def test_watched_minutes_add_up_to_exact_integrals() -> None:
    """The integral of the number in service is the sum of the times in service."""
    environment = simpy.Environment()
    resource = simpy.PriorityResource(environment, capacity=1)
    seen: list[tuple[float, int]] = []

    def customer(after: float, minutes: float) -> Generator[Any, Any, None]:
        yield environment.timeout(after)
        with resource.request() as request:
            yield request
            yield environment.timeout(minutes)

    for after, minutes in ((2.0, 3.0), (4.0, 2.5), (20.0, 1.0)):
        environment.process(customer(after, minutes))
    for until in (6.0, 10.0):
        run_watching(environment, until, lambda passed: seen.append((passed, resource.count)))
        assert environment.now == until
    assert sum(passed for passed, _ in seen) == 10.0
    assert sum(passed * busy for passed, busy in seen) == 5.5


def test_an_event_at_the_end_belongs_to_the_next_stretch() -> None:
    """A decision that is due at 5 must be taken before what happens at 5."""
    environment = simpy.Environment()
    happened: list[float] = []

    def process() -> Generator[Any, Any, None]:
        yield environment.timeout(5.0)
        happened.append(environment.now)

    environment.process(process())
    run_watching(environment, 5.0, lambda passed: None)
    assert happened == []
    run_watching(environment, 6.0, lambda passed: None)
    assert happened == [5.0]


SCRIPT = """
import numpy as np

served = []

def serve():
    served.append(np.random.exponential(2.0))

if __name__ == "__main__":
    raise SystemExit("the study was run")
"""


def test_copies_of_a_script_share_nothing(tmp_path: Path) -> None:
    """Variables and replaced generators of one simulator must not reach another."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    before = np.random.get_state()  # noqa: NPY002
    drawn = []
    for seed in (1, 2, 1):
        script: Any = private_copy(path)
        script.np = SimpleNamespace(random=np.random.RandomState(seed))
        script.serve()
        script.serve()
        drawn.append(script.served)
    assert drawn[0] == drawn[2] != drawn[1]
    assert len(drawn[0]) == 2
    assert str(np.random.get_state()) == str(before)  # noqa: NPY002


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path is what the user has to look at."""
    for name in ("nothing.py", "notes.txt"):
        with pytest.raises(InvalidSystem, match=f"{name}: no such Python file"):
            private_copy(tmp_path / name)


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ([1.0, 2.0], r"decision of shape \(2,\): one level for each of tills"),
        ([-1.0], "lever 'tills' at -1: a whole number, 0 or more"),
        ([float("nan")], "lever 'tills' at nan"),
    ],
)
def test_a_decision_that_no_lever_allows_is_refused(decision: list[float], message: str) -> None:
    """A policy of another system must not be run on this one unnoticed."""
    with pytest.raises(InvalidDecision, match=message):
        check_decision(DESCRIPTION, np.array(decision))


def test_a_checked_decision_is_a_copy() -> None:
    """Callers may reuse their array for the next decision."""
    decision = np.array([2.0])
    checked = check_decision(DESCRIPTION, decision)
    decision[0] = 3.0
    assert checked.tolist() == [2.0]
