"""The parts of a fidelity report, where closed forms or small cases say what they must give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from sim.description import Description, Lever, SystemDescription
from sim.errors import InvalidSystem
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.fidelity.cells import cells_of
from surrogates.fidelity.conditional import obstacle_to_conditioning, score_conditional
from surrogates.fidelity.coverage import covered, covered_singly
from surrogates.fidelity.episodes import Episodes, as_episodes
from surrogates.fidelity.gap import optimism, paired_optimism
from surrogates.fidelity.horizons import chosen_horizons, horizon_distances
from surrogates.fidelity.policies import (
    SMALLEST_DIFFERENCE,
    Constant,
    constants,
    count_distinct,
    decide_each,
    varied_policies,
)
from surrogates.fidelity.ranking import at_twice_the_days, rank_policies, weighted_tau
from surrogates.fidelity.settings import FidelitySettings
from surrogates.given import SupportsGivenArrivals
from surrogates.interface import Surrogate
from surrogates.scores import Foretold
from tests.fakes import TinyQueue
from tests.surrogates.fidelity.exact import ToldQueue
from tests.systems import small_centre


def test_tau_is_the_known_one_and_a_resample_counts_its_pairs() -> None:
    """With equal weights it is tau-b; a policy drawn twice doubles its pairs with others."""
    random = np.random.default_rng(0)
    left, right = random.integers(6, size=(2, 30)).astype(float)
    assert weighted_tau(left, right, np.ones(30)) == pytest.approx(
        stats.kendalltau(left, right).statistic
    )
    pairs = weighted_tau(
        np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]), np.array([2.0, 1.0, 1.0])
    )
    assert pairs == pytest.approx((2 + 2 - 1) / 5)


@pytest.mark.parametrize(
    ("shape", "noise", "tolerance"),
    [
        ("normal", 0.5, 0.02),
        ("normal", 1.5, 0.03),
        ("uniform", 1.5, 0.03),
        ("skewed", 1.5, 0.05),
        ("clustered", 1.5, 0.05),
    ],
)
def test_what_is_attainable_is_the_tau_of_all_days_with_other_days(
    shape: str, noise: float, tolerance: float
) -> None:
    """Halves agree less: as a bar for the values of all days they would let errors pass.

    Known means, a day's noise and what all policies share in a day; the tau of 24 days with 24
    others is simulated. The means of 40 sets differ by 0.01 by chance, and those of laws far from
    the normal by 0.04 more; halves are 0.03 to 0.1 too low, which no tolerance here lets pass.
    """
    random, days = np.random.default_rng(12), 24
    true, estimated = [], []
    for _ in range(40):
        z = random.standard_normal(21)
        means = {
            "normal": z,
            "uniform": random.uniform(-1.7, 1.7, 21),
            "skewed": np.exp(z),
            "clustered": np.where(np.arange(21) < 10, -1.0, 1.0) + 0.3 * z,
        }[shape]
        batches = means[:, None] + noise * random.standard_normal((12, 21, days))
        one, *others = batches.mean(axis=2)
        true += [weighted_tau(one, other, np.ones(21)) for other in others]
        shared = batches[0] + 3.0 * random.standard_normal(days)
        ranked = rank_policies(
            small_centre().describe(), tuple("abcdefghijklmnopqrstu"), 21, shared, shared,
            np.full((days, 4), 0.4), random, resamples=10,
        )  # fmt: skip
        estimated.append(ranked.overall.attainable)
    assert np.mean(estimated) == pytest.approx(np.mean(true), abs=tolerance)


def test_more_days_make_an_order_clearer_but_make_none() -> None:
    """Ranks that agree altogether cannot agree better, and noise is no ranking."""
    assert at_twice_the_days(1.0) == pytest.approx(1.0)
    assert at_twice_the_days(0.0) == 0.0
    assert at_twice_the_days(-0.2) == -0.2
    # r = 1/2 becomes 2/3.
    assert at_twice_the_days(1 / 3) == pytest.approx(2 / np.pi * np.arcsin(2 / 3))


def test_values_that_are_all_alike_rank_nothing() -> None:
    """Not a number would compare as neither better nor worse than any threshold."""
    assert weighted_tau(np.ones(4), np.arange(4.0), np.ones(4)) == 0.0


def test_a_reversed_ranking_is_seen_whole_and_by_cell() -> None:
    """A surrogate that prefers the worse policy must not hide behind a mean."""
    description = small_centre().describe()
    random = np.random.default_rng(1)
    simulated = np.arange(8.0)[:, None] + 0.01 * random.normal(size=(8, 12))
    days = np.ones((12, 4))
    days[:6, 0] = 0.5
    imagined = np.where(days[:, 0] == 0.5, simulated, -simulated)
    found = rank_policies(
        description, tuple("abcdefgh"), 8, simulated, imagined, days, random, resamples=50
    )
    assert found.overall.attainable == pytest.approx(1.0)
    assert found.cells["arrival_scale low"].value == 1.0
    assert found.cells["arrival_scale middle"].value == -1.0
    assert found.cells["arrival_scale middle"].high < 0.0


@pytest.mark.parametrize(("error", "mean"), [(0.0, -0.03), (0.3, 0.11)])
def test_what_tau_falls_short_of_lies_in_its_interval(error: float, mean: float) -> None:
    """The intervals are to be of 95%, and to tell a right surrogate from one that is not.

    The true shortfall is the mean over the sets, which differs by 0.01 by chance; of 20 intervals
    of 95% five or more miss it in 0.3%.
    """
    random, short, low, high = np.random.default_rng(7), [], [], []
    for _ in range(20):
        means = random.standard_normal((21, 1))
        simulated = means + 0.5 * random.standard_normal((21, 24))
        imagined = means + error * random.standard_normal((21, 1)) + np.zeros((21, 24))
        tau = rank_policies(
            small_centre().describe(), tuple("abcdefghijklmnopqrstu"), 21, simulated, imagined,
            np.full((24, 4), 0.5), random, resamples=40,
        ).overall  # fmt: skip
        short.append(tau.attainable - tau.value)
        low.append(tau.shortfall_low)
        high.append(tau.shortfall_high)
    true = np.mean(short)
    assert true == pytest.approx(mean, abs=0.03)
    assert sum(a <= true <= b for a, b in zip(low, high, strict=True)) >= 16
    assert np.mean(high) - np.mean(low) < 0.35


def test_too_few_to_rank_is_refused() -> None:
    """Two policies have a tau of one or minus one by the toss of a coin."""
    with pytest.raises(InvalidDataset, match="a ranking needs at least 3"):
        rank_policies(
            small_centre().describe(), ("a", "b"), 2, np.zeros((2, 9)), np.zeros((2, 9)),
            np.ones((9, 4)), np.random.default_rng(0),
        )  # fmt: skip


@pytest.mark.parametrize("days", [8, 9])
def test_days_that_are_no_pairs_are_refused(days: int) -> None:
    """What differs between days with other parameters is not what a day leaves to chance."""
    with pytest.raises(InvalidDataset, match="days 0 and 1"):
        rank_policies(
            small_centre().describe(), ("a", "b", "c"), 3, np.zeros((3, days)),
            np.zeros((3, days)), np.arange(4.0 * days).reshape(days, 4), np.random.default_rng(0),
        )  # fmt: skip


def test_a_policy_that_suits_some_parameters_is_no_noise() -> None:
    """The surrogate is asked under the same parameters, so it can know what the simulator knows.

    Interaction as large as the difference between policies: halves of other parameters agree as if
    it were noise, which made the bar 0.16 too low. Means of 40 sets differ by 0.01 by chance.
    """
    random, days = np.random.default_rng(5), 24
    true, estimated = [], []
    for _ in range(40):
        points = np.repeat(random.uniform(0.5, 1.5, (days // 2, 4)), 2, axis=0)
        slopes = random.standard_normal((21, 4))
        means = random.standard_normal((21, 1)) + np.sqrt(12) * slopes @ (points - 1.0).T
        one, other = means + 1.5 * random.standard_normal((2, 21, days))
        true.append(weighted_tau(one.mean(axis=1), other.mean(axis=1), np.ones(21)))
        found = rank_policies(
            small_centre().describe(), tuple("abcdefghijklmnopqrstu"), 21, one, one, points,
            random, resamples=10,
        )  # fmt: skip
        estimated.append(found.overall.attainable)
    assert np.mean(estimated) == pytest.approx(np.mean(true), abs=0.04)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_gap_above_zero_promises_too_much_whether_days_cost_or_earn(sign: float) -> None:
    """Costs of episodes that earn money are negative, and the sign must not turn over."""
    random = np.random.default_rng(2)
    true = sign * 100.0 + random.normal(size=50)
    gap = optimism(true, true - 10.0, random)
    assert gap.low < 0.1 < gap.high
    assert gap.low > 0.08


def test_a_share_is_as_unsure_as_the_cost_that_it_is_a_share_of() -> None:
    """A cost that is not known well makes a share of it unsure, but not one that it keeps.

    Days that all hide three tenths leave nothing to chance. Where the surrogate says 2 whatever
    the day, the share 1 - 2 / c about c = 1 moves twice as much as the cost c does.
    """
    random = np.random.default_rng(2)
    true = random.normal(1.0, 0.5, size=400)
    true += 1.0 - true.mean()
    kept = paired_optimism(true, 0.7 * true, random)
    assert (kept.low, kept.value, kept.high) == pytest.approx((0.3, 0.3, 0.3))
    interval = 2 * 1.96 * 0.5 / np.sqrt(400)
    for gap in (
        optimism(true, np.full(400, 2.0), random),
        paired_optimism(true, np.full(400, 2.0), random),
    ):
        assert gap.value == pytest.approx(-1.0)
        # Widths of 2000 resamples differ by a few percent, and these 400 costs by as much.
        assert gap.high - gap.low == pytest.approx(2 * interval, rel=0.15)


def test_a_gap_of_days_that_cost_nothing_is_itself() -> None:
    """Nothing is no unit, and a report must not end in a division."""
    gap = optimism(np.zeros(5), np.full(5, 2.0), np.random.default_rng(0))
    assert (gap.low, gap.value, gap.high) == (-2.0, -2.0, -2.0)


def some_states(description: SystemDescription, most: int) -> np.ndarray:
    """Up to so many customers in each place, at a random epoch of the first kind of day."""
    random = np.random.default_rng(0)
    states = random.integers(most + 1, size=(200, len(description.state_names))).astype(float)
    states[:, -2] = 0
    states[:, -1] = random.integers(description.epochs, size=200)
    return states


@pytest.mark.parametrize("most", [2, 40])
def test_policies_decide_differently_whatever_the_size_of_the_system(most: int) -> None:
    """Twenty policies that decide alike would be ranked by their noise."""
    description = small_centre().describe()
    states = some_states(description, most)
    policies = varied_policies(description, states, 20, seed=1)
    chosen = np.array([policy.decide(states) for policy in policies])
    apart = (chosen[:, None] != chosen).mean(axis=2)[np.triu_indices(20, 1)]
    assert apart.min() >= SMALLEST_DIFFERENCE
    assert min(len(np.unique(row)) for row in chosen[10:]) > 1
    assert len(np.unique(chosen[10:])) > 3
    assert chosen.min() >= 0
    assert chosen.max() < len(description.decisions)
    which = np.arange(200) % 20
    assert np.array_equal(decide_each(policies, which, states), chosen[which, np.arange(200)])


def test_no_policy_is_made_up_where_there_are_no_more() -> None:
    """In one state only the choice itself can differ, and a report must not count more."""
    description = small_centre().describe()
    states = np.zeros((50, len(description.state_names)))
    policies = varied_policies(description, states, 20, seed=1)
    assert len(policies) == count_distinct(policies, states) <= len(description.decisions) < 20


def test_constants_are_spread_over_more_choices_than_can_be_listed() -> None:
    """Forty levers of two levels or so must not take the memory of all combinations."""
    many = replace(TinyQueue().describe(), levers=tuple(levers(40)))
    first, *_, last = constants(many, 10)
    assert (first.choice, last.choice) == (0, 2**40 - 1)
    assert many.levels_of(last.decide(np.zeros((1, 2)))).tolist() == [[1.0] * 40]
    states = np.random.default_rng(0).random((50, 2))
    assert len(varied_policies(many, states, 10, seed=1)) == 10


def test_the_last_of_very_many_choices_is_a_choice() -> None:
    """2 ** 62 - 1 is no float: rounded up it would be one more than there are."""
    many = replace(TinyQueue().describe(), levers=tuple(levers(62)))
    (*_, last) = constants(many, 2)
    assert many.levels_of(last.decide(np.zeros((1, 2)))).tolist() == [[1.0] * 62]


def test_more_choices_than_numbers_are_refused() -> None:
    """A number that overflowed would stand for another decision."""
    many = replace(TinyQueue().describe(), levers=tuple(levers(63)))
    with pytest.raises(InvalidSystem, match="9223372036854775808 joint choices of 63 levers"):
        constants(many, 2)


def levers(count: int) -> Iterator[Lever]:
    """Of two levels each."""
    for number in range(count):
        yield Lever(name=f"lever_{number}", levels=(0.0, 1.0), decides="value")


def test_copies_of_a_policy_are_counted_once() -> None:
    """Two names for one rule are one policy, and one state in a hundred makes no other."""
    description = small_centre().describe()
    states = some_states(description, 20)
    (one, other, *_) = constants(description, 4)
    twin = Constant(name="twin", choice=one.choice)
    assert count_distinct((one, twin, other, Nearly(one, 5)), states) == 2
    assert count_distinct((one, twin, other, Nearly(one, 20)), states) == 3


@dataclass(frozen=True)
class Nearly:
    """Decides as another does but in its first states."""

    other: Constant
    differs: int
    name: str = "nearly"

    def decide(self, states: np.ndarray) -> np.ndarray:
        return np.asarray(self.other.decide(states) + 2 * (np.arange(len(states)) < self.differs))


def test_an_episode_that_ended_stays_as_it_ended() -> None:
    """Batches are compared at horizons that not every episode reaches."""
    rows = Transitions(
        state=np.zeros((3, 1)), decision=np.zeros((3, 1)), parameters=np.ones((3, 1)),
        next_state=np.array([[1.0], [2.0], [5.0]]), outputs=np.array([[1.0], [1.0], [4.0]]),
        duration=np.ones(3), episode=np.array([0, 0, 1]), policy=np.full(3, "p"),
    )  # fmt: skip
    seen = as_episodes(rows, np.array([1, 2]), lambda z, s, last: z[:, 0] + 10.0 * last * s[:, 0])
    assert seen.states[:, :, 0].tolist() == [[1.0, 2.0], [5.0, 5.0]]
    assert seen.totals[:, :, 0].tolist() == [[1.0, 2.0], [4.0, 4.0]]
    assert seen.costs.tolist() == [22.0, 54.0]


def test_horizons_reach_the_end_of_any_episode() -> None:
    """Errors add up: the last horizon is the one that matters most."""
    assert chosen_horizons(6).tolist() == [1, 2, 3, 4, 5, 6]
    assert chosen_horizons(1).tolist() == [1]
    long = chosen_horizons(1000)
    assert (long[0], long[-1]) == (1, 1000)
    assert len(long) <= 40


def test_a_distance_is_not_shared_with_numbers_that_never_vary() -> None:
    """One queue a deviation away is that far away, however many others stay empty."""
    random = np.random.default_rng(4)
    description = TinyQueue().describe()

    def batch(shift: float) -> Episodes:
        states, totals = np.zeros((60, 2, 2)), np.zeros((60, 2, 5))
        states[:, :, 0] = shift + random.normal(size=(60, 2))
        return Episodes(states=states, totals=totals, costs=np.zeros(60))

    found = horizon_distances(
        description, np.array([1, 2]), batch(1.0), batch(0.0), batch(0.0), np.ones((60, 1)),
        random, swaps=20,
    )  # fmt: skip
    assert found.overall == found.by_quantity["waiting"]
    told = [distance.value for distance in found.overall]
    assert [d.value for d in found.cells["arrival_scale middle"]] == told
    # One of seven quantities: shared among all, a distance of 1 would read as 0.14.
    assert min(told) > 0.4


def test_a_few_outcomes_that_are_all_covered_prove_nothing() -> None:
    """Three of three have no spread, and yet a right law covers all three of its 50% in one of 8.

    What is the same in every draw says nothing at all, and is left out.
    """
    random = np.random.default_rng(0)
    drawn = random.normal(size=(40, 30, 2))
    drawn[:, :, 1] = 0.0
    drawn[:3, ::2, 1] = 1.0
    seen = np.zeros((40, 2))
    seen[:3, 1] = 0.5
    foretold = Foretold(
        names=("often", "rarely"), states=2, counted=[0, 1], is_count=np.zeros(2, dtype=bool),
        drawn=drawn, seen=seen,
    )  # fmt: skip
    pit = foretold.pit(random)
    found = covered_singly(foretold, pit, np.arange(40))
    assert found["rarely"]["50"].share == 1.0
    assert found["rarely"]["50"].error == pytest.approx(np.sqrt(0.25 / 3))
    sure = replace(foretold, drawn=np.zeros((40, 30, 2)), seen=np.zeros((40, 2)))
    assert covered_singly(sure, pit, np.arange(40)) == {}


def test_outcomes_of_one_episode_count_as_one() -> None:
    """Ten rows that err together are worth one: the error is the root of ten times as large."""
    random = np.random.default_rng(0)
    pit = np.repeat(random.random((200, 1)), 10, axis=0)
    foretold = Foretold(
        names=("wait",), states=0, counted=[0], is_count=np.zeros(1, dtype=bool),
        drawn=random.normal(size=(2000, 4, 1)), seen=np.zeros((2000, 1)),
    )  # fmt: skip
    alone = covered(foretold, pit, np.arange(2000))["50"]
    together = covered(foretold, pit, np.repeat(np.arange(200), 10))["50"]
    assert alone.share == together.share
    assert together.error / alone.error == pytest.approx(np.sqrt(10), rel=0.01)


def test_cells_of_one_parameter_are_a_partition() -> None:
    """Every row belongs to one third of each parameter's box, its edges included."""
    description = small_centre().describe()
    parameters = np.random.default_rng(0).uniform(0.5, 1.5, (60, 4))
    parameters[0], parameters[1] = 0.5, 1.5
    cells = dict(cells_of(description, parameters))
    assert len(cells) == 12
    assert sum(cells.values()).tolist() == [4] * 60  # type: ignore[union-attr]


