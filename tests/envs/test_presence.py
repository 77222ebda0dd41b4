"""Views of networks by the numbers of customers present."""

import numpy as np
import pytest

from envs.presence import PresenceView, presence_of
from sim.errors import InvalidSystem
from tests.network_fits import criss_cross_fit
from tests.systems import small_centre


def test_customers_are_counted_waiting_and_in_service() -> None:
    """Time spent present is what each class costs, so number times minutes must give it."""
    fit = criss_cross_fit()
    t = fit.transitions
    names = [f"class_{number}_present" for number in (1, 2, 3)]
    spent = t.outputs[:, [fit.description.output_names.index(name) for name in names]]
    present = t.state @ presence_of(fit.description).T
    assert present * t.duration[:, None] == pytest.approx(spent, abs=1e-9)


def test_who_waits_and_who_is_served_look_alike() -> None:
    """A service may be interrupted, so that only numbers present matter to a decision."""
    fit = criss_cross_fit()
    view = PresenceView.of(fit.description, fit.transitions.state)
    waiting, served = np.zeros((2, 1, len(fit.description.state_names)))
    waiting[0, 0], served[0, 1] = 1.0, 1.0
    assert np.array_equal(view(waiting), view(served))
    assert view(waiting).shape == (1, len(view.names))


def test_small_numbers_are_told_apart_and_long_queues_stay_in_range() -> None:
    """Policies turn where a server runs dry, and a network must not be fed hundreds."""
    fit = criss_cross_fit()
    view = PresenceView.of(fit.description, fit.transitions.state)
    states = np.zeros((4, len(fit.description.state_names)))
    states[:, 0] = [0, 1, 2, 500]
    seen = view(states)
    few = [view.names.index(f"class_1_at_least_{number}") for number in (1, 2, 3)]
    assert seen[:, few].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert np.abs(seen).max() < 25


def test_a_system_with_a_calendar_is_refused() -> None:
    """Where the time of day matters a view without a clock would hide it."""
    description = small_centre().describe()
    with pytest.raises(InvalidSystem, match="use Observation"):
        PresenceView(description=description, usual=np.ones(3))
