import numpy as np
import pytest

from sim.distributions import (
    DISTRIBUTIONS,
    Deterministic,
    Distribution,
    Exponential,
    Gamma,
    Lognormal,
)
from sim.errors import InvalidSystem
from tests.systems import assert_holds

EVERY = [
    (Exponential(mean=3.0), 1.0),
    (Deterministic(mean=3.0), 0.0),
    (Gamma(mean=3.0, scv=0.25), 0.25),
    (Lognormal(mean=3.0, scv=0.8), 0.8),
]


@pytest.mark.parametrize(("distribution", "scv"), EVERY, ids=list(DISTRIBUTIONS))
def test_draws_have_the_mean_and_variability_they_are_named_by(
    distribution: Distribution, scv: float
) -> None:
    """A scenario states mean and scv, so both must be those of the draws (99.9% half-width)."""
    draws = distribution.sample(np.random.default_rng(4), 100_000)
    assert isinstance(distribution, Distribution)
    assert draws.min() > 0
    assert_holds(distribution.mean, draws, precision=0.02)
    blocks = ((draws / distribution.mean - 1) ** 2).reshape(100, -1).mean(axis=1)
    assert_holds(1.0, 1.0 + blocks - scv, precision=0.1)


@pytest.mark.parametrize("value", [0.0, -2.0, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [Exponential, Deterministic])
def test_impossible_means_are_refused(kind: type[Exponential], value: float) -> None:
    """A duration of nothing, or for ever, would stop the clock."""
    with pytest.raises(InvalidSystem, match=f"mean is {value}"):
        kind(mean=value)


@pytest.mark.parametrize("value", [0.0, -2.0, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [Gamma, Lognormal])
def test_impossible_shapes_are_refused(kind: type[Gamma], value: float) -> None:
    """Without variability the duration is deterministic, and should be called that."""
    with pytest.raises(InvalidSystem, match=f"squared coefficient of variation is {value}"):
        kind(mean=1.0, scv=value)
    with pytest.raises(InvalidSystem, match=f"mean is {value}"):
        kind(mean=value, scv=1.0)
