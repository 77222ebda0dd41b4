"""From what asks for a run to what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.monitors.tables import MonitorRow
from tests.service.conftest import InProcess
from tests.service.schedules.conftest import DAY, HOUR, Desk
from tests.service.webhooks.receiver import Receiver, listening

WISH = {"registration_wait": 9.0}


def only(desk: Desk, **asked: Any) -> dict[str, Any]:
    (run,) = desk.runs(**asked)
    return run


def retraining(desk: Desk, **order: Any) -> None:
    """An alarm that was found to be a fifth more patients, for which is trained now."""
    desk.create(**order)
    desk.alarm()
    desk.turn()
    desk.calibrated(only(desk), "parameters inside the box", arrival_scale=1.2)
    desk.turn()


def monitor(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = desk.look(f"/v1/monitors/{desk.monitor}")
    return found


def test_an_alarm_ends_in_a_promotion_with_its_evidence(desk: Desk) -> None:
    """Estimated, trained, judged, promoted; the monitor goes on from what is believed now."""
    desk.create()
    desk.alarm()
    desk.turn()
    run = only(desk)
    assert (run["state"], monitor(desk)["state"]) == ("calibrating", "answering")
    spec = desk.job(run, "calibrate").spec
    assert spec["surrogate"] == {"model": "clinic-surrogate@1"}
    assert spec["policy"] == {"model": "clinic-policy@1"}
    desk.calibrated(run, "parameters inside the box", arrival_scale=1.2)
    desk.turn()
    asked = desk.job(run, "retrain").spec
    assert (asked["change"], asked["calibration"]["artefact"]) == ("inside", "calibration")
    assert asked["publish"] == {"policy": "clinic-policy"}
    assert desk.champion() == 1
    challenger = desk.retrained(run, -0.2, -0.1)
    desk.turn()
    run = only(desk)
    assert run["state"] == "promoted"
    assert f"clinic-policy@{desk.champion()}" == challenger
    history = desk.look("/v1/models/clinic-policy/history", alias="champion")["items"]
    assert history[0]["evidence"]["relative_cost"]["high"] == -0.1
    assert history[0]["actor"].startswith("schedule sch_")
    seen = monitor(desk)
    assert (seen["state"], seen["policy"], seen["generation"]) == ("calibrating", challenger, 2)
    assert seen["beliefs"]["arrival_scale"] == pytest.approx(1.2)
    assert desk.look("/v1/models/clinic-policy/aliases/challenger")["version"] == 2


def test_what_is_not_surely_better_does_not_take_charge(desk: Desk) -> None:
    """The policy stays, what was learnt about the system is believed, and the watch goes on."""
    retraining(desk)
    desk.retrained(only(desk), -0.2, 0.1)
    desk.turn()
    run = only(desk)
    assert run["state"] == "kept"
    assert desk.champion() == 1
    refusal = desk.look("/v1/models/clinic-policy/history", alias="champion")["items"][0]
    assert (refusal["is_moved"], refusal["from_version"], refusal["to_version"]) == (False, 1, 2)
    assert refusal["evidence"]["relative_cost"]["high"] == 0.1
    assert refusal["reason"].endswith(run["reason"])
    counted = desk.service.client.get("/metrics").text
    assert 'surrogym_alias_moves_total{alias="champion",outcome="refused"} 1.0' in counted
    seen = monitor(desk)
    assert (seen["state"], seen["policy"]) == ("calibrating", "clinic-policy@1")
    assert seen["beliefs"]["arrival_scale"] == pytest.approx(1.2)


def test_a_promotion_in_the_meantime_makes_evidence_worthless(desk: Desk) -> None:
    """It was measured against somebody who is not in charge any more."""
    retraining(desk)
    other = desk.challenger()
    moved = desk.service.client.put(
        "/v1/models/clinic-policy/aliases/champion",
        json={"version": other, "reason": "by hand"},
        headers={"If-Match": '"1"'},
    )
    assert moved.status_code == 200, moved.text
    desk.retrained(only(desk), -0.2, -0.1)
    desk.turn()
    run = only(desk)
    assert run["state"] == "kept"
    assert "against version 1" in run["reason"]
    assert desk.champion() == other


def test_a_false_alarm_trains_nobody(desk: Desk) -> None:
    """Nothing has moved: the next days are watched by fresh detectors."""
    desk.create()
    desk.alarm()
    desk.turn()
    desk.calibrated(only(desk), "nothing")
    desk.turn()
    run = only(desk)
    assert (run["state"], run["retrain_job"]) == ("kept", None)
    seen = monitor(desk)
    assert (seen["state"], seen["alarm"], seen["generation"]) == ("watching", None, 1)


def test_an_alarm_about_a_part_that_no_parameter_explains_asks_for_simulation(desk: Desk) -> None:
    """The surrogate has to learn what it has not seen, where nobody asked for a test of that."""
    desk.create()
    desk.alarm(drifted=("arrivals: registration",))
    desk.turn()
    desk.calibrated(only(desk), "nothing")
    desk.turn()
    run = only(desk)
    assert run["decision"]["change"] == "structure"
    spec = desk.job(run, "retrain").spec
    assert spec["change"] == "structure"
    assert spec["publish"] == {"policy": "clinic-policy", "surrogate": "clinic-surrogate"}


def test_a_test_of_structure_says_more_than_the_alarm(desk: Desk) -> None:
    """What it found explained, or did find, is what is answered."""
    desk.create(answer={"structure_points": 60})
    desk.alarm(drifted=("arrivals: registration",))
    desk.turn()
    assert desk.job(only(desk), "calibrate").spec["structure_points"] == 60
    desk.calibrated(only(desk), "nothing")
    desk.turn()
    assert (only(desk)["state"], only(desk)["retrain_job"]) == ("kept", None)


def test_nobody_is_trained_for_a_structure_that_the_simulator_does_not_show(desk: Desk) -> None:
    """What is learnt and compared on it says nothing of the system as it is now."""
    desk.create(answer={"structure_points": 60})
    desk.alarm(drifted=("routing: to follow-up",))
    desk.turn()
    desk.calibrated(only(desk), "structure")
    desk.turn()
    run = only(desk)
    assert (run["state"], run["retrain_job"]) == ("kept", None)
    assert run["decision"]["change"] == "structure"
    assert "the simulator 'clinic' does not show what has changed" in run["reason"]
    assert monitor(desk)["state"] == "watching"


def test_a_changed_objective_trains_at_once_and_holds_for_later_runs(desk: Desk) -> None:
    """The surrogate knows no reward: nothing is estimated or simulated for it."""
    place = desk.create(on={"alarm": True})
    wish = {"costs": WISH}
    for _ in range(2):
        asked = desk.service.client.put(f"{place}/objective", json=wish)
        assert asked.status_code == 202, asked.text
    desk.turn()
    run = only(desk, state="retraining")
    spec = desk.job(run, "retrain").spec
    assert (spec["change"], spec["costs"], spec["calibration"]) == (
        "objective",
        WISH,
        None,
    )
    desk.retrained(run, -0.2, -0.1)
    desk.turn()
    assert only(desk)["state"] == "promoted"
    desk.put("watching")
    desk.alarm(day=20)
    desk.turn()
    later = desk.runs()[-1]
    desk.calibrated(later, "parameters inside the box", arrival_scale=1.2)
    desk.turn()
    assert desk.job(later, "retrain").spec["costs"] == WISH
    stray = desk.service.client.put(f"{place}/objective", json={"costs": {"nonsense": 1.0}})
    assert (stray.status_code, stray.json()["code"]) == (422, "refused_input")


def test_a_failed_run_leaves_the_alarm_and_is_tried_again_until_it_pauses(desk: Desk) -> None:
    """Each time later, and not for ever; who listens is told why."""
    with listening() as receiver:
        hook = {"url": receiver.url, "events": ["run.failed", "schedule.paused", "monitor.alarm"]}
        assert desk.service.client.post("/v1/webhooks", json=hook).status_code == 201
        place = desk.create(pause_after_failures=2)
        desk.alarm()
        desk.turn()
        desk.end(desk.job(only(desk), "calibrate").id, None)
        desk.turn()
        first, second = desk.runs()
        assert (first["state"], monitor(desk)["state"]) == ("failed", "alarm")
        assert (second["state"], second["calibrate_job"]) == ("waiting", None)
        desk.clock.advance(61)
        desk.turn()
        desk.end(desk.job(second, "calibrate").id, None)
        desk.turn()
        shown = desk.look(place)
        assert shown["is_paused"]
        assert "2 runs in a row failed" in shown["reason"]
        desk.clock.advance(DAY)
        desk.turn()
        assert len(desk.runs()) == 2
        _heard(receiver, ["run.failed", "run.failed", "schedule.paused"])
        assert not desk.service.client.post(f"{place}/resume").json()["is_paused"]
        desk.turn()
        assert desk.runs()[-1]["state"] == "calibrating"


def _heard(receiver: Receiver, wanted: list[str]) -> None:
    receiver.wait(len(wanted))
    assert sorted(body["type"] for body in receiver.bodies()) == wanted


def test_a_killed_scheduler_asks_for_no_job_twice(desk: Desk) -> None:
    """Between a job and the note of it there is a moment in which one can be killed."""
    desk.create()
    desk.alarm()
    scheduler = desk.schedules.scheduler
    scheduler._plan()
    run = only(desk)
    carrier = desk.schedules.carrier
    assert carrier.carry(run["id"])
    original = type(carrier)._note
    killed = []

    def die(self: Any, *_: Any, **values: Any) -> bool:
        killed.append(values)
        raise SystemExit

    type(carrier)._note = die  # type: ignore[method-assign]
    try:
        with pytest.raises(SystemExit):
            carrier.carry(run["id"])
    finally:
        type(carrier)._note = original  # type: ignore[method-assign]
    desk.turn()
    assert desk.job(run, "calibrate").id == killed[0]["calibrate_job"]
    jobs = desk.service.client.get("/v1/training-jobs", params={"kind": "calibrate"}).json()
    assert len(jobs["items"]) == 1


def test_a_challenger_watches_before_it_takes_charge(desk: Desk) -> None:
    """The days as they come are evidence of their own, and if none come that speaks against it."""
    retraining(desk, answer={"shadow": {"days": 3, "within_seconds": 30 * DAY}})
    desk.retrained(only(desk), -0.2, -0.1)
    desk.turn()
    assert only(desk)["state"] == "shadowing"
    assert desk.champion() == 1
    desk.send(desk.clinic.days(2, first=1))
    supervisor = desk.service.app.state.monitors.supervisor
    while supervisor.shadow_due():
        pass
    desk.turn()
    assert only(desk)["state"] == "shadowing"
    report = desk.look(f"/v1/monitors/{desk.monitor}/shadow")
    assert (report["days"], report["policy"]) == (2, "clinic-policy@2")
    assert 0 < report["differs"] <= 1
    desk.send(desk.clinic.days(1, first=3))
    while supervisor.shadow_due():
        pass
    desk.turn()
    run = only(desk)
    found = run["outcome"]["shadow"]["relative_cost"]
    assert run["state"] == ("promoted" if found["high"] < 0 else "kept")
    assert (desk.champion() == 2) == (found["high"] < 0)
    assert "3 days as they came" in run["reason"]


def test_evidence_that_does_not_come_speaks_against_a_challenger(desk: Desk) -> None:
    """A system whose telemetry has stopped is not one to put somebody new in charge of."""
    retraining(desk, answer={"shadow": {"days": 3, "within_seconds": DAY}})
    desk.retrained(only(desk), -0.2, -0.1)
    desk.turn()
    desk.clock.advance(DAY + 1)
    desk.turn()
    run = only(desk)
    assert run["state"] == "kept"
    assert "0 of 3 days came" in run["reason"]
    assert desk.champion() == 1
    assert monitor(desk)["shadow"] is None


def test_a_run_can_be_cancelled_with_its_job(desk: Desk) -> None:
    """The alarm that it answered stands, and is not answered again behind one's back."""
    desk.create()
    desk.alarm()
    desk.turn()
    run = only(desk)
    told = desk.service.client.post(f"/v1/runs/{run['id']}/cancel", json={"reason": "not now"})
    assert told.json()["state"] == "cancelled"
    assert desk.job(run, "calibrate").state == "cancelled"
    assert monitor(desk)["state"] == "alarm"
    desk.clock.advance(HOUR)
    desk.turn()
    assert [each["state"] for each in desk.runs()] == ["cancelled"]
    assert desk.service.client.post(f"/v1/runs/{run['id']}/cancel").status_code == 409


