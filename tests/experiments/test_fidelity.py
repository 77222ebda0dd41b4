"""The page of a fidelity report, from the stored records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from experiments.fidelity.__main__ import STORED
from experiments.fidelity.page import write_report
from experiments.fidelity.progress import Steps, time_left
from experiments.main_job.reporter import Reporter

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

EXAMPLES = {"good": "train on it", "scant": "do not use", "starved": "do not use"}


def stored(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((STORED / f"{name}.json").read_text())
    return record


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_is_made_from_its_record_and_opens_without_a_network(
    name: str, tmp_path: Path
) -> None:
    """It is mailed around, and its figures must be those of the file beside it."""
    record = stored(name)
    write_report(tmp_path / "page.html", record)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 4
    assert "http" not in page
    assert EXAMPLES[name].capitalize() in page
    for finding in record["verdict"]["findings"]:
        assert f'class="text {finding["outcome"]}"' in page
    assert json.loads((tmp_path / "page.json").read_text()) == record
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_not_there_is_said_rather_than_drawn(tmp_path: Path) -> None:
    """Families without arrivals, likelihood, support or policy are examined too."""
    record = stored("starved")
    gone = dict.fromkeys(("conditional", "gap", "support", "support_of_trained"))
    record = {**record, **gone, "gap_cells": {}, "no_conditional": "nobody comes"}
    record["one_epoch"]["scores"]["log_likelihood"] = None
    write_report(tmp_path / "page.html", record)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 3
    for said in ("Does not apply: nobody comes", "no likelihood", "No policy was trained"):
        assert said in page


def test_every_quantity_is_shown_by_cell_where_the_record_has_it(tmp_path: Path) -> None:
    """Older records tell of cells only what is pooled over quantities, and still make a page."""
    record = stored("good")
    scores = record["one_epoch"]["scores"]
    for cell in record["one_epoch"]["cells"].values():
        cell["crps"] = dict.fromkeys(scores["log_scores"], 1.2345)
        cell["log_scores"] = scores["log_scores"]
        cell["pit"] = {name: [1, 1, 2, 2, 2, 2, 1, 1] for name in scores["log_scores"]}
    write_report(tmp_path / "page.html", record)
    page = (tmp_path / "page.html").read_text()
    shown = len(record["one_epoch"]["cells"]) * len(scores["log_scores"])
    assert page.count("<td>1.23 / ") == page.count(" / 67%</td>") == shown
    for cell in record["one_epoch"]["cells"].values():
        del cell["crps"], cell["log_scores"], cell["pit"]
    write_report(tmp_path / "page.html", record)
    assert "Each quantity in each cell" not in (tmp_path / "page.html").read_text()


def test_where_the_trained_policy_stands_is_told_where_the_record_has_it(tmp_path: Path) -> None:
    """Older records do not tell whether it was trained, and still make a page."""
    record = stored("good")
    write_report(tmp_path / "page.html", record)
    assert "In the surrogate itself" not in (tmp_path / "page.html").read_text()
    record["standing"] = {
        "rank": 6, "policies": 7, "best": "linear 2", "lead": -0.3, "low": -0.4, "high": -0.2,
    }  # fmt: skip
    write_report(tmp_path / "page.html", record)
    page = (tmp_path / "page.html").read_text()
    assert "In the surrogate itself it ranks 6 of 7" in page
    assert "-30.0% [-40.0%, -20.0%] of the cost of linear 2" in page.replace("\n", " ")


def test_a_part_is_shown_once_however_often_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """A fit says that it is done, and so does whoever waited for it."""
    with Steps(Reporter()) as steps:
        for title, done in (("fit", 0.0), ("fit", 1.0), ("fit", 1.0), ("run", 0.5), ("run", 1.0)):
            steps.hear(title, done, 1.0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == ["fit", "run"]
    assert all("100%" in line for line in lines if line.strip())


def test_the_time_left_is_told_once_the_pace_is_known() -> None:
    """The first moments of a job say nothing, and at its end nothing is left."""
    assert time_left(10.0, 1.0, 4.0) == "about 30 s left"
    assert time_left(120.0, 1.0, 4.0) == "about 6 min left"
    assert time_left(1.0, 1.0, 4.0) == time_left(9.0, 4.0, 4.0) == time_left(9.0, 0.0, 4.0) == ""


@pytest.mark.browser
def test_the_page_opens_in_a_browser(browser: Chrome) -> None:
    """A picture that does not load or a page wider than its window is no report."""
    browser.get((STORED / "good.html").as_uri())
    widths = browser.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert len(widths) == 4
    assert min(widths) > 300
    overflow = "return document.documentElement.scrollWidth - window.innerWidth"
    assert browser.execute_script(overflow) <= 0
