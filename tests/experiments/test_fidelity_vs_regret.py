"""Which score foretells regret: the analysis, on rows whose answer is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from experiments.errors import UnknownSetting
from experiments.fidelity_vs_regret.__main__ import STORED
from experiments.fidelity_vs_regret.analysis import foretellings, regrets, resampled_taus, tau_of
from experiments.fidelity_vs_regret.plot import draw_scores
from experiments.fidelity_vs_regret.rows import Row
from experiments.fidelity_vs_regret.scores import SCORES
from experiments.fidelity_vs_regret.settings import THOROUGH, Setting, find_setting
from experiments.fidelity_vs_regret.table import render
from experiments.rows import read_rows
from surrogates.fidelity import Evidence
from surrogates.fidelity.conditional import Conditional

FORETELLS, MISLEADS, UNKNOWN, *REST = SCORES


def row(setting: Setting, family: str, seed: int, cost: float, rank: float) -> Row:
    """A surrogate of which one score is right, one the wrong way round, and one not there."""
    return Row(
        ground=setting.name,
        digest=setting.digest,
        family=family,
        episodes=12,
        seed=seed,
        scores={FORETELLS: rank, MISLEADS: -rank, UNKNOWN: None},
        use="do not use" if rank > 2 else "train on it",
        cost=cost,
        seconds=1.0,
        commit="abc",
        date="2026-01-01",
        machine="a machine",
    )


@pytest.fixture
def rows() -> list[Row]:
    """Two data sets of four families."""
    costs = {"flow": 100.0, "gp": 110.0, "trees": 150.0, "mean": 200.0}
    return [
        row(THOROUGH[0], family, seed, cost + seed - 1, rank)
        for seed in (1, 2)
        for rank, (family, cost) in enumerate(costs.items(), start=1)
    ]


def test_coverage_is_off_by_what_is_covered_not_by_how_well_that_is_known() -> None:
    """Standard errors shrink with more epochs, whatever the surrogate is worth."""
    held = Conditional(
        rows=100,
        held=("arrivals",),
        crps_free=0.1,
        crps_held=0.1,
        coverage_held={"50": 0.45, "80": 0.66, "95": 0.93},
        coverage_error={"50": 0.3, "80": 0.3, "95": 0.3},
        by_quantity={},
        cells={},
        bias_held={},
    )
    score = SCORES["largest miss of coverage, arrivals held"]
    assert score(cast("Evidence", SimpleNamespace(conditional=held))) == pytest.approx(0.14)
    assert score(cast("Evidence", SimpleNamespace(conditional=None))) is None


def test_a_score_that_orders_as_costs_do_foretells(rows: list[Row]) -> None:
    """And who chooses by it has the least regret, by its opposite the most."""
    best, worst = foretellings(rows)
    assert (best.score, worst.score) == (FORETELLS, MISLEADS)
    assert best.within == pytest.approx(1.0)
    assert worst.within == pytest.approx(-1.0)
    assert best.low <= best.tau <= best.high
    assert best.chosen == pytest.approx(regrets(rows)[[0, 4]].mean())
    assert worst.chosen == pytest.approx(regrets(rows)[[3, 7]].mean())


def test_resampled_correlations_are_those_of_the_repeated_rows() -> None:
    """Ties included, which repetition makes many of, and a side that says nothing."""
    random = np.random.default_rng(3)
    left, right = random.integers(4, size=(2, 9)).astype(float)
    counts = random.integers(3, size=(20, 9))
    expected = [tau_of(np.repeat(left, each), np.repeat(right, each)) for each in counts]
    assert resampled_taus(left, right, counts.astype(float)) == pytest.approx(expected)
    assert resampled_taus(np.ones(9), right, counts.astype(float)).tolist() == [0.0] * 20


def test_regret_is_a_share_of_what_the_best_costs(rows: list[Row]) -> None:
    """Also where days earn money, so that costs are below nothing."""
    assert regrets(rows)[3] == pytest.approx(1.0)
    earning = [row(THOROUGH[0], "flow", 1, cost, 1.0) for cost in (-200.0, -100.0)]
    assert list(regrets(earning)) == [0.0, 0.5]


def test_tables_are_of_the_present_setting(rows: list[Row]) -> None:
    """Rows of another setting are kept, and not shown."""
    text = render(rows, THOROUGH)
    assert "8 surrogates from 2 data sets" in text
    assert "| train on it | 4 |" in text
    assert "No rows yet" in render(rows, THOROUGH[1:])


def test_stored_results_are_those_of_the_stored_rows() -> None:
    """A table that was typed by hand would drift from what was measured."""
    rows = read_rows(STORED / "rows.jsonl", Row)
    assert rows
    assert render(rows, THOROUGH) == (STORED / "RESULTS.md").read_text()
    assert draw_scores(rows, THOROUGH) == (STORED / "scores.svg").read_bytes()


def test_unknown_systems_are_refused_by_name() -> None:
    """With the nearest that there is."""
    with pytest.raises(UnknownSetting, match="clinic"):
        find_setting("klinic")
