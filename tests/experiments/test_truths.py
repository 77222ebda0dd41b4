"""The study of truths: what it reads off a run, what it keeps, and what it says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.errors import InvalidRows
from experiments.rows import append_row, read_rows
from experiments.truths import chains
from experiments.truths.__main__ import STORED, write_analysis
from experiments.truths.catalogue import SETTINGS, TRUTHS, find_setting, truths_of
from experiments.truths.controls import Buffer, ExactOptimum, Helping, LargestPressure
from experiments.truths.delay import TRUTHS as DELAYS
from experiments.truths.errors import NothingQuick, UnknownSetting
from experiments.truths.estimates import (
    at_least,
    at_phase,
    growth,
    per_minute,
    ratio,
    seen,
    service_level,
    share_not_served_at_once,
    share_of_looks,
    wait_quantile,
    waits,
    weighted,
)
from experiments.truths.networks import network
from experiments.truths.recording import Recording, record
from experiments.truths.rows import Row
from experiments.truths.setting import Always, Effort, Setting, _told
from experiments.truths.stations import station
from experiments.truths.study import missing, run
from experiments.truths.table import lines, render, summary
from experiments.truths.truth import Truth, Verdict
from sim.analytic import criss_cross
from sim.arrivals import RenewalArrivals
from sim.distributions import Deterministic
from sim.simulator import ServiceSystem

SETTING = find_setting("erlang_b_1_1")
(LOST,) = truths_of(SETTING)


class InPlace(Executor):
    """Does the work when asked, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def clockwork(service: float, *, look: float | None = None, is_watched: bool = False) -> Setting:
    """Somebody comes at 2, 4, 6, ... and is served for so many minutes; measured from 3.5 on."""
    return Setting(
        name="clockwork",
        build=partial(
            station,
            arrivals=RenewalArrivals(interval=Deterministic(mean=2.0)),
            service=Deterministic(mean=service),
            servers=1,
            is_event_driven=is_watched,
        ),
        warm_up=3.5,
        look=look,
        watched=("call_arrivals", "agents_started", "call_waiting", "agents_busy"),
        thorough=Effort(replications=2, minutes=6.0),
        quick=None,
    )


# Recordings


@pytest.mark.parametrize("is_watched", [True, False], ids=["by events", "by looks"])
def test_a_window_counts_what_happened_in_it(is_watched: bool) -> None:
    """From 3.5 to 9.5 three come, at 4, 6 and 8, and each is served for its one minute."""
    recording = record(clockwork(1.0, is_watched=is_watched), 6.0, seed=1)
    assert recording.minutes == 6.0
    assert recording.totals["call_arrivals"] == recording.totals["agents_finished"] == 3.0
    assert recording.totals["agents_busy_minutes"] == pytest.approx(3.0)


@pytest.mark.parametrize("is_watched", [True, False], ids=["by events", "by looks"])
def test_a_window_counts_the_part_of_a_service_that_lies_in_it(is_watched: bool) -> None:
    """Served from 2 to 3.8, 4 to 5.8, 6 to 7.8, 8 to 9.8: .3, 1.8, 1.8 and 1.5 minutes."""
    recording = record(clockwork(1.8, is_watched=is_watched), 6.0, seed=1)
    assert recording.totals["agents_busy_minutes"] == pytest.approx(5.4)
    assert recording.totals["agents_finished"] == 3.0


def test_single_waits_are_those_of_each_customer() -> None:
    """Services of three minutes begin at 2, 5 and 8: those who came at 4 and 6 wait 1 and 2."""
    recording = record(clockwork(3.0, is_watched=True), 6.0, seed=1)
    assert waits(recording) == pytest.approx([1.0, 2.0])
    assert share_not_served_at_once(recording) == 1.0


def test_growth_is_measured_over_the_window() -> None:
    """At 3.5 nobody waits; at 9.5 of the four who came three services have begun, one at 8."""
    recording = record(clockwork(3.0), 6.0, seed=1)
    assert growth("call_waiting")(recording) == pytest.approx(1 / 6)


