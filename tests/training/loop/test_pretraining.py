"""When a surrogate is believed about the policy that was trained on it."""

from __future__ import annotations

from typing import Any

import pytest

from surrogates.errors import InvalidDataset
from surrogates.fidelity.gap import Gap
from training.loop.pretraining import PretrainSettings, Round, bearable


def round_of(low: float, high: float, visits: int = 40) -> Round:
    """A round whose gap has this interval."""
    gap = Gap(
        value=(low + high) / 2,
        low=low,
        high=high,
        simulated=100.0,
        imagined=100.0 * (1 - (low + high) / 2),
        simulated_episodes=visits,
        imagined_episodes=512,
    )
    return Round(gap=gap, steps=1, seconds=1.0)


@pytest.mark.parametrize(
    ("found", "is_believed", "is_open"),
    [
        (round_of(-0.03, 0.04), True, False),
        (round_of(0.01, 0.09), True, False),
        (round_of(0.03, 0.05), False, False),
        (round_of(-0.30, -0.05), False, False),
        (round_of(-0.267, 0.113, visits=16), False, True),
        (round_of(0.01, 0.19), False, True),
        (round_of(-0.01, 0.01, visits=9), False, True),
        (round_of(0.03, 0.05, visits=2), False, True),
    ],
)
def test_a_gap_is_believed_only_where_its_interval_says_that_it_is_small(
    found: Round, is_believed: bool, is_open: bool
) -> None:
    """What was hardly looked at is not known to be right; more visits tell, more data does not."""
    assert found.is_believed(0.02) is is_believed
    assert found.is_open(0.02) is is_open


def test_whoever_bears_more_asks_for_less() -> None:
    """A tolerance beyond a tenth says that a larger gap does no harm."""
    assert bearable(0.02) == 0.1
    assert bearable(0.2) == 0.2
    assert round_of(-0.15, 0.15).is_believed(0.2)


def test_a_round_is_read_as_it_was_kept() -> None:
    """Journals of before have the same facts, which are judged anew."""
    found = round_of(-0.267, 0.113, visits=16)
    assert Round.from_record(found.to_record()) == found


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"visits": 1}, "visits 1: at least 2"),
        ({"imagined": 1}, "imagined 1: at least 2"),
        ({"doublings": -1}, "doublings -1: 0 or more"),
    ],
)
def test_a_bootstrap_over_one_episode_is_refused(given: dict[str, Any], told: str) -> None:
    """Its interval has no width, so that it would be sure of anything."""
    with pytest.raises(InvalidDataset, match=told):
        PretrainSettings(**given)
