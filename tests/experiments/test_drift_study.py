"""The study of drift: how runs are drawn and counted, one tiny run of it, and what is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from experiments.drift.__main__ import STORED, main
from experiments.drift.analysis import median_delay, wrong_names
from experiments.drift.ground import rerouted
from experiments.drift.rows import IN_CONTROL, Row
from experiments.drift.settings import THOROUGH, Route, find_setting
from experiments.drift.study import arms_of, changes_of, missing
from experiments.drift.table import render
from experiments.drift.watching import Draws, run_lengths, watch
from experiments.errors import UnknownSetting
from experiments.rows import append_row, read_rows
from tests.training.conftest import build_small_centre
from training.drift import AlwaysAlarm, DetectorState, NeverAlarm, Verdict

ROW = Row(
    scenario="iid",
    arm="adwin",
    seed=1,
    digest="d",
    kind=IN_CONTROL,
    size=0.0,
    delays=(1, None),
    named_right=0,
    named_wrong=0,
    named_beside=0,
    explained=0,
    structure=0,
    seconds=1.0,
    commit="c",
    date="2026-01-01",
    machine="m",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked(NeverAlarm):
    """Alarms on the days that are marked with a number above 0, and says it lasts so long."""

    def step(self, state: DetectorState, seen: np.ndarray) -> tuple[DetectorState, Verdict]:
        _, never = NeverAlarm.step(self, state, seen)
        days = int(seen[0])
        return state, replace(never, alarm=days > 0, drifted=("arrivals: call",), since_days=days)


def marks(*values: float) -> list[np.ndarray]:
    return [np.array([value], dtype=float) for value in values]


def test_a_false_alarm_before_the_change_begins_the_watch_anew() -> None:
    """Else whoever cries wolf early would never be asked about the change."""
    fresh, changed = marks(0, 1), marks(0, 0, 3)
    draws = Draws(before=np.array([[1, 0, 0]]), after=np.array([[0, 2, 1]]))
    (found,) = watch(Marked(), fresh, changed, draws)
    assert found is not None
    assert found.delay == 2
    assert found.kinds == ("arrivals",)
    assert found.days == (2, 3, 4)


def test_evidence_from_before_a_restart_does_not_count() -> None:
    """A detector cannot tell of days that it has not seen."""
    draws = Draws(before=np.array([[0, 1]]), after=np.array([[0, 0]]))
    (found,) = watch(Marked(), marks(0, 1), marks(9, 0), draws)
    assert found is not None
    assert found.days == (2,)


def test_null_detectors_take_one_day_and_for_ever() -> None:
    """They bound every delay and every run length of the study."""
    runs = np.zeros((3, 5), dtype=int)
    assert run_lengths(AlwaysAlarm(), marks(0), runs) == [1, 1, 1]
    assert run_lengths(NeverAlarm(), marks(0), runs) == [None, None, None]


def test_only_the_told_route_changes() -> None:
    """A change of structure must be that change and nothing beside it."""
    before = build_small_centre()
    after = rerouted(before, Route(of="call", to="case", grows=True), 0.5)
    assert after.classes[0].routes[0].probability == pytest.approx(0.15)
    assert replace(after, classes=before.classes) == before


def test_runs_that_miss_a_change_count_as_endless() -> None:
    """To leave them out would favour whoever misses most."""
    assert median_delay([replace(ROW, delays=(3, 1, None))]) == 3
    assert median_delay([replace(ROW, delays=(3, None, None))]) == np.inf


def test_wrong_names_are_counted_among_alarms() -> None:
    """Who never alarms names nothing wrongly."""
    assert wrong_names([replace(ROW, named_right=3, named_wrong=1)]) == 0.25
    assert wrong_names([ROW]) == 0.0


def test_what_has_its_rows_is_not_measured_again() -> None:
    """A stopped study goes on; other settings are another measurement."""
    setting = find_setting("iid")
    done = [
        replace(ROW, digest=setting.digest, kind=kind, size=size)
        for kind, size in changes_of(setting, "adwin")
    ]
    left = [(seed, arm) for _, seed, arm in missing([setting], ["adwin"], done)]
    assert left == [(seed, "adwin") for seed in setting.seeds[1:]]
    assert len(list(missing([setting], ["adwin"], done[:-1]))) == len(setting.seeds)
    old = [replace(row, digest="old") for row in done]
    assert len(list(missing([setting], ["adwin"], old))) == len(setting.seeds)


def test_all_scenarios_come_before_the_next_seed() -> None:
    """A study that is stopped early then has a calibration of everything."""
    seeds = [seed for _, seed, _ in missing(THOROUGH, arms_of(THOROUGH[1]), [])]
    assert seeds == sorted(seeds)


def test_an_unknown_scenario_is_refused() -> None:
    """Measuring nothing without a word would look like being finished."""
    with pytest.raises(UnknownSetting, match="did you mean 'clinic'"):
        find_setting("clinc")


def test_a_quick_run_leaves_rows_tables_and_a_plot(tmp_path: Path) -> None:
    """The whole way once, where no simulator is needed; a second call measures nothing."""
    asked = ["--quick", "--only", "iid", "--folder", str(tmp_path)]
    main(asked)
    rows = read_rows(tmp_path / "rows.jsonl", Row)
    assert {row.arm for row in rows} == set(arms_of(find_setting("iid", "quick")))
    assert {path.name for path in tmp_path.iterdir()} == {
        "rows.jsonl",
        "RESULTS.md",
        "summary.json",
        "delays.svg",
    }
    main(asked)
    assert read_rows(tmp_path / "rows.jsonl", Row) == rows


def test_rows_survive_their_file(tmp_path: Path) -> None:
    """What is read again must be what was measured, missed changes included."""
    append_row(tmp_path / "rows.jsonl", ROW)
    (again,) = read_rows(tmp_path / "rows.jsonl", Row)
    assert replace(again, delays=tuple(again.delays)) == ROW


def test_stored_results_are_made_of_stored_rows() -> None:
    """A table that nobody can make again proves nothing."""
    rows = read_rows(STORED / "rows.jsonl", Row)
    assert (STORED / "RESULTS.md").read_text(encoding="utf-8") == render(rows, THOROUGH)