@pytest.mark.parametrize("family", ["flow", "gp"])
def test_held_arrivals_are_those_that_were_seen_and_customers_stay_whole(
    family: str,
    fitted: dict[str, Surrogate],
    held_out: Transitions,
    description: SystemDescription,
) -> None:
    """The replay meets the same customers, and loses none of them on the way."""
    surrogate = fitted[family]
    assert isinstance(surrogate, SupportsGivenArrivals)
    assert surrogate.arrivals_from_outside == ("call_arrivals",)
    epochs = surrogate.sample_given_arrivals(held_out, np.random.default_rng(0))
    place = description.output_names.index("call_arrivals")
    assert np.array_equal(epochs.outputs[:, place], held_out.outputs[:, place])
    names = [stock.name for stock in description.stocks]
    change = epochs.state[:, : len(names)] - held_out.state[:, : len(names)]
    for number, flow in enumerate(description.flows):
        if flow.target is not None:
            change[:, names.index(flow.target)] -= epochs.outputs[:, number]
        if flow.source is not None:
            change[:, names.index(flow.source)] += epochs.outputs[:, number]
    assert np.abs(change).max() == 0.0


def test_knowing_who_comes_makes_the_rest_easier_to_foretell(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """Otherwise the replay would not be conditional on anything."""
    rows = held_out.take(np.arange(0, len(held_out), 2))
    found = score_conditional(fitted["flow"], rows, 24, np.random.default_rng(0))
    assert found is not None
    assert found.crps_held < found.crps_free
    assert "call_arrivals" not in found.bias_held


def test_a_family_that_cannot_be_told_who_comes_says_so(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """A neighbour's epoch with other arrivals put in is nobody's epoch."""
    assert score_conditional(fitted["bootstrap"], held_out, 8, np.random.default_rng(0)) is None
    assert "cannot be told" in str(obstacle_to_conditioning(fitted["bootstrap"]))


@dataclass(frozen=True)
class EventfulQueue(ToldQueue):
    """Each round lasts as long as it lasts, and nobody is told from outside."""

    @property
    def description(self) -> Description:
        return TinyQueue(boundaries=()).describe()

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        return ()


def test_nothing_is_left_to_hold_where_who_comes_is_the_event() -> None:
    """The reader must not think that the family is to blame."""
    assert obstacle_to_conditioning(ToldQueue()) is None
    told = obstacle_to_conditioning(EventfulQueue())
    assert told is not None
    assert "'tiny' end with events" in told


def test_settings_that_look_at_nothing_are_refused() -> None:
    """A report over no episodes would hold no evidence and say so nowhere."""
    with pytest.raises(InvalidDataset, match="days 0: at least 1"):
        FidelitySettings(days=0)


def test_settings_of_an_odd_day_are_refused_before_anything_is_simulated() -> None:
    """Without its pair it says nothing of what other customers would change."""
    with pytest.raises(InvalidDataset, match="so take 26"):
        FidelitySettings(days=25)
