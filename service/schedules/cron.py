"""When a cron expression is due, in the time of a place.

As Debian's cron has it, on days on which the clocks change too: what falls into the hour that is
left out happens at its end, and what falls into the hour that comes twice happens once. Expressions
of every minute or hour go by the passing of time instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from sim.errors import SurrogymError

_FIELDS = 5


class InvalidCron(SurrogymError):
    """An expression or a time zone that means nothing."""


def check(expression: str, time_zone: str) -> None:
    """Raise InvalidCron for what means nothing, or never comes."""
    # The library takes a sixth, of seconds, which nobody means who says cron.
    if len(expression.split()) != _FIELDS:
        raise InvalidCron(f"cron {expression!r}: give five fields, such as '0 3 * * 1'")
    times = due_after(expression, time_zone, datetime.now(UTC))
    if next(times, None) is None:
        raise InvalidCron(f"cron {expression!r}: never comes within fifty years")


def due_after(expression: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """Times after one, in UTC and in order, without end."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidCron(
            f"time zone {time_zone!r}: give one of the IANA database, such as Europe/London"
        ) from error
    try:
        times = CronSim(expression, after.astimezone(zone))
    except CronSimError as error:
        raise InvalidCron(f"cron {expression!r}: {str(error).lower()}") from error
    return (time.astimezone(UTC) for time in times)


def due_between(
    expression: str, time_zone: str, after: datetime, until: datetime, most: int
) -> list[datetime]:
    """Times after one up to another, the first `most` of them."""
    found: list[datetime] = []
    for time in due_after(expression, time_zone, after):
        if time > until or len(found) >= most:
            break
        found.append(time)
    return found


def missed_since(
    expression: str, time_zone: str, after: datetime, now: datetime, window: timedelta, most: int
) -> tuple[list[datetime], list[datetime]]:
    """What has come due after a time: that is too late to be caught up with, and that is not."""
    begin = max(after, now - window - timedelta(microseconds=1))
    late = due_between(expression, time_zone, after, begin, most)
    return late, due_between(expression, time_zone, begin, now, most)
