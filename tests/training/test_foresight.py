"""Looks one event ahead."""

from collections.abc import Callable

import numpy as np
import pytest

from sim.errors import InvalidSystem
from surrogates.baselines import fit_mean
from tests.network_fits import NetworkFit, balking_fit, criss_cross_fit
from training.foresight import Foresight


@pytest.mark.parametrize("build", [criss_cross_fit, balking_fit])
def test_means_agree_with_draws(build: Callable[[], NetworkFit]) -> None:
    """What is taken off rewards must be the mean of what comes, or it moves the optimum.

    Where customers turn away, one and the same event may leave one more present or as many as
    before. Four standard errors of 40,000 draws.
    """
    fit, draws = build(), 40_000
    foresight = Foresight.of(fit.surrogate)
    row = int(fit.transitions.state[:, :6].sum(axis=1).argmax())
    states = np.tile(fit.transitions.state[row], (draws, 1))
    decisions = np.tile(fit.description.decisions[1], (draws, 1))
    parameters = np.tile(fit.description.nominal, (draws, 1))
    epochs = fit.surrogate.sample(states, decisions, parameters, np.random.default_rng(5))
    ahead = foresight.look(states[:1], decisions[:1], parameters[:1], lambda present: present**2)
    after = foresight.present(epochs.state) ** 2
    for told, drawn in ((ahead.after[0], after), (ahead.minutes, epochs.duration[:, None])):
        error = 4 * drawn.std(axis=0) / np.sqrt(draws)
        assert np.all(np.abs(told - drawn.mean(axis=0)) <= error + 1e-9)


def test_what_is_no_race_of_events_is_refused() -> None:
    """Only a race knows the chance of every event."""
    fit = criss_cross_fit()
    other = fit_mean(fit.transitions, fit.description, None, np.random.default_rng(0))
    with pytest.raises(InvalidSystem, match="no race of events"):
        Foresight.of(other)
