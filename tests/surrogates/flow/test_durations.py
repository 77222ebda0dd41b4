"""How long epochs of a race last."""

import numpy as np
import pytest

from surrogates.flow.jumps import JumpLaw
from tests.network_fits import criss_cross_fit


def test_a_race_of_exponential_times_keeps_exponential_durations() -> None:
    """Noise in how long states last would be taken by a policy for what its decisions bring.

    The mean of minutes times the total rate is 1, and so is their deviation, to within four
    standard errors of 8,000 epochs; a stretch that depends on the state would vary the first.
    """
    fit = criss_cross_fit()
    law, t = fit.surrogate.law, fit.transitions
    assert isinstance(law, JumpLaw)
    assert not law.to_tensors()["head.weight"][-2:].any()
    shares = t.duration * law.rates(t.state, t.decision, t.parameters).sum(axis=1)
    error = 4 / np.sqrt(len(t))
    assert shares.mean() == pytest.approx(1.0, abs=error)
    assert shares.std() == pytest.approx(1.0, abs=2 * error)