def test_a_removed_monitor_takes_its_schedules_and_their_jobs_along(desk: Desk) -> None:
    """A training that nobody waits for would hold cores for hours."""
    place = desk.create()
    desk.alarm()
    desk.turn()
    job = desk.job(only(desk), "calibrate")
    assert desk.service.client.delete(f"/v1/monitors/{desk.monitor}").status_code == 204
    assert desk.service.client.get(place).status_code == 404
    assert desk.runs() == []
    assert desk.service.app.state.jobs.get(job.id).state == "cancelled"
    desk.turn()


def test_runs_go_the_same_way_on_postgresql(
    open_desk: Callable[..., Desk], database_url: str
) -> None:
    """Locks and unique keys are each database's own."""
    test_an_alarm_ends_in_a_promotion_with_its_evidence(open_desk(database_url=database_url))


def test_schedules_are_ones_own(desk: Desk) -> None:
    """And need the right to promote, as their runs do."""
    place, service = desk.create(), desk.service
    theirs = service.key("train", "promote", owner="other")
    assert service.client.get(place, headers=theirs).status_code == 404
    assert service.client.post(f"{place}/runs", headers=theirs).status_code == 404
    order = {"name": "n", "monitor": desk.monitor}
    refused = service.client.post("/v1/schedules", json=order, headers=theirs)
    assert refused.status_code == 404
    trains = service.key("train", owner="operator")
    assert _code(service, order, trains) == (403, "forbidden")
    assert _code(service, order, {}) == (422, "refused_input")
    with service.app.state.platform.database.read() as session:
        assert session.get(MonitorRow, desk.monitor) is not None
    assert service.client.delete(place).status_code == 204
    assert service.client.get(place).status_code == 404


