"""The simulator's own law must pass every check, and laws that differ from it must not."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sim.streams import stream
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.design import plan_episodes
from surrogates.fidelity import Assessment, Evidence, FidelitySettings, judge
from surrogates.fidelity.coverage import Covered
from surrogates.fidelity.horizons import Distance
from surrogates.fidelity.policies import Constant
from surrogates.interface import Surrogate
from surrogates.support import Support
from tests.fakes import TinyQueue
from tests.surrogates.fidelity.exact import ExactQueue, ToldQueue
from tests.systems import unchecked

BUILD = WithClock(build=TinyQueue)
SETTINGS = FidelitySettings(
    episodes=400, scored_rows=2000, draws=32, swaps=60, policies=20, days=64, gap_days=1200,
    gap_episodes=4000,
)  # fmt: skip
"""Days enough to know the gap of the simulator's own law to about 5%, half of what is allowed, and
episodes enough to know distances as well."""


class InPlace(Executor):
    """Does everything at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def cost(outputs: np.ndarray, states: np.ndarray, is_last: np.ndarray) -> np.ndarray:
    """Minutes waited, and three for every server round; who is left at the end costs too."""
    return np.asarray(outputs[:, 2] + 3.0 * outputs[:, 4] + 20.0 * is_last * states[:, 0])


def assess(surrogate: Surrogate, **changes: Any) -> Evidence:
    data = run_episodes(BUILD, plan_episodes(BUILD().describe(), 60, seed=3))
    assessment = Assessment(
        surrogate=surrogate,
        build=BUILD,
        cost=cost,
        executor=InPlace(),
        settings=SETTINGS,
        seed=11,
        support=Support.learn(data, surrogate.description, stream(3, "support")),
        # All servers all the time: nothing is better here.
        trained=Constant(name="trained", choice=2),
    )
    with unchecked():
        return replace(assessment, **changes).gather()


@pytest.fixture(scope="module")
def exact() -> Evidence:
    return assess(ExactQueue())


def outcomes(evidence: Evidence) -> dict[str, str]:
    return {finding.name: finding.outcome for finding in judge(evidence).findings}


def test_the_simulators_own_law_may_be_trained_on(exact: Evidence) -> None:
    """Whoever refuses the truth refuses everything."""
    verdict = judge(exact)
    assert verdict.use == "train on it", verdict.reason


def test_the_simulators_own_law_is_as_far_away_as_its_next_batch(exact: Evidence) -> None:
    """It is exchangeable with a batch, so nine in ten horizons lie below their 95% floors."""
    below = [distance.value <= distance.floor for distance in exact.horizons.overall]
    assert exact.horizons.epochs == (1, 2, 3, 4, 5, 6)
    assert sum(below) >= len(below) - 1
    assert exact.midway.epochs == (1, 2, 3, 4, 5)
    assert exact.midway.overall[-1].value <= exact.midway.overall[-1].floor


def test_the_simulators_own_law_ranks_as_well_as_the_simulator(exact: Evidence) -> None:
    """Its values have less noise than half of the days have."""
    tau = exact.ranking.overall
    assert tau.value >= tau.attainable - 0.05
    assert tau.low <= tau.value <= tau.high


def test_the_simulators_own_law_promises_what_is_true(exact: Evidence) -> None:
    """No policy can exploit an error that is not there; the interval is of 95%, the seed fixed."""
    assert exact.gap is not None
    assert exact.gap.low <= 0.0 <= exact.gap.high
    assert exact.untrained_gap.low <= 0.0 <= exact.untrained_gap.high


def test_everything_is_told_by_cell(exact: Evidence) -> None:
    """A surrogate may be good where most data was and bad in a corner."""
    cells = {f"arrival_scale {place}" for place in ("low", "middle", "high")}
    assert set(exact.one_epoch.cells) == set(exact.horizons.cells) == cells
    assert exact.support is not None
    assert set(exact.support.cells) == cells
    assert sum(cell.rows for cell in exact.one_epoch.cells.values()) == exact.one_epoch.rows


def test_every_quantity_is_told_by_cell(exact: Evidence) -> None:
    """Pooled over quantities a cell may look right while its waits are wrong; parts make the whole.

    The floor of a log score comes from the outcomes it is taken over, so that those of cells do not
    add up to the last digit.
    """
    scores, rows = exact.one_epoch.scores, exact.one_epoch.rows
    cells = exact.one_epoch.cells.values()
    for name, crps in (scores.crps_by_output | scores.crps_by_state).items():
        assert sum(c.rows * c.crps[name] for c in cells) / rows == pytest.approx(crps)
        assert sum(sum(c.pit[name]) for c in cells) == sum(exact.one_epoch.pit[name]) <= rows
        assert all(np.isfinite(c.log_scores[name]) for c in cells)


