"""The README says what is stored, and its example runs."""

from __future__ import annotations

import re

import pytest

from experiments import readme as studies
from experiments.main_job import readme

TEXT = (readme.ROOT / "README.md").read_text()


def test_the_readme_states_the_stored_rows() -> None:
    """A table that was typed by hand would drift from what was measured."""
    assert readme.rewrite(TEXT) == TEXT
    assert studies.rewrite(TEXT) == TEXT


def test_a_first_place_that_chance_may_have_given_says_so() -> None:
    """A place alone reads like a proof."""
    rank = {"value": 1, "unit": "place of flow among 12"}
    found: studies.Figures = {
        "clinic_crps_rank": rank,
        "clinic_crps_behind_best_other": {"low": -2.0, "high": -1.0},
        "clinic_tau_rank": rank,
        "clinic_tau_behind_best_other": {"low": -2.0, "high": 0.1},
    }
    assert studies.place(found, "clinic", "crps") == "1. flow among 12"
    assert studies.place(found, "clinic", "tau") == "1. flow among 12 (not sure)"


def test_the_readme_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the first thing a newcomer copies."""
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert len(example.splitlines()) <= 20
    exec(compile(example, "README.md", "exec"), {})
    assert re.search(r"half an hour costs \d+ dollars", capsys.readouterr().out)