def _code(service: InProcess, order: dict[str, Any], headers: dict[str, str]) -> tuple[int, str]:
    answer = service.client.post("/v1/schedules", json=order, headers=headers)
    return answer.status_code, answer.json()["code"]


def test_a_run_that_does_not_shadow_leaves_somebody_elses_challenger_at_its_watch(
    desk: Desk,
) -> None:
    """Who watches by hand is not sent away by an alarm that is settled."""
    challenger = desk.challenger()
    place = f"/v1/monitors/{desk.monitor}"
    wish = {"policy": f"clinic-policy@{challenger}"}
    assert desk.service.client.put(f"{place}/shadow", json=wish).status_code == 200
    desk.create()
    desk.alarm()
    desk.turn()
    desk.calibrated(only(desk), "nothing")
    desk.turn()
    assert only(desk)["state"] == "kept"
    assert monitor(desk)["shadow"] == f"clinic-policy@{challenger}"


def test_a_budget_that_says_nothing_is_refused_before_any_run(desk: Desk) -> None:
    """Of tuning as of training: a schedule whose runs must fail helps nobody."""
    answer = {
        "transitions": {"job": desk.transitions, "artefact": "transitions"},
        "tuning_budget": {},
    }
    order = {"name": "n", "monitor": desk.monitor, "answer": answer}
    refused = desk.service.client.post("/v1/schedules", json=order)
    assert (refused.status_code, refused.json()["code"]) == (422, "refused_input")
