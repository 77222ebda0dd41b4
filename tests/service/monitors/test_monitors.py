"""Telemetry in, drift out: each epoch once, days in order, whatever order they come in."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.clock import HandClock
from service.database import Database
from service.isolation import Worker, WorkLost
from tests.service.clinic import Clinic, order, settle, watch
from tests.service.conftest import InProcess, StartInProcess
from tests.service.jobs.conftest import until

HOUR = 3600.0
Start = Callable[..., tuple[InProcess, str]]


@pytest.fixture
def start(in_process: StartInProcess, clinic: Clinic, calibrations: Path, tmp_path: Path) -> Start:
    """Starts services whose monitor of the clinic is calibrated; nothing happens by itself."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "calibrations").symlink_to(calibrations)

    def starting(asked: dict[str, Any] | None = None, **given: Any) -> tuple[InProcess, str]:
        service = in_process(HandClock(), **given)
        return service, watch(service, clinic, **asked or {})

    return starting


@pytest.fixture
def watched(start: Start) -> tuple[InProcess, str]:
    """One of them as it comes."""
    return start()


def send(service: InProcess, place: str, epochs: list[dict[str, Any]]) -> dict[str, Any]:
    answer = service.client.post(f"{place}/epochs", json={"epochs": epochs})
    assert answer.status_code == 200, answer.text
    settle(service.app.state.monitors)
    told: dict[str, Any] = answer.json()
    return told


def verdicts(service: InProcess, place: str) -> dict[int, Any]:
    days = service.client.get(f"{place}/days", params={"limit": 200}).json()["items"]
    return {day["day"]: day["verdicts"] for day in days if day["outcome"] == "observed"}


def test_arrival_order_and_repetition_change_no_verdict(
    watched: tuple[InProcess, str], clinic: Clinic
) -> None:
    """A network delivers late, twice and out of order; the detectors must not notice."""
    service, first = watched
    days = clinic.days(5)
    for day in days:
        send(service, first, day)
    wanted = verdicts(service, first)
    assert sorted(wanted) == [0, 1, 2, 3, 4]
    epochs = [epoch for day in days for epoch in day]

    @settings(
        max_examples=8, deadline=None, derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )  # fmt: skip
    @given(seed=st.integers(0, 2**31), size=st.integers(1, 60))
    def in_any_order(seed: int, size: int) -> None:
        again = str(service.client.post("/v1/monitors", json=order()).headers["location"])
        settle(service.app.state.monitors)
        chance = random.Random(seed)
        sent = epochs + chance.sample(epochs, 20)
        chance.shuffle(sent)
        stored = 0
        for begin_at in range(0, len(sent), size):
            told = send(service, again, sent[begin_at : begin_at + size])
            assert not told["refused"]
            stored += told["stored"]
        assert stored == len(epochs)
        assert verdicts(service, again) == wanted

    in_any_order()


def test_a_killed_process_costs_no_day_and_judges_none_twice(
    watched: tuple[InProcess, str], clinic: Clinic
) -> None:
    """The kernel may end it when memory is short, at work or idle; the day is judged anew."""
    service, undisturbed = watched
    days = [epoch for day in clinic.days(4) for epoch in day]
    send(service, undisturbed, days)
    place = str(service.client.post("/v1/monitors", json=order()).headers["location"])
    settle(service.app.state.monitors)
    supervisor = service.app.state.monitors.supervisor
    with closing(Process()) as process:
        supervisor._observing = process
        service.client.post(f"{place}/epochs", json={"epochs": days})
        with ThreadPoolExecutor(1) as pool:
            killing = pool.submit(process.kill)
            supervisor.observe_due()
            killing.result()
        assert "its process ended" in service.client.get(place).json()["reason"]
        assert verdicts(service, place) == {}
        supervisor.observe_due()
        assert sorted(verdicts(service, place)) == [0]
        process.kill()
        settle(service.app.state.monitors)
    assert verdicts(service, place) == verdicts(service, undisturbed)
    told = service.client.get(place).json()
    assert (told["state"], told["next_day"]) == ("watching", 4)


