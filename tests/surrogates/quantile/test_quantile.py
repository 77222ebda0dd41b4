import numpy as np
import pytest

from sim.description import SystemDescription
from surrogates.coordinates import Coordinate
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import Surrogate
from surrogates.quantile.surrogate import QuantileSettings, QuantileSurrogate, settled_log_prob
from surrogates.scores import score

LEVELS = QuantileSettings(levels=6, outermost=0.03).grid


def test_quantiles_never_cross(fitted: dict[str, Surrogate]) -> None:
    """A quantile below a lower one is no law, however odd the question."""
    quantile = fitted["quantile"]
    assert isinstance(quantile, QuantileSurrogate)
    width = quantile._weights["skip"].shape[1]
    inputs = np.random.default_rng(0).normal(0.0, 30.0, (500, width)).astype(np.float32)
    for position in range(len(quantile._networks)):
        found = quantile.quantiles(position, inputs)
        assert np.isfinite(found).all()
        assert (np.diff(found, axis=1) >= 0).all()


@pytest.mark.parametrize("kind", ["flow", "idle"])
def test_the_masses_of_all_counts_sum_to_one(kind: str) -> None:
    """A likelihood that leaks mass at a bound would favour models that push against it."""
    coordinate = Coordinate(name="any", kind="idle" if kind == "idle" else "flow")
    counts = np.arange(0.0, 13.0)
    law = np.tile([0.5, 0.9, 1.0, 2.0, 2.6, 5.0], (13, 1))
    logs = settled_log_prob(coordinate, counts, np.zeros(13), np.full(13, 12.0), LEVELS, law)
    assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-9)


def test_settled_draws_have_the_masses_of_the_likelihood() -> None:
    """Sampling and scoring must speak of one law; tolerance is four binomial deviations."""
    from surrogates.quantile import interpolation

    coordinate, count = Coordinate(name="any", kind="flow"), 100_000
    law = np.array([0.5, 0.9, 1.0, 2.0, 2.6, 5.0])
    uniform = np.random.default_rng(0).random(count)
    latent = interpolation.draw(LEVELS, np.tile(law, (count, 1)), uniform)
    seen = coordinate.settle(latent, np.zeros(count), np.full(count, 9.0))
    counts = np.arange(10.0)
    logs = settled_log_prob(
        coordinate, counts, np.zeros(10), np.full(10, 9.0), LEVELS, np.tile(law, (10, 1))
    )
    share = np.array([(seen == value).mean() for value in counts])
    assert (np.abs(share - np.exp(logs)) < 4 * np.sqrt(np.exp(logs) / count)).all()


def test_knowing_the_state_beats_the_marginal_distribution(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """Else the networks would not be worth their training."""
    crps = {
        name: score(fitted[name], held_out, np.random.default_rng(0), draws=16).standardised_crps
        for name in ("quantile", "ensemble", "trees", "mean")
    }
    assert max(crps["quantile"], crps["ensemble"], crps["trees"]) < 0.65 * crps["mean"]


def test_settings_that_cannot_fit_are_refused(description: SystemDescription) -> None:
    """The value and the bound belong in the message, not in a stack trace of a library."""
    with pytest.raises(InvalidDataset, match=r"outermost 0\.5: below 0\.5"):
        QuantileSettings(outermost=0.5)
    with pytest.raises(InvalidDataset, match="levels 2: at least 3"):
        QuantileSettings(levels=2)