def test_looks_leave_the_warm_up_out() -> None:
    """Looks at 5, 6.5, 8 and 9.5 find the server of 1.8-minute services at work thrice."""
    recording = record(clockwork(1.8, look=1.5), 6.0, seed=1)
    assert recording.moments == pytest.approx([3.5, 5.0, 6.5, 8.0, 9.5])
    found = recording.watched["agents_busy"][recording.measured]
    assert share_of_looks(at_least("agents_busy", 1))(recording) == found.mean()
    assert seen("agents_busy", "call_waiting")(recording) == found.mean()


def looked_at(waiting: list[float], busy: list[float]) -> Recording:
    """A recording of five minutes that saw this at its last looks, after one of warm-up."""
    return Recording(
        begin=1.0,
        end=6.0,
        totals={"call_wait": 10.0, "call_arrivals": 4.0, "call_present": 20.0},
        opening={},
        closing={},
        moments=1.0 + np.arange(len(waiting) + 1) * 5.0 / len(waiting),
        watched={
            "call_waiting": np.array([99.0, *waiting]),
            "agents_busy": np.array([99.0, *busy]),
        },
    )


def test_outputs_become_means_over_customers_and_over_time() -> None:
    """Ten minutes waited by four customers in five minutes."""
    recording = looked_at([0.0], [0.0])
    assert ratio("call_wait", "call_arrivals", scale=60.0)(recording) == 150.0
    assert per_minute("call_wait")(recording) == 2.0
    assert weighted({"call_wait": 1.0, "call_present": 3.0})(recording) == 14.0


def test_a_wait_follows_from_what_a_look_sees() -> None:
    """With a server free nobody waits; with both busy, and nobody waiting, for one to finish."""
    recording = looked_at([0.0, 0.0], [1.0, 2.0])
    level = service_level(0.5, servers=2, service_rate=1.0)(recording)
    assert level == pytest.approx(1.0 - np.exp(-2 * 0.5) / 2)
    median_of_the_busy = wait_quantile(0.75, servers=2, service_rate=1.0, most=9.0)(recording)
    assert median_of_the_busy == pytest.approx(np.log(2) / 2)
    assert wait_quantile(0.4, servers=2, service_rate=1.0, most=9.0)(recording) == 0.0


def test_looks_are_told_apart_by_phase() -> None:
    """The first look after the warm-up is at phase 1, so phase 0 comes last of each period."""
    recording = looked_at([1.0, 2.0, 3.0, 5.0], [0.0, 0.0, 0.0, 4.0])
    both = ("call_waiting", "agents_busy")
    assert at_phase(1, 2, both, None)(recording) == 2.0
    assert at_phase(0, 2, both, None)(recording) == 5.5
    assert at_phase(0, 2, both, 9.0)(recording) == 0.5


# Rules


def state_of(description: Any, **numbers: float) -> np.ndarray:
    """A state with so many in each stock, and nobody elsewhere."""
    state = np.zeros(len(description.state_names))
    for name, number in numbers.items():
        state[description.state_names.index(name)] = number
    return state


def test_pressure_counts_who_is_in_service_and_who_is_ahead() -> None:
    """1/8 * 9 against 1/2 * 2 without those ahead, and 1/8 * (9 - 8) against 1 with them."""
    description = ServiceSystem(network("reentrant")).describe()
    state = state_of(
        description, class_1_waiting=8.0, serve_1_busy=1.0, class_2_waiting=2.0,
        class_4_waiting=8.0,
    )  # fmt: skip
    for onward, level in ((None, 0.0), ("class_4", 1.0)):
        station = (
            Buffer(name="class_1", weight=1 / 8, next=onward),
            Buffer(name="class_2", weight=1 / 2),
            Buffer(name="class_3", weight=1 / 4),
            Buffer(name="class_4", weight=0.0),
        )
        rule = LargestPressure(stations=(station,))
        assert rule.begin(description)(state).tolist() == [level]


