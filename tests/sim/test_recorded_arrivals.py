from datetime import date

import numpy as np
import pytest

from sim.arrivals import RecordedArrivals, TraceArrivals
from sim.errors import InvalidSystem, InvalidVolumes
from sim.simulator import ServiceSystem
from sim.traces import Trace
from sim.volumes import Volumes
from tests.systems import outputs, run_day, small_centre

SLOTS = 37
PROFILE = np.array([[1.15], [1.0], [0.95], [0.95], [1.05]]) * np.linspace(60.0, 100.0, SLOTS)
DAYS = (date(2024, 6, 1), date(2024, 6, 3), date(2024, 6, 8))  # Saturday, Monday, Saturday
COUNTED = Volumes(days=DAYS, counts=np.array([[3, 0], [1, 1], [5, 2]]), slot_minutes=30.0)
STAMPED = Trace(
    days=DAYS,
    times=(np.array([1.0, 1.0, 59.9]), np.array([30.0]), np.array([0.0, 12.5])),
    minutes=60.0,
)


def test_a_recorded_day_reproduces_its_counts_exactly() -> None:
    """A replay stands for a real day, so only the times within each slot may be ours."""
    counts = np.random.default_rng(2).integers(0, 40, SLOTS)
    trace = TraceArrivals(day=3, counts=counts, slot_minutes=5.0, profile=PROFILE)
    for seed in range(5):
        drawn = trace.begin(np.random.default_rng(seed), 1.0)
        edges = np.arange(SLOTS + 1) * 5.0
        np.testing.assert_array_equal(np.histogram(drawn.until(185.0), edges)[0], counts)
        assert drawn.day == 3


def test_the_simulator_meets_every_customer_of_a_recorded_day() -> None:
    """The counts must reach the outputs epoch by epoch, six slots each and seven in the last."""
    counts = np.random.default_rng(3).integers(0, 40, SLOTS)
    trace = TraceArrivals(day=3, counts=counts, slot_minutes=5.0, profile=PROFILE)
    simulator = ServiceSystem(small_centre(trace))
    epochs = run_day(simulator, 5, [np.array([0.1, 0.0])] * 6)
    came = outputs(epochs, simulator.describe(), "call_arrivals")
    np.testing.assert_array_equal(came, np.add.reduceat(counts, np.arange(0, 36, 6)))
    assert epochs[-1].state[-2] == 3


def test_a_recorded_day_cannot_be_scaled() -> None:
    """Half of a recorded customer does not exist."""
    trace = TraceArrivals(day=0, counts=np.array([3]), slot_minutes=5.0, profile=np.array([[3.0]]))
    with pytest.raises(InvalidVolumes, match=r"cannot be scaled by 1\.2"):
        trace.begin(np.random.default_rng(0), 1.2)


@pytest.mark.parametrize("record", [COUNTED, STAMPED], ids=["counts", "stamps"])
def test_many_recorded_days_cannot_be_scaled_either(record: Volumes | Trace) -> None:
    """Half of a recorded customer does not exist."""
    with pytest.raises(InvalidVolumes, match=r"cannot be scaled by 0\.9"):
        RecordedArrivals(record=record).begin(np.random.default_rng(0), 0.9)


def test_every_recorded_day_is_met_about_as_often() -> None:
    """Days are drawn uniformly: shares of 3000 runs within 3.29 errors of a third."""
    process, random = RecordedArrivals(record=COUNTED), np.random.default_rng(1)
    totals = [len(process.begin(random, 1.0).until(60.0)) for _ in range(3000)]
    shares = np.array([totals.count(total) for total in COUNTED.totals]) / 3000
    assert shares.sum() == pytest.approx(1.0)
    assert np.abs(shares - 1 / 3).max() < 3.29 * np.sqrt(2 / 9 / 3000)


def test_recorded_times_are_kept_exactly() -> None:
    """The user's timestamps are the truth; nothing may be drawn around them."""
    process, random = RecordedArrivals(record=STAMPED), np.random.default_rng(2)
    met = {tuple(process.begin(random, 1.0).until(60.0).tolist()) for _ in range(50)}
    assert met == {(1.0, 1.0, 59.9), (30.0,), (0.0, 12.5)}


def test_recorded_counts_are_spread_within_their_slots() -> None:
    """A count says how many came in its half hour, and nothing of when in it."""
    process, random = RecordedArrivals(record=COUNTED), np.random.default_rng(3)
    drawn = [process.begin(random, 1.0).until(60.0) for _ in range(50)]
    counts = {tuple(np.histogram(times, (0.0, 30.0, 60.0))[0].tolist()) for times in drawn}
    assert counts == {(3, 0), (1, 1), (5, 2)}
    assert len({times[0] for times in drawn}) == 50


def test_days_are_of_one_kind_or_of_their_weekday() -> None:
    """Whoever decides may know that it is Saturday; then two Saturdays share their mean."""
    alike, weekday = (
        RecordedArrivals(record=COUNTED, day_kinds=kinds) for kinds in ("alike", "weekday")
    )
    np.testing.assert_allclose(alike.expected((0.0, 30.0, 60.0)), [[3.0, 1.0]])
    np.testing.assert_allclose(weekday.expected((0.0, 30.0, 60.0)), [[1.0, 1.0], [4.0, 1.0]])
    assert weekday.kinds.tolist() == [1, 0, 1]
    random = np.random.default_rng(4)
    for _ in range(20):
        stream = weekday.begin(random, 1.0)
        assert (len(stream.until(60.0)) == 2) == (stream.day == 0)
        assert alike.begin(random, 1.0).day == 0


def test_epochs_that_end_before_or_after_the_record_are_refused() -> None:
    """Customers between close and the last epoch would be lost without a word."""
    for close in (30.0, 90.0):
        with pytest.raises(InvalidSystem, match=f"end at {close:g} minutes and the record at 60"):
            RecordedArrivals(record=STAMPED).expected((0.0, close))
        with pytest.raises(InvalidSystem, match="do not fit 2 slots of 30 minutes"):
            RecordedArrivals(record=COUNTED).expected((0.0, close))


def test_records_that_cannot_be_met_are_refused() -> None:
    """A fault in a record would show as a strange day much later."""
    with pytest.raises(InvalidSystem, match="day_kinds is 'weekdays': give 'alike' or 'weekday'"):
        RecordedArrivals(record=COUNTED, day_kinds="weekdays")
    with pytest.raises(InvalidVolumes, match="day 5: give one of the 5 rows"):
        TraceArrivals(day=5, counts=np.ones(SLOTS, int), slot_minutes=5.0, profile=PROFILE)
    with pytest.raises(InvalidVolumes, match="a count of -1"):
        TraceArrivals(day=0, counts=-np.ones(SLOTS, int), slot_minutes=5.0, profile=PROFILE)