def test_what_follows_from_the_decision_says_nothing_about_calibration(exact: Evidence) -> None:
    """The servers staffed are those decided on: no rank of theirs is more than chance."""
    assert sum(exact.one_epoch.pit["staffed"]) == 0
    assert "staffed" not in exact.one_epoch.by_quantity
    assert sum(exact.one_epoch.pit["arrivals"]) == exact.one_epoch.rows


def test_the_record_is_plain_json(exact: Evidence) -> None:
    """The page is made from it, and so is whatever others make of it."""
    record = exact.to_record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["verdict"]["use"] == "train on it"
    assert record["conditional"] is None
    assert "cannot be told who comes" in record["no_conditional"]


def test_too_many_customers_show_at_every_horizon_and_in_the_costs() -> None:
    """Queues add up what each epoch errs by, and then somebody pays for it."""
    evidence = assess(ExactQueue(crowding=1.3))
    found = outcomes(evidence)
    assert found["whole horizon"] == found["from midway"] == "fails"
    assert found["exploitation"] == "fails"
    assert evidence.gap is not None
    assert evidence.gap.high < 0.0
    first, last = evidence.horizons.overall[0], evidence.horizons.overall[-1]
    assert last.excess > 0.1 < first.excess
    assert judge(evidence).use == "do not use"


def test_too_certain_a_law_fails_its_calibration() -> None:
    """The means are right, so no horizon of the queue would tell; the spread is not."""
    evidence = assess(ExactQueue(narrowing=0.0))
    pit = np.array(evidence.one_epoch.pit["mood"])
    assert pit[[0, -1]].sum() > 0.2 * pit.sum()
    assert evidence.one_epoch.scores.coverage["95"] < exact_coverage(0.95)


def exact_coverage(level: float) -> float:
    """Less four binomial deviations over the scored outcomes, six quantities in each row."""
    return level - 4 * float(np.sqrt(level * (1 - level) / (6 * SETTINGS.scored_rows)))


def test_the_simulators_own_law_holds_with_the_same_customers() -> None:
    """The error beyond luck is none, and luck is allowed for."""
    evidence = assess(ToldQueue())
    assert outcomes(evidence)["the same customers"] == "holds"
    assert judge(evidence).use == "train on it"
    assert evidence.conditional is not None
    cells = evidence.conditional.cells
    assert sum(cell.rows for cell in cells.values()) == evidence.conditional.rows


def test_too_certain_a_law_fails_with_the_same_customers() -> None:
    """What too wide a law of arrivals may hide among all quantities, the replay shows."""
    evidence = assess(ToldQueue(narrowing=0.0))
    assert outcomes(evidence)["the same customers"] == "fails"
    assert judge(evidence).use == "do not use"


def test_a_replay_of_a_few_epochs_says_nothing() -> None:
    """Of eight epochs luck alone moves the coverage by more than the error looked for."""
    few = replace(SETTINGS, conditional_rows=8)
    evidence = assess(ToldQueue(), settings=few)
    assert evidence.conditional is not None
    assert max(evidence.conditional.coverage_error.values()) > 0.025
    assert outcomes(evidence)["the same customers"] == "unknown"


def test_a_question_that_cannot_be_put_counts_neither_way(exact: Evidence) -> None:
    """A family that draws whole epochs is judged by them, and the page says so."""
    (finding,) = (f for f in judge(exact).findings if f.name == "the same customers")
    assert finding.outcome == "does not apply"
    assert "cannot be told who comes: the other checks judge alone" in finding.reason


@pytest.mark.parametrize(
    ("value", "chance", "floor", "outcome"),
    [
        (0.12, 0.08, 0.10, "holds"),
        (0.19, 0.08, 0.10, "fails"),
        (0.17, 0.08, 0.10, "unknown"),
        (0.33, 0.15, 0.34, "unknown"),
        (0.15, 0.15, 0.34, "unknown"),
        (0.45, 0.15, 0.34, "fails"),
        (0.02, 0.15, 0.24, "holds"),
    ],
)
def test_a_distance_is_small_only_where_luck_could_not_hide_a_large_one(
    exact: Evidence, value: float, chance: float, floor: float, outcome: str
) -> None:
    """Below a floor far above what is allowed lies the truth, and so do laws far from it."""
    found = Distance(value=value, chance=chance, floor=floor)
    last = (*exact.horizons.overall[:-1], found)
    evidence = replace(exact, horizons=replace(exact.horizons, overall=last, by_quantity={}))
    assert outcomes(evidence)["whole horizon"] == outcome