def test_pressure_never_idles_and_takes_the_last_of_equals() -> None:
    """A negative pressure is still served, and nobody is served where nobody is."""
    description = ServiceSystem(network("reentrant")).describe()
    station = (
        Buffer(name="class_1", weight=1.0, next="class_4"),
        Buffer(name="class_2", weight=1.0),
        Buffer(name="class_4", weight=1.0, next="class_2"),
    )
    decide = LargestPressure(stations=(station,)).begin(description)
    assert decide(state_of(description, class_1_waiting=1.0, serve_4_busy=9.0))[0] == 2.0
    assert decide(state_of(description, class_2_waiting=2.0, class_4_waiting=4.0))[0] == 2.0
    assert decide(state_of(description, class_1_waiting=3.0))[0] == 0.0


@pytest.mark.parametrize(
    ("rule", "first", "second", "helps"),
    [
        (Helping(), 5, 1, 0.0),
        (Helping(), 5, 2, 1.0),
        (Helping(more_than=11), 1, 11, 0.0),
        (Helping(more_than=11), 1, 12, 1.0),
        (Helping(more_than=11), 0, 2, 1.0),
        (Helping(weights=(1.0, 1.5)), 3, 2, 1.0),
        (Helping(weights=(1.0, 1.5)), 4, 2, 0.0),
    ],
)
def test_help_is_given_where_it_is_wanted(
    rule: Helping, first: int, second: int, helps: float
) -> None:
    """Only a second customer of the second class is left to the helper."""
    description = ServiceSystem(network("n_model")).describe()
    state = state_of(description, class_1_waiting=first, class_2_waiting=second)
    assert rule.begin(description)(state).tolist() == [helps]


def test_the_optimum_feeds_a_server_that_would_starve() -> None:
    """With nobody at server 2 it pays to serve those who go there; with many, those who leave."""
    description = ServiceSystem(network("criss_cross:BM")).describe()
    decide = ExactOptimum(
        network=criss_cross("BM"),
        levels=(20, 12, 20),
        classes=("class_1", "class_2", "class_3"),
        server=0,
        level_of=((0, 0.0), (2, 1.0)),
    ).begin(description)
    waiting = {"class_1_waiting": 2.0, "class_3_waiting": 2.0}
    assert decide(state_of(description, **waiting)).tolist() == [0.0]
    assert decide(state_of(description, class_2_waiting=90.0, **waiting)).tolist() == [1.0]


# Settings


def test_every_truth_has_a_name_of_its_own() -> None:
    """Rows and figures find truths by name, and settings theirs."""
    names = [truth.name for truth in TRUTHS]
    assert len(set(names)) == len(names)
    assert all(truth.setting == SETTINGS[truth.setting.name] for truth in TRUTHS)


def test_settings_and_depths_share_no_seeds() -> None:
    """Intervals that stand on the same customers would err together."""
    seeds = [seed for s in SETTINGS.values() for depth in s.depths for seed in s.seeds(depth)]
    assert len(set(seeds)) == len(seeds)


def test_a_setting_changes_its_digest_with_whatever_it_depends_on() -> None:
    """A row of yesterday's system must not pass for one of today's."""
    changes: tuple[dict[str, Any], ...] = (
        {"warm_up": 1.0},
        {"look": 1.0},
        {"control": Always(levels=(1.0,))},
        {"parameters": {"arrival_scale": 2.0}},
        {"build": partial(station, arrivals=2.0, service=1.0, servers=1)},
        {"quick": Effort(replications=16, minutes=1.0)},
    )
    digests = [replace(SETTING, **change).digest("quick") for change in changes]
    assert len({SETTING.digest("quick"), *digests}) == len(changes) + 1


def test_a_setting_keeps_its_digest_where_defaults_are_written_out() -> None:
    """A field that is added to a part, with a default, must not throw hours of rows away."""
    told = replace(SETTING, build=lambda: replace(SETTING.build(), levers=(), dispatchers=()))
    assert told.digest("quick") == SETTING.digest("quick")
    assert "levers" not in _told(SETTING.build())


