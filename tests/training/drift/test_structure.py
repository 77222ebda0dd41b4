"""Whether parameters explain an alarm, where all that can be known is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from tests.training.drift.levels import TwoLevels, days
from training.drift import (
    ComponentResiduals,
    StructureSettings,
    StructureTest,
    calibrate_structure_test,
)
from training.likelihood import DayLikelihood, InControl


def about(*levels: float) -> DayLikelihood:
    return DayLikelihood.at(TwoLevels(), np.array(levels))


@pytest.fixture(scope="module")
def judge() -> StructureTest:
    control, seeds = days(60, 1_000), iter(range(10_000, 20_000, 10))

    def simulate(place: np.ndarray) -> Transitions:
        usual = days(2, next(seeds))
        return replace(usual, outputs=usual.outputs + place - 1.0)

    return calibrate_structure_test(
        about(1.0, 1.0),
        InControl.measure(about(1.0, 1.0), control),
        ComponentResiduals.learn(TwoLevels(), control, np.ones(2), 5),
        simulate,
        StructureSettings(points=30, spans=(1, 2)),
        np.random.default_rng(2),
    )


def test_parameters_explain_what_parameters_did(judge: StructureTest) -> None:
    """A level may move by three deviations and the days are usual again about the new level.

    At a level of 5%, which thirty places tell roughly, 5 of 12 are reached once in 5,000 times.
    """
    told = [judge.explain(days(2, seed, shift=3.0)) for seed in range(20_000, 20_120, 10)]
    assert sum(each.is_structure for each in told) < 5
    assert told[0].kind == "parameters"
    assert told[0].calibration.parameters == pytest.approx((4.0, 1.0), abs=0.9)


def test_what_no_level_explains_is_structure(judge: StructureTest) -> None:
    """Twice the spread leaves both levels where they were, and every day less likely than usual."""
    told = judge.explain(days(2, 30_000, own=2.0))
    assert told.is_structure
    assert told.statistic > told.threshold
    assert told.unexplained[0] == "likelihood"


def test_a_single_day_is_judged_by_the_threshold_of_one(judge: StructureTest) -> None:
    """The evening of the first alarm must not wait for a second day; of many the last count."""
    long = days(5, 40_000)
    single = judge.explain(days(1, 41_000))
    assert single.threshold == judge.threshold[0]
    assert judge.explain(long).threshold == judge.threshold[1]
    last = long.take(long.episode >= 40_003)
    assert judge.explain(long) == judge.explain(last)


def test_a_judge_is_rebuilt_from_its_record(judge: StructureTest) -> None:
    """It is calibrated with the detector and must be there after a restart as well."""
    record = json.loads(json.dumps(judge.to_record()))
    rebuilt = StructureTest.from_record(record, about(1.0, 1.0))
    day = days(1, 50_000)
    assert rebuilt.explain(day) == judge.explain(day)
    with pytest.raises(InvalidDataset, match="calibrate a new one"):
        StructureTest.from_record(record, about(1.5, 1.0))


@pytest.mark.parametrize("bad", [{"level": 0.0}, {"points": 3}, {"spans": (3, 1)}, {"spans": ()}])
def test_nonsense_settings_are_refused(bad: dict[str, object]) -> None:
    """A threshold from three places, say, would be no quantile of anything."""
    with pytest.raises(ValueError, match="points or more"):
        StructureSettings(**bad)  # type: ignore[arg-type]
