"""From which size on a surrogate pays: the compiled simulator is exact, and the table reads so."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.crossover.__main__ import STUDY
from experiments.crossover.desk import Desk
from experiments.crossover.settings import THOROUGH, find_setting
from experiments.crossover.table import render, sizes
from experiments.errors import UnknownSetting
from experiments.plants import Ground
from experiments.racing.rows import RULES, Row
from experiments.rows import read_rows
from experiments.time_to_policy.direct import COMPILED, LEAN, on_compiled
from sim.errors import InvalidSystem
from surrogates.collect import run_episodes
from surrogates.design import plan_episodes

ALIKE = ("call_arrivals", "call_abandoned", "agents_started", "agents_finished", "call_wait")


def test_the_compiled_simulator_has_the_law_of_the_event_simulator() -> None:
    """From the event simulator's own states: means, spreads and what is sure beforehand."""
    desk, random = Desk(agents=20), np.random.default_rng(5)
    plant, compiled = desk.plant, desk.compiled
    rows = run_episodes(plant.build, plan_episodes(plant.description, 60, 1))
    draws = [compiled.sample(rows.state, rows.decision, rows.parameters, random) for _ in range(30)]
    outputs = np.stack([draw.outputs for draw in draws])
    spread = outputs.std(axis=0, ddof=1)
    error = rows.outputs - outputs.mean(axis=0)
    names = [quantity.name for quantity in plant.description.outputs]
    for name in ALIKE:
        place = names.index(name)
        z = error[:, place].mean() / np.sqrt((spread[:, place] ** 2).sum()) * len(rows)
        assert abs(z) < 3.0, name
        ratio = (error[:, place] ** 2).mean() / (spread[:, place] ** 2).mean()
        assert 0.9 < ratio < 1.2, name
    paid = names.index("agents_on_minutes")
    np.testing.assert_array_equal(outputs[0][:, paid], rows.outputs[:, paid])
    after = np.stack([draw.state for draw in draws])
    waiting, busy, so_far, *_ = np.moveaxis(after - rows.state, 2, 0)
    arrivals, lost, started, finished, *_ = np.moveaxis(outputs, 2, 0)
    np.testing.assert_array_equal(waiting, arrivals - lost - started)
    np.testing.assert_array_equal(busy, started - finished)
    np.testing.assert_array_equal(so_far, arrivals)
    np.testing.assert_array_equal(after[0][:, 4:], rows.next_state[:, 4:])
    np.testing.assert_array_equal(compiled.openings[0], rows.state[0])


def test_only_the_desk_has_a_compiled_simulator() -> None:
    """Others are told so before anything is trained."""
    with pytest.raises(InvalidSystem, match="clinic has no compiled simulator"):
        on_compiled(Ground(scenario="clinic"), 1.0, 1)
    with pytest.raises(UnknownSetting, match="desk_500"):
        find_setting("desk_50")


def test_the_table_says_at_which_sizes_the_surrogate_was_sooner() -> None:
    """And which ways did not get there in what they were given."""
    small, large = THOROUGH[0], THOROUGH[3]

    def row(size: int, arm: str, *curve: list[float]) -> Row:
        setting = (small, large)[size]
        costs = {"best constant": 12.0} if arm == RULES else {}
        return Row(race=setting.name, digest=setting.digest, arm=arm, seed=1, curve=list(curve),
                   costs=costs, seconds=1.0, commit="c", date="d", machine="m")  # fmt: skip

    rows = [
        row(0, RULES), row(1, RULES),
        row(0, "flow", [8.0, 500.0, 10.0]), row(1, "flow", [8.0, 500.0, 10.0]),
        row(0, LEAN, [4.0, 900.0, 12.0], [16.0, 4000.0, 10.0]),
        row(1, LEAN, [80.0, 900.0, 12.0]),
        row(0, COMPILED, [2.0, 9000.0, 10.0]), row(1, COMPILED, [20.0, 9000.0, 10.0]),
    ]  # fmt: skip
    first, last = sizes(rows, THOROUGH)
    assert (first.ratio(LEAN), first.ratio(COMPILED)) == (2.0, 0.25)
    assert (last.ratio(LEAN), last.is_bound(LEAN)) == (10.0, True)
    text = render(rows, THOROUGH)
    assert "the event simulator the surrogate was sooner at desk_5, desk_500." in text
    assert "the compiled simulator the surrogate was sooner at desk_500, later at desk_5." in text
    assert "more than 10.0" in text


def test_stored_results_are_those_of_the_stored_rows() -> None:
    """A table that was typed by hand would drift from what was measured."""
    rows = read_rows(STUDY.stored / "rows.jsonl", Row)
    assert render(rows, THOROUGH) == (STUDY.stored / "RESULTS.md").read_text()