@pytest.mark.parametrize(
    ("value", "chance", "floor", "outcome"),
    [
        (0.24, 0.08, 0.10, "holds"),
        (0.30, 0.08, 0.10, "fails"),
        (0.24, 0.08, 0.14, "unknown"),
        (0.30, 0.0, 0.0, "holds"),
    ],
)
def test_one_quantity_cannot_hide_among_many_that_are_right(
    exact: Evidence, value: float, chance: float, floor: float, outcome: str
) -> None:
    """Meaned over quantities a distance of one is small; one that never varies has no unit."""
    found = Distance(value=value, chance=chance, floor=floor)
    fine = Distance(value=0.08, chance=0.08, floor=0.09)
    count = len(exact.horizons.epochs)
    quantities = {"waiting": (found,) * count} | {f"fine {k}": (fine,) * count for k in range(20)}
    horizons = replace(exact.horizons, overall=(fine,) * count, by_quantity=quantities)
    found_outcomes = outcomes(replace(exact, horizons=horizons))
    assert found_outcomes["whole horizon"] == found_outcomes["short horizon"] == outcome


@pytest.mark.parametrize(
    ("covers", "error", "outcome"),
    [
        (0.53, 0.005, "holds"),
        (0.47, 0.005, "holds"),
        (0.53, 0.015, "unknown"),
        (0.57, 0.015, "unknown"),
        (0.57, 0.005, "fails"),
        (0.43, 0.005, "fails"),
    ],
)
def test_a_coverage_holds_only_where_luck_could_not_hide_a_wrong_one(
    exact: Evidence, covers: float, error: float, outcome: str
) -> None:
    """Two errors within the bound are near enough, two beyond too far, and else it is not known."""
    scores = replace(exact.one_epoch.scores, coverage={"50": covers, "80": 0.8, "95": 0.95})
    errors = {"50": error, "80": 0.001, "95": 0.001}
    found = replace(exact.one_epoch, scores=scores, coverage_error=errors)
    assert outcomes(replace(exact, one_epoch=found))["calibration"] == outcome


@pytest.mark.parametrize(
    ("share", "error", "outcome"),
    [
        (0.54, 0.015, "holds"),
        (0.54, 0.03, "unknown"),
        (0.67, 0.015, "fails"),
        (1.0, 0.3, "unknown"),
    ],
)
def test_one_quantity_covered_wrongly_is_seen(
    exact: Evidence, share: float, error: float, outcome: str
) -> None:
    """Luck takes one of 24 quantities farther off than a given one: three errors are allowed."""
    wrong = {**FINE, "50": Covered(share=share, error=error)}
    quantities = {"waiting": wrong} | {f"fine {k}": FINE for k in range(23)}
    evidence = replace(exact, one_epoch=replace(exact.one_epoch, by_quantity=quantities))
    assert outcomes(evidence)["calibration"] == "holds"
    assert outcomes(evidence)["each quantity"] == outcome
    (finding,) = (f for f in judge(evidence).findings if f.name == "each quantity")
    assert "of 24 quantities farthest: 50% covers" in finding.reason
    assert "waiting" in finding.reason


FINE = {k: Covered(share=int(k) / 100, error=0.005) for k in ("50", "80", "95")}


@pytest.mark.parametrize(
    ("value", "low", "high", "outcome"),
    [
        (0.01, -0.05, 0.09, "holds"),
        (0.29, 0.095, 0.485, "unknown"),
        (0.05, -0.05, 0.15, "unknown"),
        (-0.05, -0.15, 0.05, "unknown"),
        (0.0, -0.6, 0.6, "unknown"),
        (0.29, 0.11, 0.47, "fails"),
        (-0.29, -0.47, -0.11, "fails"),
    ],
)
def test_a_gap_is_bearable_only_where_its_whole_interval_is(
    exact: Evidence, value: float, low: float, high: float, outcome: str
) -> None:
    """Not to be surely too much is not to be little: few days would let any promise pass."""
    assert exact.gap is not None
    gap = replace(exact.gap, value=value, low=low, high=high)
    assert outcomes(replace(exact, gap=gap))["exploitation"] == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.05, 0.09, "holds"),
        (-0.30, -0.20, "holds"),
        (-0.05, 0.25, "unknown"),
        (0.11, 0.25, "fails"),
    ],
)
def test_a_ranking_is_good_only_where_its_whole_interval_is(
    exact: Evidence, low: float, high: float, outcome: str
) -> None:
    """By luck twenty policies are ranked right, or wrong; to be better than needed is no fault."""
    tau = replace(exact.ranking.overall, shortfall_low=low, shortfall_high=high)
    ranking = replace(exact.ranking, overall=tau)
    assert outcomes(replace(exact, ranking=ranking))["policy ranking"] == outcome


