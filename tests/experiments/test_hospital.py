"""The study of the hospital wards: its rule, and what is stored."""

from __future__ import annotations

import numpy as np

from experiments.hospital.__main__ import STORED
from experiments.hospital.rows import Row
from experiments.hospital.rules import OverflowRule
from experiments.hospital.settings import THOROUGH
from experiments.hospital.table import render
from experiments.rows import read_rows
from sim.scenario import load_scenario
from sim.simulator import ServiceSystem

DESCRIPTION = ServiceSystem(load_scenario("hospital_overflow").system()).describe()
NAMES = list(DESCRIPTION.state_names)
RULE = OverflowRule(description=DESCRIPTION, held_back=(2.0, 2.0, 2.0), margin=(0.0, 0.0))


def lends(**numbers: float) -> list[float]:
    """Levels of the three levers where the wards have these numbers."""
    state = np.zeros((1, len(NAMES)))
    for name, number in numbers.items():
        state[0, NAMES.index(name)] = number
    levels: list[float] = DESCRIPTION.decisions[RULE.decide(state)[0]].tolist()
    return levels


def test_no_beds_are_held_open_where_nobody_is_short() -> None:
    """A bed held open may stand empty while the ward's own patients wait."""
    assert lends(medical_own_busy=30) == [0.0, 0.0, 0.0]


def test_a_full_ward_is_lent_beds_by_the_wards_that_can_spare_them() -> None:
    """Ten medical patients wait; the surgical ward has all its beds, the orthopaedic one none."""
    asked = lends(medical_own_busy=43, medical_waiting=10, orthopaedic_own_busy=32)
    assert asked == [0.21, 0.0, 0.0]


def test_beds_that_are_lent_already_stay_lent() -> None:
    """The level counts the patients who are there, so it must not fall below them for nothing."""
    asked = lends(medical_own_busy=43, surgical_for_medical_busy=6, surgical_own_busy=30)
    assert asked[0] == 0.14


def test_stored_results_are_what_the_rows_say() -> None:
    """A table that was written by hand would not follow its rows."""
    rows = [r for r in read_rows(STORED / "rows.jsonl", Row) if r.digest == THOROUGH.digest]
    assert (STORED / "RESULTS.md").read_text(encoding="utf-8") == render(rows)
    shipped = [row for row in rows if row.arm == "shipped"]
    assert shipped
    assert all(row.is_promoted or row.relative == 0.0 for row in shipped)
