import json

import numpy as np
import pytest
from scipy import stats

from sim.description import SystemDescription
from surrogates.baselines import MeanSurrogate
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import Epochs, Surrogate
from surrogates.scores import Foretold, crps_of_draws, pit_values, score, score_foretold


class PoissonWorld:
    """A surrogate whose every count and measure is Poisson around a known mean."""

    name = "poisson"

    def __init__(self, description: SystemDescription, mean: float) -> None:
        self.description = description
        self.openings = np.zeros((1, len(description.state_names)))
        self.mean = mean

    def sample(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        rows = len(states)
        return Epochs(
            state=random.poisson(self.mean, (rows, states.shape[1])).astype(float),
            outputs=random.poisson(self.mean, (rows, len(self.description.output_names))).astype(
                float
            ),
            duration=np.full(rows, 30.0),
        )


def observe(world: PoissonWorld, transitions: Transitions) -> Transitions:
    """The same questions with answers drawn from the world itself."""
    answers = world.sample(
        transitions.state,
        transitions.decision,
        transitions.parameters,
        np.random.default_rng(1),
    )
    return Transitions(
        state=transitions.state,
        decision=transitions.decision,
        parameters=transitions.parameters,
        next_state=answers.state,
        outputs=answers.outputs,
        duration=answers.duration,
        episode=transitions.episode,
        policy=transitions.policy,
    )


@pytest.mark.parametrize("outcome", [-1.5, 0.0, 0.7])
def test_crps_agrees_with_the_closed_form_of_a_normal(outcome: float) -> None:
    """CRPS of N(0, 1) at y is y(2F(y)-1) + 2f(y) - 1/sqrt(pi); within four standard errors."""
    drawn = np.random.default_rng(0).standard_normal((20_000, 8, 1))
    each = np.array([crps_of_draws(row[None], np.full((1, 1), outcome))[0] for row in drawn[:4000]])
    exact = (
        outcome * (2 * stats.norm.cdf(outcome) - 1)
        + 2 * stats.norm.pdf(outcome)
        - 1 / np.sqrt(np.pi)
    )
    estimate = crps_of_draws(drawn, np.full((20_000, 1), outcome))[0]
    assert abs(estimate - exact) < 4 * each.std() / np.sqrt(len(drawn))


def test_crps_of_the_estimator_does_not_depend_on_the_number_of_draws() -> None:
    """Two draws and two hundred must agree, or scores with different draws cannot be compared."""
    random = np.random.default_rng(2)
    few = crps_of_draws(random.standard_normal((60_000, 2, 1)), np.zeros((60_000, 1)))[0]
    many = crps_of_draws(random.standard_normal((2_000, 200, 1)), np.zeros((2_000, 1)))[0]
    # With two draws the score of a row deviates by about 0.55: four errors of 60,000 are 0.009.
    assert few == pytest.approx(many, abs=0.012)


@pytest.mark.parametrize("mean", [0.01, 0.3, 4.0, 300.0])
def test_pit_is_uniform_for_a_right_model_of_counts(
    mean: float, transitions: Transitions, description: SystemDescription
) -> None:
    """Small counts tie with their draws, and untied randomly they would look overconfident.

    Nor does leaving out those where all are alike prefer some ranks to others.
    """
    world = PoissonWorld(description, mean)
    values = pit_values(world, observe(world, transitions), np.random.default_rng(3), draws=16)
    together = np.concatenate(list(values.values()))
    # All values are independent: a right model fails one seed in a thousand, and this is fixed.
    assert stats.kstest(together, "uniform").pvalue > 0.001


def test_coverage_is_nominal_for_a_right_model_of_counts(
    transitions: Transitions, description: SystemDescription
) -> None:
    """Coverage inherits the uniformity, so its error is binomial: four deviations are 0.01."""
    world = PoissonWorld(description, 2.0)
    scores = score(world, observe(world, transitions), np.random.default_rng(4), draws=16)
    assert scores.coverage == pytest.approx({"50": 0.5, "80": 0.8, "95": 0.95}, abs=0.01)


def foretold(drawn: np.ndarray, seen: np.ndarray) -> Foretold:
    """Outputs only, all of them counted."""
    names = tuple(f"output {i}" for i in range(seen.shape[1]))
    return Foretold(
        names=names, states=0, counted=list(range(len(names))),
        is_count=np.zeros(len(names), dtype=bool), drawn=drawn, seen=seen,
    )  # fmt: skip


def test_numbers_that_never_vary_do_not_hide_one_that_is_foretold_too_surely() -> None:
    """A spread of 0.8 covers 41%, 69% and 88%; among ten constants that would read as 49%."""
    random = np.random.default_rng(6)
    drawn, seen = 0.8 * random.standard_normal((2000, 64, 1)), random.standard_normal((2000, 1))
    alone = foretold(drawn, seen)
    among = foretold(
        np.concatenate([drawn, np.zeros((2000, 64, 10))], axis=2),
        np.concatenate([seen, np.zeros((2000, 10))], axis=1),
    )
    pit = among.pit(random)
    one, all_of_them = score_foretold(alone, pit[:, :1]), score_foretold(among, pit)
    assert all_of_them.coverage == one.coverage
    expected = [2 * stats.norm.cdf(0.8 * stats.norm.ppf((1 + level) / 2)) - 1
                for level in (0.5, 0.8, 0.95)]  # fmt: skip
    # Four binomial deviations of 2000 outcomes; the ends of 64 draws are drawn a little outwards.
    assert list(one.coverage.values()) == pytest.approx(expected, abs=0.045)
    assert all_of_them.standardised_crps == pytest.approx(one.standardised_crps)


def test_what_never_varies_is_missed_in_its_own_unit() -> None:
    """An error about a constant must not disappear with the constant; nor may it help."""
    random = np.random.default_rng(7)
    drawn, seen = random.standard_normal((500, 16, 2)), random.standard_normal((500, 2))
    drawn[:, :, 1] = seen[:, 1] = 0.0
    right = score_foretold(foretold(drawn, seen), np.full((500, 2), 0.5))
    drawn[:, :, 1] = 3.0
    wrong = foretold(drawn, seen)
    scores = score_foretold(wrong, wrong.pit(random))
    assert scores.standardised_crps == pytest.approx(right.standardised_crps + 3.0)
    # Every second outcome is below all draws; four deviations of the others are 0.04.
    assert scores.coverage["95"] < 0.9


def test_where_nothing_can_be_missed_coverage_is_nominal() -> None:
    """There is no share of no outcomes, and a record takes no NaN."""
    sure = foretold(np.ones((4, 3, 2)), np.ones((4, 2)))
    scores = score_foretold(sure, sure.pit(np.random.default_rng(0)))
    assert scores.coverage == {"50": 0.5, "80": 0.8, "95": 0.95}
    assert scores.standardised_crps == 0.0


def test_a_wrong_mean_costs_score_and_shows_as_bias(
    transitions: Transitions, description: SystemDescription
) -> None:
    """Both scores are proper: the truth must win, and the bias has the sign of the error."""
    right, wrong = PoissonWorld(description, 20.0), PoissonWorld(description, 23.0)
    seen = observe(right, transitions)
    good, bad = (score(w, seen, np.random.default_rng(5), draws=32) for w in (right, wrong))
    assert bad.standardised_crps > good.standardised_crps
    assert bad.energy > good.energy
    assert bad.bias["call_arrivals"] == pytest.approx(3.0, abs=0.5)


def test_what_cannot_be_missed_is_not_scored(
    fitted: dict[str, Surrogate], held_out: Transitions, description: SystemDescription
) -> None:
    """Perfect marks for the number of the epoch would only dilute the mean."""
    scores = score(fitted["mean"], held_out, np.random.default_rng(0), draws=8)
    assert set(scores.crps_by_output) == set(description.output_names) - {"moves"}
    assert set(scores.crps_by_state) == {
        *(stock.name for stock in description.stocks),
        *(tally.name for tally in description.tallies),
    }


def test_the_record_is_json_without_what_does_not_exist(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """Manifests and tables are made from it; the bootstrap has no likelihood to report."""
    record = score(fitted["bootstrap"], held_out, np.random.default_rng(0), draws=8).to_record()
    assert json.loads(json.dumps(record)) == record
    assert "log_likelihood" not in record


@pytest.mark.parametrize(("rows", "draws", "reason"), [(0, 8, "no held-out"), (5, 1, "at least 2")])
def test_nothing_to_compare_is_refused(
    rows: int,
    draws: int,
    reason: str,
    fitted: dict[str, Surrogate],
    held_out: Transitions,
) -> None:
    """A mean over nothing is NaN, and NaN compares as neither better nor worse."""
    mean = fitted["mean"]
    assert isinstance(mean, MeanSurrogate)
    with pytest.raises(InvalidDataset, match=reason):
        score(mean, held_out.take(np.arange(rows)), np.random.default_rng(0), draws=draws)