def test_whatever_a_work_raises_is_work_lost() -> None:
    """Memory may run out, or a user's simulator raise anything: the monitor's turn ends with it."""
    with closing(Process()) as process, pytest.raises(WorkLost, match="it failed with KeyError"):
        process.run(60.0, "no such work")  # type: ignore[arg-type]


class Process(Worker):
    """Of observations, and killed by others."""

    def kill(self) -> None:
        """As soon as it is there."""
        until(lambda: self._pool and self._pool._processes, bool)
        assert self._pool is not None
        for process in list(self._pool._processes.values()):
            process.kill()
            process.join()

    def close(self) -> None:
        self.end()


def test_a_changed_epoch_is_refused_and_the_first_one_stays(
    watched: tuple[InProcess, str], clinic: Clinic
) -> None:
    """History that can be rewritten is no evidence."""
    service, place = watched
    (day,) = clinic.days(1)
    send(service, place, day)
    before = verdicts(service, place)
    changed = [day[3] | {"minutes": 31.0}, day[4]]
    told = send(service, place, changed)
    assert told["refused"] == [{"day": 0, "index": 3}]
    assert (told["stored"], told["duplicates"]) == (0, 1)
    shown = service.client.get(place).json()
    assert (shown["conflicts"], shown["duplicates"]) == (1, 1)
    assert verdicts(service, place) == before


def test_gaps_are_shown_waited_for_and_passed_over(
    watched: tuple[InProcess, str], clinic: Clinic
) -> None:
    """A lost epoch must not stop the watch for ever, nor be hidden."""
    service, place = watched
    assert service.clock is not None
    days = clinic.days(6)
    send(service, place, days[0])
    send(service, place, days[1][:4] + days[1][6:])
    send(service, place, days[2])
    send(service, place, days[5])
    assert sorted(verdicts(service, place)) == [0]
    gaps = service.client.get(f"{place}/gaps").json()["items"]
    assert [(g["day"], g["through"], g["missing"]) for g in gaps] == [
        (1, 1, [4, 5]),
        (3, 4, None),
    ]
    service.clock.advance(2 * HOUR)
    settle(service.app.state.monitors)
    assert sorted(verdicts(service, place)) == [0, 2, 5]
    outcomes = service.client.get(f"{place}/days").json()["items"]
    assert {d["day"]: d["outcome"] for d in outcomes}[1] == "skipped"
    told = send(service, place, days[1])
    assert (told["stored"], told["late"]) == (2, 2)
    assert sorted(verdicts(service, place)) == [0, 2, 5]


def test_days_and_epochs_that_lack_at_the_beginning_are_gaps(
    watched: tuple[InProcess, str], clinic: Clinic
) -> None:
    """Telemetry whose pipe was laid too late looks whole from the first epoch that came on."""
    service, _ = watched
    asked = order() | {"first_day": 2}
    place = str(service.client.post("/v1/monitors", json=asked).headers["location"])
    settle(service.app.state.monitors)
    days = clinic.days(6)
    send(service, place, days[5][2:])
    gaps = service.client.get(f"{place}/gaps").json()["items"]
    lacking = [(2, 4, None), (5, 5, [0, 1])]
    assert [(g["day"], g["through"], g["missing"]) for g in gaps] == lacking
    send(service, place, days[0])
    gaps = service.client.get(f"{place}/gaps").json()["items"]
    assert [(g["day"], g["through"], g["missing"]) for g in gaps] == lacking
    send(service, place, days[2] + days[3])
    gaps = service.client.get(f"{place}/gaps").json()["items"]
    assert [(g["day"], g["through"], g["missing"]) for g in gaps] == [(4, 4, None), (5, 5, [0, 1])]
    monitors, identifier = service.app.state.monitors, place.rpartition("/")[2]
    assert [gap["day"] for gap in monitors.gaps(identifier, None, 1)] == [4, 5]


