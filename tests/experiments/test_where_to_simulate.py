"""The study of where to simulate: its arithmetic, one tiny run of it, and what is stored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.errors import InvalidRows, UnknownSetting
from experiments.rows import append_row, read_rows
from experiments.where_to_simulate.__main__ import STORED
from experiments.where_to_simulate.arms import ARMS, BASELINE
from experiments.where_to_simulate.curves import Curves, epochs_saved
from experiments.where_to_simulate.place import Place
from experiments.where_to_simulate.reference import reference_of
from experiments.where_to_simulate.rows import Row
from experiments.where_to_simulate.settings import THOROUGH, Setting, find_setting, quick
from experiments.where_to_simulate.study import run
from experiments.where_to_simulate.table import render, summary

TINY = quick(Setting(scenario="tests.fakes:TinyQueue", family="bootstrap", episodes=(4, 8)))


def curve(*loss: float, epochs: tuple[float, ...] = (100, 200, 400, 800)) -> Curves:
    return Curves(epochs=np.array(epochs), loss=np.tile(loss, (3, 1)))


def test_half_the_epochs_for_the_same_loss_is_a_ratio_of_two() -> None:
    """An arm whose curve is the baseline's at half the epochs saves half of them, surely."""
    slow = curve(0.8, 0.6, 0.5, 0.45)
    fast = curve(0.6, 0.5, 0.45, 0.45)
    saved = epochs_saved(slow, fast, "test")
    assert (saved.value, saved.low, saved.high) == pytest.approx((2.0, 2.0, 2.0))
    assert epochs_saved(fast, slow, "test").value == pytest.approx(0.5)
    assert epochs_saved(slow, slow, "test").value == pytest.approx(1.0)


def test_a_level_between_two_points_is_reached_between_them() -> None:
    """On a logarithmic scale half-way from 200 to 400 is 200 times the root of two."""
    slow, fast = curve(0.8, 0.6, 0.6, 0.5), curve(0.9, 0.7, 0.3, 0.2)
    assert epochs_saved(slow, fast, "test").value == pytest.approx(800 / (200 * np.sqrt(2)))


def test_luck_at_one_point_is_not_held_against_the_next() -> None:
    """Where a mean curve rises with more data it rises by chance, so neighbours are averaged."""
    assert curve(0.8, 0.5, 0.6, 0.4).falling(slice(None)) == pytest.approx([0.8, 0.55, 0.55, 0.4])


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run([TINY], ARMS, folder / "rows.jsonl", folder / "references")
    return folder


def test_every_arm_is_measured_at_every_number_of_episodes(measured: Path) -> None:
    """Arms are compared at equal numbers of true epochs, and each must have paid for its own."""
    rows = read_rows(measured / "rows.jsonl", Row)
    assert {(r.arm, r.seed, r.episodes) for r in rows} == {
        (arm, seed, episodes) for arm in ARMS for seed in TINY.seeds for episodes in TINY.episodes
    }
    assert all(row.epochs == 6 * row.episodes for row in rows)
    assert all(row.crps > 0 and -1 <= row.tau <= 1 for row in rows)


def test_a_run_that_was_stopped_goes_on_with_the_curve_it_was_at(measured: Path) -> None:
    """Hours of measuring must survive a kill, and what is measured again must agree."""
    path = measured / "rows.jsonl"
    before = read_rows(path, Row)
    path.unlink()
    for row in before[:-1]:
        append_row(path, row)
    run([TINY], ARMS, path, measured / "references", minutes=-1)
    assert read_rows(path, Row) == before[:-1]
    run([TINY], ARMS, path, measured / "references")
    again = read_rows(path, Row)[len(before) - 1 :]
    scores = [(row.episodes, row.crps, row.tau) for row in again]
    assert scores == [(row.episodes, row.crps, row.tau) for row in before[-2:]]
    path.unlink()
    for row in before:
        append_row(path, row)


def test_tables_are_made_of_complete_curves_of_the_present_setting(measured: Path) -> None:
    """Rows of other settings, or of half a curve, would compare what is not alike."""
    rows = read_rows(measured / "rows.jsonl", Row)
    figures = summary(rows, [TINY])
    assert figures is not None
    names = [figure["name"] for figure in figures["figures"]]
    assert names[0] == "tests.fakes:TinyQueue_epochs_saved"
    assert summary(rows, [replace(TINY, draws=7)]) is None
    one_short = [row for row in rows if (row.arm, row.seed, row.episodes) != (BASELINE, 1, 8)]
    assert summary(one_short, [TINY]) is None
    assert render(one_short, [TINY]) == "Nothing has been measured yet.\n"


def test_held_out_epochs_are_half_nominal_and_known_to_no_arm(measured: Path) -> None:
    """All arms are scored on one set that was fixed before, and that none of them has seen."""
    place = Place(TINY.scenario)
    found = reference_of(TINY, place, measured / "references")
    at_nominal = (found.held_out.parameters == place.description.nominal).all(axis=1).mean()
    assert at_nominal == pytest.approx(0.5, abs=0.15)
    seeds = set(found.held_out.episode)
    for arm in ARMS.values():
        *_, last = arm(TINY, place, 1)
        assert not seeds & set(last.transitions.episode)


def test_what_is_no_setting_or_row_is_refused(tmp_path: Path) -> None:
    """A typing mistake must not run for an hour, nor a cut line be taken for nothing."""
    with pytest.raises(UnknownSetting, match="did you mean 'bank'"):
        find_setting("bnak")
    (tmp_path / "rows.jsonl").write_text('{"scenario"')
    with pytest.raises(InvalidRows, match="line 1 is no row"):
        read_rows(tmp_path / "rows.jsonl", Row)


def test_the_stored_results_say_what_the_stored_rows_say() -> None:
    """A table that was typed by hand, or a setting that changed since, would tell another story."""
    rows, results = read_rows(STORED / "rows.jsonl", Row), STORED / "RESULTS.md"
    assert results.read_text(encoding="utf-8") == render(rows, THOROUGH)
    figures, path = summary(rows, THOROUGH), STORED / "summary.json"
    assert path.exists() == (figures is not None)
    if figures is not None:
        assert json.loads(path.read_text()) == figures
