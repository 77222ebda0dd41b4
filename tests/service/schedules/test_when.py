"""When runs begin: at their times, with overlap, cool-down, budget, pause and jumping clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.service.schedules.conftest import DAY, HOUR, Desk

NIGHTLY = {"expression": "0 3 * * *", "time_zone": "UTC", "catch_up_seconds": 6 * HOUR}


def nightly(desk: Desk, **given: Any) -> str:
    return desk.create(on={"alarm": False, "cron": NIGHTLY}, **given)


def states(desk: Desk) -> list[str]:
    return [run["state"] for run in desk.runs()]


def fail(desk: Desk) -> None:
    """End the run that is at work."""
    (run,) = desk.runs(state="calibrating")
    desk.end(desk.job(run, "calibrate").id, None)
    desk.turn()


def test_a_time_begins_one_run_however_often_is_looked(desk: Desk) -> None:
    """At 3 in the morning, and not before."""
    place = nightly(desk)
    assert desk.look(place)["next_at"].startswith("2030-01-01T03:00")
    desk.turn()
    assert states(desk) == []
    desk.clock.advance(3 * HOUR)
    for _ in range(3):
        desk.turn()
    assert states(desk) == ["calibrating"]
    (run,) = desk.runs()
    assert (run["trigger"], run["planned_at"][:16]) == ("cron", "2030-01-01T03:00")


def test_what_was_missed_is_made_up_for_within_its_window(desk: Desk) -> None:
    """After two nights away the one of this morning is run, and the other is told of."""
    nightly(desk)
    desk.clock.advance(DAY + 5 * HOUR)
    desk.turn()
    late, due = desk.runs()
    assert (late["state"], due["state"]) == ("skipped", "calibrating")
    assert "1 times were missed" in late["reason"]


def test_a_clock_that_is_set_back_repeats_nothing_and_one_set_ahead_catches_up(desk: Desk) -> None:
    """Somebody corrects a server's clock by a day, either way."""
    nightly(desk, overlap="queue")
    desk.clock.advance(4 * HOUR)
    desk.turn()
    fail(desk)
    desk.clock.jump(-DAY)
    for _ in range(4):
        desk.clock.advance(6 * HOUR)
        desk.turn()
    assert states(desk) == ["failed"]
    desk.clock.jump(2 * DAY)
    desk.turn()
    assert states(desk) == ["failed", "skipped", "calibrating"]


def test_nothing_is_changed_to_nothing_but_a_budget(desk: Desk) -> None:
    """A null says neither what is wanted nor that it stays."""
    place, client = desk.create(), desk.service.client
    before = client.get(place).json()
    for name in ("name", "on", "answer", "overlap", "cool_down_seconds", "pause_after_failures"):
        refused = client.patch(place, json={name: None})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), name
    assert client.get(place).json() == before
    assert client.patch(place, json={"budget": None}).status_code == 200


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("0001-01-01T00:00:00Z", "2029-12-31T00:00:00Z"),
        ("1969-12-31T23:59:59Z", "2029-12-31T00:00:00Z"),
        ("2029-12-01T00:00:00Z", "9001-01-01T00:00:00Z"),
        ("2029-12-01T00:00:00Z", "9999-12-31T23:59:59-12:00"),
    ],
)
def test_times_that_no_clock_will_show_are_not_made_up_for(
    desk: Desk, since: str, until: str
) -> None:
    """Calendars end somewhere, and going through ten thousand years of nights takes as long."""
    place = f"{nightly(desk)}/backfill"
    answer = desk.service.client.post(place, json={"since": since, "until": until})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert states(desk) == []


@pytest.mark.parametrize(
    ("overlap", "found"),
    [
        ("skip", ["calibrating", "skipped"]),
        ("queue", ["calibrating", "waiting"]),
        ("cancel", ["cancelled", "calibrating"]),
    ],
)
def test_what_comes_while_a_run_is_at_work(desk: Desk, overlap: str, found: list[str]) -> None:
    """Nothing, later, or in its place."""
    nightly(desk, overlap=overlap)
    desk.clock.advance(3 * HOUR)
    desk.turn()
    desk.clock.advance(DAY)
    desk.turn()
    assert states(desk) == found
    first = desk.runs()[0]
    assert desk.job(first, "calibrate").state == ("cancelled" if overlap == "cancel" else "queued")


