"""From measurements to rows, from rows to figures, from figures to the table."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import readme, suite
from benchmarks.errors import InvalidMeasurement
from benchmarks.figures import INFORMATION, Figure, median_figure, weakest
from benchmarks.pairs import alternate, one_core
from benchmarks.plots import draw_scaling
from benchmarks.rows import Measurement, Origin, Row, append_row, latest, read_rows
from benchmarks.scaling import Scaling, curve
from benchmarks.yardstick import plain_python_seconds

FIGURE_KEYS = {"name", "value", "low", "high", "n", "unit", "goal"}


def origin(day: int = 1) -> Origin:
    return Origin(
        run=f"2026-01-{day:02}T00:00:00Z",
        commit=f"commit{day}",
        date=f"2026-01-{day:02}",
        machine="a machine",
    )


def speed_rows(seconds: Iterable[float], day: int = 1) -> list[Row]:
    """One row for each time of ours, on both workloads against peers who need 3 and 6 seconds."""
    return [
        Row(
            benchmark="speed",
            origin=origin(day),
            measurement=Measurement(
                settings={"workload": workload, "peer": peer, "seed": number},
                seconds={"ours": ours, peer: theirs},
            ),
        )
        for workload in ("queue", "bank")
        for peer, theirs in (("plain_simpy", 3.0), ("ciw", 6.0))
        for number, ours in enumerate(seconds)
    ]


def scaling_rows() -> list[Row]:
    return [
        Row(
            benchmark="scaling",
            origin=origin(),
            measurement=Measurement(
                settings={"round": 0, "customers": customers, "servers": servers},
                seconds={"ours": customers * 2e-6},
                answers={
                    "ours": {
                        "seconds_per_customer": 2e-6 * (1 + (servers == 1000)),
                        "peak_mib": 100.0 + customers / 1e6,
                    }
                },
            ),
        )
        for customers in (10_000, 100_000, 10_000_000)
        for servers in (10, 1000)
    ]


def by_name(figures: Iterable[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for row in [*speed_rows([1.0, 1.5, 0.75]), *scaling_rows()]:
        append_row(tmp_path / "rows.jsonl", row)
    return tmp_path


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 1), (6, 1), (9, 2), (20, 6), (50, 18)])
def test_the_median_has_the_textbook_interval(n: int, k: int) -> None:
    """Ranks of the sign-test interval, as in the tables of Conover; below six, the whole range."""
    figure = median_figure("f", [float(i) for i in range(1, n + 1)], unit="s", goal=INFORMATION)
    assert (figure.value, figure.low, figure.high) == ((n + 1) / 2, k, n + 1 - k)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    """95% at least, whatever the distribution; five standard errors are 2% of 3,000 samples."""
    random = np.random.default_rng(5)
    held = 0
    for sample in random.lognormal(size=(3000, 15)):
        figure = median_figure("f", sample.tolist(), unit="s", goal=INFORMATION)
        held += figure.low <= 1.0 <= figure.high
    assert 0.93 <= held / 3000 < 1.0


def test_a_goal_is_met_or_missed() -> None:
    """A miss must show; what has no goal neither meets nor misses it."""
    met, missed, none = (
        median_figure("f", [2.5], unit="ratio", goal=goal) for goal in (">= 2", "<= 2", INFORMATION)
    )
    assert (met.meets_goal, missed.meets_goal, none.meets_goal) == (True, False, None)


def test_the_weakest_ratio_stands_for_all() -> None:
    """A goal for every workload is one for the worst of them."""
    figures = [
        median_figure(n, [v], unit="ratio", goal=">= 2") for n, v in (("a", 5.0), ("b", 3.0))
    ]
    assert weakest("all", figures, ">= 2").value == 3.0


def test_rows_come_back_as_they_were_written(folder: Path) -> None:
    """Rows are the truth; everything else is made from them."""
    assert read_rows(folder / "rows.jsonl") == (*speed_rows([1.0, 1.5, 0.75]), *scaling_rows())


def test_a_row_without_its_origin_is_refused() -> None:
    """A number from nobody knows where is no measurement."""
    with pytest.raises(InvalidMeasurement, match="'run'"):
        Row.from_line('{"benchmark": "speed", "settings": {}, "seconds": {}, "answers": {}}')


def test_figures_are_medians_of_paired_ratios() -> None:
    """A ratio of medians would mix minutes in which the machine was fast with slow ones."""
    figures = by_name(suite.figures(speed_rows([1.0, 1.5, 0.75])))
    assert figures["bank_day_seconds"].value == 1.0
    assert figures["sim_vs_plain_simpy_bank"].value == 3.0
    assert (figures["sim_vs_ciw"].low, figures["sim_vs_ciw"].high) == (4.0, 8.0)
    assert figures["sim_vs_ciw"].n == 3


def test_only_the_last_run_of_a_benchmark_counts() -> None:
    """Rows of older commits stay in the file and out of the figures."""
    rows = [*speed_rows([9.0]), *scaling_rows(), *speed_rows([1.0], day=2)]
    assert by_name(suite.figures(rows))["bank_day_seconds"].value == 1.0
    assert {name: used[0].origin for name, used in latest(rows).items()} == {
        "speed": origin(2),
        "scaling": origin(1),
    }


def test_a_refused_workload_leaves_no_combined_ratio() -> None:
    """The least of one workload would pass for the least of both."""
    rows = [row for row in speed_rows([1.0]) if row.settings["workload"] == "queue"]
    names = {figure.name for figure in suite.figures(rows)}
    assert names == {"sim_vs_plain_simpy_queue", "sim_vs_ciw_queue"}


def test_growth_is_measured_between_the_ends_of_the_grid() -> None:
    """Doubling with the servers, a tenth more memory for a hundred times the customers."""
    figures = by_name(Scaling().figures(scaling_rows()))
    assert figures["time_per_customer_growth_with_servers"].value == pytest.approx(2.0)
    assert figures["time_per_customer_growth_with_customers"].value == pytest.approx(1.0)
    assert figures["memory_growth_with_customers"].value == pytest.approx(110.0 / 100.1)


def test_the_curve_is_drawn_from_rows() -> None:
    """The plot in the README is made anew whenever rows are, and the same rows look the same."""
    rows = scaling_rows()
    assert curve(rows, "seconds_per_customer", 1000) == ([10_000, 100_000, 10_000_000], [4e-6] * 3)
    assert draw_scaling(rows) == draw_scaling(rows)
    assert b"1,000 servers" in draw_scaling(rows)


def test_the_summary_has_the_form_that_all_studies_share(folder: Path) -> None:
    """Tables over all studies read every summary alike."""
    suite.summarise(folder)
    summary = json.loads((folder / "summary.json").read_text())
    assert set(summary) == {"commit", "date", "machine", "figures"}
    assert all(set(figure) == FIGURE_KEYS for figure in summary["figures"])
    assert (folder / "scaling.svg").is_file()


def test_the_table_says_what_the_summary_says(folder: Path) -> None:
    """One line a figure, a miss in bold, and where the rows come from."""
    suite.summarise(folder)
    summary = json.loads((folder / "summary.json").read_text())
    table = readme.render_table(read_rows(folder / "rows.jsonl"))
    for figure in summary["figures"]:
        assert f"| `{figure['name']}` | {figure['value']:,.3g} [" in table
    assert "`bank_day_seconds` | 1 [0.75, 1.5] s | 6 | <= 0.35 | **no** |" in table
    assert "speed, scaling: commit commit1, 2026-01-01, a machine." in table


def test_the_machine_is_told_with_its_yardstick() -> None:
    """Speeds of a machine four times as slow would else look like a slower library."""
    rows = [replace(row, yardstick=0.5 + 0.25 * n) for n, row in enumerate(scaling_rows())]
    read = [Row.from_line(row.to_line()) for row in rows]
    assert read == rows
    slowest = 0.5 + 0.25 * (len(rows) - 1)
    sentence = f"ten million additions in plain Python took 0.50 to {slowest:.2f} s."
    assert sentence in readme.render_table(read)


def test_the_yardstick_is_of_ten_million_additions() -> None:
    """Whatever the machine, each takes a processor some cycles and less than a microsecond."""
    assert 0.02 < plain_python_seconds() < 10.0


def test_only_the_block_of_a_readme_is_rewritten() -> None:
    """Everything around it was written by people."""
    text = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n"
    expected = f"before\n{readme.BEGIN}\n{readme.render_table()}\n{readme.END}\nafter\n"
    assert readme.rewrite(text) == expected
    assert readme.rewrite("no block\n") == "no block\n"


def test_the_stored_tables_agree_with_the_stored_rows() -> None:
    """A table that was typed by hand would drift from what was measured."""
    for path in readme.READMES:
        text = path.read_text()
        assert readme.rewrite(text) == text
    assert readme.BEGIN in readme.READMES[0].read_text()


def test_the_stored_summary_agrees_with_the_stored_rows() -> None:
    """Neither may exist without the other."""
    rows, stored = read_rows(suite.STORED / "rows.jsonl"), suite.STORED / "summary.json"
    assert bool(rows) == stored.is_file()
    if rows:
        assert json.loads(stored.read_text()) == suite.summary(rows)


def test_contestants_take_turns() -> None:
    """What slows the machine for a while must slow both; the first of each is not counted."""
    calls: list[tuple[str, int]] = []
    first, second = (lambda seed, who=who: calls.append((who, seed)) for who in "AB")
    pairs = list(alternate(first, second, [7, 8]))
    assert calls == [("A", 7), ("B", 7), ("A", 7), ("B", 7), ("A", 8), ("B", 8)]
    assert [pair.seed for pair in pairs] == [7, 8]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_one_core_is_given_back() -> None:
    """The next benchmark may need them all."""
    before = os.sched_getaffinity(0)
    with one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_an_unknown_benchmark_is_refused_with_a_near_name() -> None:
    """A typing error must not run nothing in silence."""
    with pytest.raises(InvalidMeasurement, match="did you mean 'scaling'"):
        suite.find("scalling")
