"""The log score of draws approaches that of the law that they are from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from surrogates.log_scores import log_scores_of_draws

ROWS, DRAWS = 3000, 256


def test_the_score_of_the_right_law_is_its_entropy() -> None:
    """Laws that vary from row to row; kernel and finite draws cost some hundredths of a nat."""
    random = np.random.default_rng(1)
    centre, rate = random.normal(size=ROWS) * 5.0, random.uniform(2.0, 12.0, size=ROWS)
    drawn = np.stack(
        [
            random.normal(centre[:, None], 2.0, size=(ROWS, DRAWS)),
            random.poisson(rate[:, None], size=(ROWS, DRAWS)),
        ],
        axis=2,
    )
    seen = np.stack([random.normal(centre, 2.0), random.poisson(rate)], axis=1).astype(float)
    found = log_scores_of_draws(drawn, seen, np.array([False, True]))
    truth = [
        -np.mean(stats.norm.logpdf(seen[:, 0], centre, 2.0)),
        -np.mean(stats.poisson.logpmf(seen[:, 1], rate)),
    ]
    assert found == pytest.approx(truth, abs=0.06)
    assert (found > np.array(truth) - 0.02).all()


@pytest.mark.parametrize("is_count", [True, False])
def test_laws_that_are_too_narrow_too_wide_or_aside_score_worse(is_count: bool) -> None:
    """Whatever is wrong with a law must cost."""
    random = np.random.default_rng(2)
    seen = np.rint(random.normal(50.0, 5.0, size=(ROWS, 1)))

    def told(mean: float, deviation: float) -> float:
        drawn = np.rint(random.normal(mean, deviation, size=(ROWS, 64, 1)))
        return float(log_scores_of_draws(drawn, seen, np.array([is_count]))[0])

    right = told(50.0, 5.0)
    assert min(told(50.0, 2.0), told(50.0, 15.0), told(56.0, 5.0)) > right + 0.2


def test_what_is_sure_and_comes_scores_nothing_and_what_no_draw_shows_is_not_infinite() -> None:
    """A right atom has probability 1; the score of a wrong one is bounded by how many draws."""
    seen = np.arange(400.0).reshape(400, 1) % 4
    sure = np.repeat(seen[:, None], 64, axis=1)
    whole = np.array([True])
    assert log_scores_of_draws(sure, seen, whole)[0] == pytest.approx(0.0, abs=0.02)
    wrong = log_scores_of_draws((sure + 1) % 4, seen, whole)[0]
    assert np.log(65.0) < wrong < np.log(65.0) + 2.5
