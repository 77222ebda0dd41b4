"""What is replayed live: which episodes, what changes in them, and from when on."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from experiments.main_job.replay import LiveDay, live_days
from tests.experiments.conftest import TINY, Begin

STEP = 'drift = { arrival_scale = { shape = "step", since = 20, to = 1.4 } }\n'
RAMP = 'drift = { arrival_scale = { shape = "ramp", begins = 3, ends = 9, to = 1.3 } }\n'


def arrivals(day: LiveDay) -> float:
    """Customers of one live episode with one server."""
    simulator = day.build()
    simulator.reset(day.seed, day.parameters)
    epochs = [simulator.advance(np.ones(1)) for _ in range(6)]
    return float(sum(epoch.outputs[0] for epoch in epochs))


def test_where_nothing_changes_nothing_is_replayed(begin: Begin) -> None:
    """Episodes like those that were collected would only repeat the evaluation."""
    assert live_days(begin(TINY)) is None


def test_a_drift_is_seen_from_before_its_beginning(begin: Begin) -> None:
    """Of ten episodes five are as before, and the drift begins with the sixth."""
    live = live_days(begin(TINY + STEP, live_days=10))
    assert live is not None
    assert [day.label for day in live.days] == [f"episode {i}" for i in range(15, 25)]
    assert live.turn is not None
    assert (live.turn.position, live.turn.parameters) == (5, {"arrival_scale": 1.4})
    assert not live.by_date


def test_the_drift_is_in_the_simulator_and_nowhere_else(begin: Begin) -> None:
    """Those who decide are told the nominal parameters: the difference is in what they meet.

    Arrivals are Poisson with mean 36 a day, 50 after the change: over 20 days each their means
    lie within 4.5 (99.9%) of these.
    """
    live = live_days(begin(TINY + STEP, live_days=40))
    assert live is not None
    came = np.array([arrivals(day) for day in live.days])
    assert all(day.parameters == {} for day in live.days)
    assert came[:20].mean() == pytest.approx(36.0, abs=4.5)
    assert came[20:].mean() == pytest.approx(50.4, abs=5.5)


def test_a_slow_change_begins_with_its_first_step(begin: Begin) -> None:
    """Whoever says so on the second day of a ramp was not too early."""
    live = live_days(begin(TINY + RAMP, live_days=8))
    assert live is not None
    assert live.turn is not None
    assert live.days[live.turn.position].label == "episode 4"
    assert live.turn.parameters["arrival_scale"] == pytest.approx(1 + 0.3 * 4 / 6)


def test_a_live_episode_is_the_same_whenever_it_is_run(begin: Begin) -> None:
    """Watched and never re-trained are compared in pairs, days apart."""
    context = begin(TINY + STEP, live_days=4)
    one, other = live_days(context), live_days(context)
    assert one is not None
    assert other is not None
    assert [arrivals(day) for day in one.days] == [arrivals(day) for day in other.days]


def test_a_change_of_structure_has_no_parameters(begin: Begin) -> None:
    """From episode 100 on the emergency department no longer sorts its patients."""
    live = live_days(begin("emergency", live_days=6))
    assert live is not None
    assert live.turn is not None
    assert live.days[live.turn.position].label == "episode 100"
    assert live.turn.parameters == {}
    assert [day.label for day in live.days] == [f"episode {i}" for i in range(97, 103)]


def test_recorded_days_change_on_their_date(begin: Begin) -> None:
    """The bank's centre changes on Monday 18 August 2003, in the middle of eight days."""
    live = live_days(begin("bank", live_days=8))
    assert live is not None
    assert live.by_date
    days = [date.fromisoformat(day.label) for day in live.days]
    assert days == sorted(days)
    assert live.turn is not None
    assert live.days[live.turn.position].label == "2003-08-18"
    changed = {"handle_time_scale": 1.2, "patience_scale": 0.7}
    assert live.turn.parameters == changed
    for day in live.days:
        assert day.parameters == (changed if day.label >= "2003-08-18" else {})
        assert day.customers is not None
        assert day.customers > 20_000