def test_warm_ups_of_queues_last_five_relaxation_times() -> None:
    """M/M/n forgets its beginning at rate (sqrt(n mu) - sqrt(lambda))**2 a minute."""
    for setting in {truth.setting.name: truth.setting for truth in DELAYS}.values():
        system = setting.build()
        arrival_rate = system.arrivals["call"].mean_rate
        capacity = system.pools[0].shifts[0][1] / system.classes[0].service.mean
        assert setting.warm_up >= 5.0 / (sqrt(capacity) - sqrt(arrival_rate)) ** 2, setting.name


def test_an_unknown_setting_is_refused_with_a_name_that_is_near() -> None:
    """Settings are named on the command line."""
    with pytest.raises(UnknownSetting, match="did you mean 'erlang_b_1_1'"):
        find_setting("erlang_b_11")


def test_nothing_quick_is_asked_of_a_heavy_setting() -> None:
    """Its interval would hold anything; the study skips it instead."""
    heavy = clockwork(1.0)
    with pytest.raises(NothingQuick, match="'clockwork' has no quick effort"):
        heavy.seeds("quick")
    assert list(missing([heavy], "quick", ())) == []


@pytest.mark.parametrize(
    ("name", "start", "moves", "of"),
    [
        ("shortest_queue_first", (0, 0), chains.shortest_queue, lambda state: state[0]),
        ("shortest_queue_second", (0, 0), chains.shortest_queue, lambda state: state[1]),
        ("blocked_tandem_first", (0, 0, 0), chains.blocked_tandem, lambda state: state[0]),
        ("blocked_tandem_second", (0, 0, 0), chains.blocked_tandem, lambda state: state[1]),
        ("retrials_away", (0, 0), chains.retrials, lambda state: state[1]),
        ("retrials_busy", (0, 0), chains.retrials, lambda state: state[0]),
        ("overflow_first", (0, 0, 0, 0), chains.overflow, lambda state: state[0]),
        ("overflow_second", (0, 0, 0, 0), chains.overflow, lambda state: state[1]),
        ("overflow_guests", (0, 0, 0, 0), chains.overflow, lambda state: state[3] == chains.GUEST),
        ("longest_queue_first", (0, 0, 0), chains.longest_queue, lambda state: state[0]),
        ("longest_queue_second", (0, 0, 0), chains.longest_queue, lambda state: state[1]),
        ("finished_first_present", (0, 0), chains.finished_first, lambda state: state[0]),
        ("balking_present", (0,), chains.balking, lambda state: state[0]),
        ("balking_share", (0,), chains.balking, lambda state: 0.5 * (state[0] >= 3)),
    ],
)
def test_values_without_a_formula_are_those_of_their_chains(
    name: str, start: chains.State, moves: chains.Moves, of: Callable[[chains.State], float]
) -> None:
    """They are written down, because to solve the chains takes seconds."""
    (truth,) = (truth for truth in TRUTHS if truth.name == name)
    law = chains.stationary_law(start, moves)
    assert chains.mean(law, of) == pytest.approx(truth.value, rel=1e-6)


# Verdicts


def test_a_verdict_needs_the_value_and_an_interval_that_could_miss() -> None:
    """Values around the truth hold; those beside it do not; those all over it tell nothing."""
    truth = replace(LOST, quick_precision=0.1, uncertainty=0.0)
    random = np.random.default_rng(1)
    noise = random.standard_normal(20)
    close, wide = 0.5 + 0.02 * noise, 0.5 + 0.5 * noise
    assert truth.judge(close, "quick").holds
    assert truth.judge(close, "quick").is_telling
    assert not truth.judge(close + 0.1, "quick").holds
    assert truth.judge(wide, "quick").holds
    assert not truth.judge(wide, "quick").is_telling
    assert replace(truth, uncertainty=0.2).judge(close + 0.1, "quick").holds


