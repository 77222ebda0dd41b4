"""Worlds that begin anywhere and never end."""

from dataclasses import replace

import numpy as np
import pytest

from envs.endless import EndlessWorld
from surrogates.flow import FlowSurrogate
from tests.network_fits import NetworkFit, criss_cross_fit
from training.foresight import Foresight


def world(fit: NetworkFit, copies: int, *, means: bool) -> EndlessWorld:
    minutes = Foresight.of(fit.surrogate).minutes if means else None
    return EndlessWorld(fit.surrogate, copies, fit.transitions.state, minutes)


def test_copies_begin_in_the_given_states_and_no_epoch_is_the_last() -> None:
    """A long-run average has no close; an end would reward whoever leaves queues behind."""
    fit, random = criss_cross_fit(), np.random.default_rng(0)
    short = replace(fit.description, epochs=3)
    surrogate = FlowSurrogate(short, fit.surrogate.law)
    copies = EndlessWorld(surrogate, 8, fit.transitions.state)
    opened = copies.begin(np.arange(8), random)
    known = {tuple(state) for state in fit.transitions.state}
    assert all(tuple(state) in known for state in opened)
    for _ in range(5):
        answers = copies.advance(fit.description.decisions[np.zeros(8, dtype=int)], random)
        assert not answers.is_last.any()


def test_mean_durations_move_no_event_and_scale_the_times_spent() -> None:
    """Which event comes is independent of when, so only the noise of its time may go."""
    fit = criss_cross_fit()
    drawn, mean = world(fit, 64, means=False), world(fit, 64, means=True)
    decisions = fit.description.decisions[np.ones(64, dtype=int)]
    opened = [copies.begin(np.arange(64), np.random.default_rng(3)) for copies in (drawn, mean)]
    answers = [copies.advance(decisions, np.random.default_rng(4)) for copies in (drawn, mean)]
    assert np.array_equal(answers[0].state, answers[1].state)
    names = [quantity.name for quantity in fit.description.outputs]
    at = names.index("class_1_present")
    per_minute = [a.outputs[:, at] / a.duration for a in answers]
    assert per_minute[0] == pytest.approx(per_minute[1])
    minutes = Foresight.of(fit.surrogate).minutes
    assert answers[1].duration == pytest.approx(minutes(opened[1], decisions, mean.parameters))
