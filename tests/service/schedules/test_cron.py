"""Times of a place, on the days on which its clocks change too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.schedules.cron import InvalidCron, check, due_between, missed_since

LONDON, LORD_HOWE = "Europe/London", "Australia/Lord_Howe"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(expression: str, zone: str, after: str, until: str) -> list[str]:
    found = due_between(expression, zone, utc(after), utc(until), 1000)
    return [time.strftime("%d %H:%M") for time in found]


def test_a_time_that_is_left_out_happens_once_when_the_clocks_go_forward() -> None:
    """On 31 March 2030 London goes from 1:00 to 2:00: half past one does not exist there."""
    found = times("30 1 * * *", LONDON, "2030-03-30T00:00", "2030-04-02T00:00")
    assert found == ["30 01:30", "31 01:00", "01 00:30"]


def test_a_time_that_comes_twice_happens_once_when_the_clocks_go_back() -> None:
    """On 27 October 2030 London has half past one twice."""
    found = times("30 1 * * *", LONDON, "2030-10-26T00:00", "2030-10-29T00:00")
    assert found == ["26 00:30", "27 00:30", "28 01:30"]


def test_every_hour_is_every_hour_whatever_the_clocks_do() -> None:
    """Somebody who asks for each hour counts hours that pass, not names of hours."""
    for day in ("2030-03-31", "2030-10-27"):
        found = times("0 * * * *", LONDON, f"{day}T00:00", f"{day}T06:00")
        assert [entry[3:] for entry in found] == [f"0{hour}:00" for hour in range(1, 7)]


def test_clocks_that_change_by_half_an_hour_lose_no_day() -> None:
    """Lord Howe Island changes by thirty minutes."""
    found = due_between(
        "15 2 * * *", LORD_HOWE, utc("2030-03-30T00:00"), utc("2030-10-15T00:00"), 1000
    )
    gaps = {later - earlier for earlier, later in pairwise(found)}
    hours = [gap / timedelta(hours=1) for gap in gaps]
    assert len(found) == 199
    assert 23 < min(hours) <= max(hours) < 25


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    cuts=st.lists(st.integers(0, 14 * 24 * 60), max_size=12),
    begin=st.sampled_from(["2030-03-24T00:07", "2030-10-20T00:07"]),
    expression=st.sampled_from(["30 1 * * *", "*/20 * * * *", "15 0-3 * * 0"]),
)
def test_however_often_is_looked_each_time_is_found_once(
    cuts: list[int], begin: str, expression: str
) -> None:
    """A scheduler looks at random moments, before, within and after the hour that changes."""
    start, end = utc(begin), utc(begin) + timedelta(days=14)
    whole = due_between(expression, LONDON, start, end, 5000)
    looks = sorted(start + timedelta(minutes=cut) for cut in cuts)
    seen: list[datetime] = []
    for after, until in zip([start, *looks], [*looks, end], strict=True):
        seen += due_between(expression, LONDON, after, until, 5000)
    assert seen == whole


def test_what_is_too_late_is_told_from_what_is_caught_up_with() -> None:
    """After a night without the service, one wants the last run and not thirty."""
    hour = timedelta(hours=1)
    late, due = missed_since(
        "0 * * * *", "UTC", utc("2030-01-01T00:00"), utc("2030-01-01T09:30"), 2 * hour, 100
    )
    assert [time.hour for time in late] == [1, 2, 3, 4, 5, 6, 7]
    assert [time.hour for time in due] == [8, 9]


@pytest.mark.parametrize(
    ("expression", "zone", "told"),
    [
        ("61 * * * *", "UTC", "bad minute$"),
        ("* * *", "UTC", "five fields"),
        ("* * * * * *", "UTC", "five fields"),
        ("0 0 30 2 *", "UTC", "bad day-of-month$"),
        ("0 0 * * *", "Mars/Olympus", "Europe/London"),
        ("0 0 * * *", "../../etc/passwd", "Europe/London"),
    ],
)
def test_what_means_nothing_is_refused(expression: str, zone: str, told: str) -> None:
    """With what would be right."""
    with pytest.raises(InvalidCron, match=told):
        check(expression, zone)