def test_a_day_that_lacks_epochs_can_be_judged_by_the_rest(start: Start, clinic: Clinic) -> None:
    """Where that is what the monitor was told."""
    service, place = start({"lacking": "keep", "late_seconds": 60})
    assert service.clock is not None
    days = clinic.days(2)
    send(service, place, days[0][1:])
    send(service, place, days[1])
    service.clock.advance(61)
    settle(service.app.state.monitors)
    shown = service.client.get(f"{place}/days").json()["items"]
    assert [(d["day"], d["outcome"]) for d in shown] == [(1, "observed"), (0, "kept")]


def test_drift_raises_an_alarm_that_names_it_and_is_answered(
    watched: tuple[InProcess, str], clinic: Clinic
) -> None:
    """Half as many patients again: the arrivals are named, and the watch begins afresh."""
    service, place = watched
    for day in clinic.days(3):
        send(service, place, day)
    for day in clinic.days(12, first=3, arrival_scale=1.35):
        send(service, place, day)
    shown = service.client.get(place).json()
    assert shown["state"] == "alarm"
    assert "arrivals: registration" in shown["alarm"]["drifted"]
    residuals = service.client.get(f"{place}/residuals").json()
    assert residuals["alarms"] == [shown["alarm"]["day"]]
    over = [s for s in residuals["series"] if s["evidence"][-1] > s["threshold"]]
    assert {s["part"] for s in over} >= set(shown["alarm"]["drifted"][:1])
    refused = service.client.post(f"{place}/acknowledge", json={})
    assert refused.status_code == 422
    told = {"reason": "a street festival"}
    answered = service.client.post(f"{place}/acknowledge", json=told).json()
    assert (answered["state"], answered["alarm"]) == ("watching", None)
    assert service.client.post(f"{place}/acknowledge", json=told).status_code == 409


def test_numbers_are_held_to_the_scenario(watched: tuple[InProcess, str], clinic: Clinic) -> None:
    """By name or in order; every fault is told with its place, and nothing of the batch is kept."""
    service, place = watched
    (day,) = clinic.days(1)
    scenario = service.client.get("/v1/scenarios/clinic").json()
    names = [state["name"] for state in scenario["states"]]
    named = dict(zip(names, day[0]["state"], strict=True))
    bad = [
        day[1] | {"state": day[1]["state"][:-1]},
        day[2] | {"outputs": {"nonsense": 1.0}},
        day[3],
    ]
    answer = service.client.post(f"{place}/epochs", json={"epochs": bad})
    assert answer.status_code == 422
    places = [fault["at"] for fault in answer.json()["errors"]]
    assert places == ["body/epochs/0/state", "body/epochs/1/outputs"]
    assert send(service, place, [day[0] | {"state": named}])["stored"] == 1
    assert send(service, place, [day[0]])["duplicates"] == 1
    assert service.client.post(f"{place}/epochs", json={"epochs": []}).status_code == 422


def test_a_paused_monitor_stores_and_judges_later(
    watched: tuple[InProcess, str], clinic: Clinic
) -> None:
    """Nothing that came in the meantime is lost."""
    service, place = watched
    service.client.post(f"{place}/pause")
    for day in clinic.days(2):
        send(service, place, day)
    assert verdicts(service, place) == {}
    service.client.post(f"{place}/resume")
    settle(service.app.state.monitors)
    assert sorted(verdicts(service, place)) == [0, 1]


def test_monitors_belong_to_whoever_made_them(
    watched: tuple[InProcess, str], clinic: Clinic
) -> None:
    """Others do not learn that they exist."""
    service, place = watched
    theirs = service.key("train", owner="other")
    assert service.client.get(place, headers=theirs).status_code == 404
    assert service.client.delete(place, headers=theirs).status_code == 404
    assert service.client.get("/v1/monitors", headers=theirs).json()["items"] == []
    assert service.client.delete(place).status_code == 204
    assert service.client.get(place).status_code == 404


def test_telemetry_is_stored_alike_on_both_databases(
    start: Start, clinic: Clinic, database_url: str
) -> None:
    """The same verdicts from PostgreSQL as from SQLite."""
    service, place = start(database_url=database_url)
    for day in clinic.days(2):
        send(service, place, day[::-1])
    assert sorted(verdicts(service, place)) == [0, 1]
    assert isinstance(service.app.state.platform.database, Database)