def test_a_ranking_of_few_policies_is_not_taken_for_one(exact: Evidence) -> None:
    """Of five policies in the right order little follows for the next."""
    assert exact.ranking.distinct >= 20
    few = assess(ExactQueue(), settings=replace(SETTINGS, policies=5))
    (finding,) = (f for f in judge(few).findings if f.name == "policy ranking")
    assert finding.outcome == "unknown"
    assert "over 5 policies that decide differently" in finding.reason
    assert judge(few).use == "short rollouts only"


def test_progress_comes_to_an_end() -> None:
    """Whoever waits is told how much is left, and that it was all."""
    heard: list[tuple[str, float, float]] = []
    assess(ExactQueue(), on_progress=lambda *told: heard.append(told))
    last = {title: (done, total) for title, done, total in heard}
    assert len(last) == 3
    assert all(done == total for done, total in last.values())
    assert all(done <= total for _, done, total in heard)


def test_what_was_not_measured_does_not_count_as_good() -> None:
    """No news is not good news: a verdict needs its evidence."""
    verdict = judge(assess(ExactQueue(), support=None, trained=None))
    unknown = {finding.name for finding in verdict.findings if finding.outcome == "unknown"}
    assert unknown == {"support", "exploitation", "support of the trained"}
    assert verdict.use == "do not use"


@pytest.mark.parametrize("choice", [0, 1])
def test_a_gap_of_a_policy_that_was_hardly_trained_is_not_one(choice: int) -> None:
    """Who has not found what pays in the surrogate has not found its errors either.

    The gap of either is within its bound, for the law is the simulator's own.
    """
    evidence = assess(ExactQueue(), trained=Constant(name="trained", choice=choice))
    assert evidence.gap is not None
    assert -0.1 < evidence.gap.low < evidence.gap.high < 0.1
    assert evidence.standing is not None
    (finding,) = (f for f in judge(evidence).findings if f.name == "exploitation")
    assert finding.outcome == "unknown"
    told = f"ranks {evidence.standing.rank} of {evidence.standing.policies} in the surrogate itself"
    assert told in finding.reason
    assert "give --train-seconds more" in finding.reason
    assert judge(evidence).use == "short rollouts only"


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.05, 0.2, "holds"),
        (-0.09, 0.01, "holds"),
        (-0.11, 0.01, "unknown"),
        (-0.09, -0.01, "unknown"),
    ],
)
def test_a_trained_policy_may_be_as_good_as_the_best_rule_but_not_surely_worse(
    exact: Evidence, low: float, high: float, outcome: str
) -> None:
    """Where a rule is the best there is, nobody can be better; what luck hides is unknown."""
    assert exact.standing is not None
    standing = replace(exact.standing, low=low, high=high)
    assert outcomes(replace(exact, standing=standing))["exploitation"] == outcome


def test_a_gap_that_a_poor_policy_shows_is_one(exact: Evidence) -> None:
    """A better one would find no less."""
    assert exact.gap is not None
    assert exact.standing is not None
    evidence = replace(
        exact,
        gap=replace(exact.gap, value=0.2, low=0.15, high=0.25),
        standing=replace(exact.standing, low=-0.5, high=-0.4),
    )
    assert outcomes(evidence)["exploitation"] == "fails"


def test_a_policy_that_left_the_data_is_not_to_be_trained(exact: Evidence) -> None:
    """Where it dwells the surrogate makes things up, however well it knows where others go."""
    assert exact.support_of_trained is not None
    away = replace(exact.support_of_trained, unfamiliar=0.21)
    verdict = judge(replace(exact, support_of_trained=away))
    assert verdict.use == "short rollouts only"
    assert verdict.reason.startswith("support of the trained: 21.0% of a trained policy's epochs")
