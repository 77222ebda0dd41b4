"""Which parts of a system are watched, and what they are called."""

from __future__ import annotations

from sim.scenario import load_scenario
from tests.training.conftest import build_small_centre
from tests.training.drift.levels import TwoLevels
from training.drift import KINDS, components_of, kind_of


def test_a_centre_has_a_part_for_each_kind_of_change() -> None:
    """An alarm must be able to name whatever can change: who comes, who works, and so on."""
    parts = components_of(build_small_centre().describe())
    assert [part.name for part in parts] == [
        "arrivals: call",
        "service: agents",
        "capacity: agents",
        "routing: to case",
        "patience: call",
    ]
    assert tuple(part.kind for part in parts) == KINDS


def test_completions_are_taken_over_those_at_work() -> None:
    """Else fewer servers would look like slower ones."""
    part = next(p for p in components_of(build_small_centre().describe()) if p.kind == "service")
    assert part.columns == ("calls_to_case", "calls_finished", "cases_finished")
    assert part.per == ("calls_busy", "cases_busy")


def test_servers_who_break_down_are_counted_where_the_state_counts_them() -> None:
    """A state that tells how many are up tells of a breakdown on a quiet day too."""
    description = load_scenario("autoscaling").system(None).describe()
    capacity = [p for p in components_of(description) if p.kind == "capacity"]
    assert [p.columns for p in capacity] == [("workers_up",)]


def test_of_an_unknown_simulator_every_output_is_a_part() -> None:
    """Nothing says what a user's outputs mean, but any of them may drift."""
    parts = components_of(TwoLevels().description)
    assert [part.name for part in parts] == ["output: first", "output: second"]


def test_names_of_parts_and_parameters_tell_the_same_kinds() -> None:
    """A study and whoever decides compare detectors of both sorts."""
    kinds = {
        "arrivals: call": "arrivals",
        "arrival_scale": "arrivals",
        "call_handle_time_scale": "service",
        "patience_scale": "patience",
        "staff_scale": "capacity",
        "call_to_case_route_scale": "routing",
        "temperature": "temperature",
    }
    assert {name: kind_of(name) for name in kinds} == kinds
