"""A soak is judged by what the service kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.soak import Sample, Verdict

_ONE = Sample(minutes=0.0, mib=500.0, sessions=20.0, expired=0.0, files=60)
_LAST = replace(_ONE, minutes=61.0, sessions=0.0, expired=900.0)


def _over_an_hour(growth: float = 0.0) -> list[Sample]:
    """Caches fill in the first minutes, and memory grows by so much an hour from then on."""
    return [
        replace(
            _ONE, minutes=float(minute), mib=(300.0 if minute < 10 else 500.0 + growth * minute)
        )
        for minute in range(1, 61)
    ]


def test_what_fills_at_the_beginning_is_no_growth() -> None:
    """Caches are bounded; what a service keeps beyond them is asked for."""
    verdict = Verdict.of(_over_an_hour(), _LAST, failures=0)
    assert verdict.growth == 0.0
    assert verdict.is_clean


@pytest.mark.parametrize(
    ("growth", "last", "failures"),
    [
        (1.0, _LAST, 0),
        (0.0, replace(_LAST, sessions=1.0), 0),
        (0.0, replace(_LAST, files=70), 0),
        (0.0, replace(_LAST, expired=0.0), 0),
        (0.0, _LAST, 1),
    ],
    ids=["memory grows", "a slot is left", "files stay open", "nobody was found out", "a failure"],
)
def test_whatever_is_left_spoils_it(growth: float, last: Sample, failures: int) -> None:
    """Each alone: a minute's leak of a mebibyte is a day's of a gibibyte."""
    assert not Verdict.of(_over_an_hour(growth), last, failures).is_clean
