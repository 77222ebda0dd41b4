import numpy as np
import pytest
from scipy.stats import norm

from sim.description import SystemDescription
from surrogates.dataset import Transitions
from surrogates.ensemble import EnsembleSurrogate
from surrogates.interface import Surrogate


@pytest.fixture(scope="module")
def apart(fitted: dict[str, Surrogate], description: SystemDescription) -> EnsembleSurrogate:
    """The fitted ensemble with its second elite believing in many more arrivals."""
    ensemble = fitted["ensemble"]
    assert isinstance(ensemble, EnsembleSurrogate)
    tensors = ensemble.to_tensors()
    skip = tensors["members.skip"].copy()
    skip[int(ensemble.elites[1]), -1, 0] += 1.0
    return EnsembleSurrogate.from_tensors({**tensors, "members.skip": skip}, description)


def test_each_row_is_drawn_from_the_law_of_its_own_elite(
    apart: EnsembleSurrogate, held_out: Transitions
) -> None:
    """Rows of two elites are mixed; arrivals, which nothing bounds, are a rounded known normal.

    A share of n rows misses a probability p by four binomial deviations once in 16,000 times.
    """
    count = 4000
    rows = held_out.take(np.full(count, 5))
    elites = np.random.default_rng(1).integers(2, size=count)
    drawn = apart.sample_from(
        rows.state, rows.decision, rows.parameters, elites, np.random.default_rng(2)
    )
    inputs = apart._inputs(rows.state[:1], rows.decision[:1], rows.parameters[:1])
    centre, width = apart._scales.coordinate[:, 0]
    arrivals = apart._coordinates.coordinates[0]
    for elite in range(2):
        law = apart._members[elite](inputs)[:, 0]
        mean, deviation = centre + width * law[0], width * law[len(law) // 2]
        seen = drawn.outputs[elites == elite, 0]
        for score in (-1.0, 0.0, 1.0):
            most = np.rint(arrivals.unscale(np.array(mean + score * deviation)))
            share = norm.cdf((arrivals.scale(np.array(most + 0.5)) - mean) / deviation)
            error = np.sqrt(share * (1 - share) / len(seen))
            assert (seen <= most).mean() == pytest.approx(share, abs=4 * error)


def test_elites_fall_to_rows_by_chance_alone(
    apart: EnsembleSurrogate, held_out: Transitions
) -> None:
    """Neighbours often hold the same question: had they the same elite, their mean would be its.

    With arrivals of two humps, a row above the middle tells its elite; what neighbours have in
    common is then no more than four deviations of a correlation of independent rows.
    """
    count = 4000
    rows = held_out.take(np.full(count, 5))
    drawn = apart.sample(rows.state, rows.decision, rows.parameters, np.random.default_rng(3))
    is_high = drawn.outputs[:, 0] > np.median(drawn.outputs[:, 0])
    assert abs(np.corrcoef(is_high[:-1], is_high[1:])[0, 1]) < 4 / np.sqrt(count)