def test_two_schedules_of_one_monitor_take_turns(desk: Desk) -> None:
    """Two answers at once would each believe the other's world away."""
    first, second = desk.create(overlap="queue"), desk.create(overlap="queue")
    key = {"Idempotency-Key": "k"}
    begun = [desk.service.client.post(f"{place}/runs", headers=key) for place in (first, second)]
    again = desk.service.client.post(f"{first}/runs", headers=key)
    assert again.headers["location"] == begun[0].headers["location"]
    desk.turn()
    assert sorted(states(desk)) == ["calibrating", "waiting"]


def test_between_runs_it_cools_down(desk: Desk) -> None:
    """Times are passed over, an alarm waits."""
    desk.create(on={"alarm": True, "cron": NIGHTLY}, cool_down_seconds=2 * DAY)
    desk.clock.advance(3 * HOUR)
    desk.turn()
    fail(desk)
    desk.alarm()
    desk.clock.advance(DAY)
    desk.turn()
    by_trigger = {run["trigger"]: run for run in desk.runs()}
    assert by_trigger["alarm"]["state"] == "waiting"
    assert "cooling down until 2030-01-03T03:00" in by_trigger["alarm"]["reason"]
    assert states(desk).count("skipped") == 1
    desk.clock.advance(DAY)
    desk.turn()
    assert {run["trigger"]: run["state"] for run in desk.runs()}["alarm"] == "calibrating"


def test_a_spent_budget_holds_it_back_until_there_is_room(desk: Desk) -> None:
    """Two runs in ten days, whatever asks."""
    nightly(desk, budget={"runs": 2, "days": 10}, pause_after_failures=100)
    desk.clock.advance(3 * HOUR)
    began = []
    for day in range(14):
        desk.turn()
        began += [day for _ in desk.runs(state="calibrating")]
        if desk.runs(state="calibrating"):
            fail(desk)
        desk.clock.advance(DAY)
    assert began == [0, 1, 10, 11]


def test_jitter_spreads_beginnings_and_is_the_same_whoever_looks(desk: Desk) -> None:
    """A hundred schedules at midnight need not begin together."""
    cron = NIGHTLY | {"jitter_seconds": HOUR}
    for number in range(8):
        desk.create(name=f"n{number}", on={"alarm": False, "cron": cron})
    desk.clock.advance(3 * HOUR)
    desk.turn()
    three = datetime(2030, 1, 1, 3, tzinfo=UTC)
    later = [
        (datetime.fromisoformat(run["begin_at"]) - three).total_seconds() for run in desk.runs()
    ]
    assert len(set(later)) == 8
    assert all(0 <= seconds <= HOUR for seconds in later)
    assert states(desk) == ["waiting"] * 8


def test_a_paused_schedule_begins_nothing_and_does_not_make_up_for_it(desk: Desk) -> None:
    """But for what is asked for by hand."""
    place = nightly(desk)
    desk.service.client.post(f"{place}/pause", json={"reason": "holidays"})
    assert desk.look(place)["next_at"] is None
    desk.clock.advance(3 * DAY)
    desk.turn()
    assert states(desk) == []
    desk.service.client.post(f"{place}/runs")
    desk.turn()
    assert states(desk) == ["calibrating"]
    desk.service.client.post(f"{place}/resume")
    desk.turn()
    assert len(desk.runs()) == 1


def test_backfill_makes_up_for_the_past_once(desk: Desk) -> None:
    """Asked for twice, each time is run once, one after another."""
    place = nightly(desk, overlap="queue")
    wish = {"since": "2029-12-20T00:00:00Z", "until": "2029-12-23T00:00:00Z"}
    for _ in range(2):
        asked = desk.service.client.post(f"{place}/backfill", json=wish)
        assert len(asked.json()["items"]) == 3
    desk.turn()
    assert states(desk) == ["calibrating", "waiting", "waiting"]
    much = wish | {"since": "2020-01-01T00:00:00Z"}
    assert desk.service.client.post(f"{place}/backfill", json=much).status_code == 422


def test_a_changed_time_counts_from_now_on(desk: Desk) -> None:
    """Nobody wants runs for times that the old wish never had."""
    place = nightly(desk)
    desk.clock.advance(2 * HOUR)
    cron = {"expression": "0 1 * * *", "time_zone": "UTC", "catch_up_seconds": DAY}
    changed = desk.service.client.patch(place, json={"on": {"alarm": False, "cron": cron}})
    assert changed.json()["next_at"].startswith("2030-01-02T01:00")
    desk.turn()
    assert states(desk) == []