# The study


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The lines of one setting, measured quickly."""
    path = tmp_path_factory.mktemp("truths") / "rows.jsonl"
    run([SETTING], "quick", path, InPlace())
    return path.read_text()


@pytest.fixture
def measured(told: str, tmp_path: Path) -> Path:
    """A copy of them that a test may spoil."""
    path = tmp_path / "rows.jsonl"
    path.write_text(told)
    return path


def test_a_run_that_was_stopped_goes_on_where_it_was(told: str, measured: Path) -> None:
    """Rows are kept as they are measured, and what they say is not measured again."""
    measured.write_text("".join(told.splitlines(keepends=True)[:-3]))
    heard: list[int] = []
    run([SETTING], "quick", measured, InPlace(), on_row=lambda row, left: heard.append(left))
    assert sorted(heard) == [0, 1, 2]
    rows = read_rows(measured, Row)
    assert {row.seed for row in rows} == set(SETTING.seeds("quick"))
    assert all(row.commit and row.machine and row.date for row in rows)
    before = {json.loads(line)["seed"]: json.loads(line)["values"] for line in told.splitlines()}
    assert before == {row.seed: row.values for row in rows}


def test_a_truth_that_is_new_is_measured_on_all_replications(measured: Path) -> None:
    """Rows of yesterday do not answer a question of today, and the last row of a key counts."""
    rows = read_rows(measured, Row)
    silent = replace(rows[0], values={})
    assert [one.seed for one in missing([SETTING], "quick", (*rows[1:], silent))] == [silent.seed]
    (line,) = lines((silent, *rows), (LOST,))
    assert line.verdict is not None


def test_a_row_that_was_cut_off_is_named(measured: Path) -> None:
    """A kill in the middle of a line must not pass for a measurement."""
    measured.write_text(measured.read_text()[:-20])
    with pytest.raises(InvalidRows, match="line 16 is no row: delete the line"):
        read_rows(measured, Row)


def test_a_truth_is_judged_by_whole_measurements_only(measured: Path, tmp_path: Path) -> None:
    """The table shows the mean of all rows, and nothing where one of them is missing."""
    rows = read_rows(measured, Row)
    (line,) = lines(rows, (LOST,))
    assert line.verdict is not None
    assert line.verdict.measured.value == pytest.approx(
        np.mean([row.values[LOST.name] for row in rows])
    )
    (without,) = lines(rows[1:], (LOST,))
    assert without.verdict is None
    append_row(tmp_path / "again.jsonl", rows[0])
    assert read_rows(tmp_path / "again.jsonl", Row) == rows[:1]


def test_a_missed_truth_is_shown_as_missed(measured: Path) -> None:
    """A negative result stays in."""
    rows = tuple(
        replace(row, values={name: value + 0.1 for name, value in row.values.items()})
        for row in read_rows(measured, Row)
    )
    assert f"**0 of 1 truths are met**; {len(TRUTHS) - 1} unmeasured." in render(rows)
    assert "**no**" in render(rows)
    share, figure = summary(rows)["figures"]
    assert (share["name"], share["value"]) == ("truths_met", 0.0)
    assert figure["low"] <= figure["value"] <= figure["high"]


def test_an_empty_store_says_that_nothing_was_measured(measured: Path) -> None:
    """Rows may be thrown away when settings change; no table or figure may outlive them."""
    write_analysis(measured.parent)
    assert (measured.parent / "summary.json").exists()
    measured.write_text("")
    write_analysis(measured.parent)
    assert not (measured.parent / "summary.json").exists()
    text = (measured.parent / "README.md").read_text(encoding="utf-8")
    assert text.endswith("\nNothing has been measured yet.\n")


# What is stored


def test_the_stored_table_says_what_the_stored_rows_say() -> None:
    """A table that was typed by hand, or a setting that changed since, would tell another story."""
    rows = read_rows(STORED / "rows.jsonl", Row)
    assert (STORED / "README.md").read_text(encoding="utf-8") == render(rows)
    figures = STORED / "summary.json"
    assert figures.exists() == bool(rows)
    if rows:
        assert json.loads(figures.read_text()) == summary(rows)


@pytest.fixture(scope="module")
def stored() -> dict[str, Verdict | None]:
    return {line.truth.name: line.verdict for line in lines(read_rows(STORED / "rows.jsonl", Row))}


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_what_was_measured_meets_the_truth(truth: Truth, stored: dict[str, Verdict | None]) -> None:
    """The stored intervals are the closest look at the simulator that anybody has had."""
    verdict = stored[truth.name]
    if verdict is not None:
        assert verdict.holds, (truth.value, verdict.measured)
