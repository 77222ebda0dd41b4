import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.arrivals import (
    ARRIVALS,
    Arrivals,
    BatchArrivals,
    DoublyStochasticArrivals,
    MarkovModulatedArrivals,
    PoissonArrivals,
    RecordedArrivals,
    RenewalArrivals,
    SinusoidalArrivals,
    TimeVaryingArrivals,
    build_arrivals,
)
from sim.distributions import (
    DISTRIBUTIONS,
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Frozen,
    Gamma,
    Hyperexponential,
    Lognormal,
    PhaseType,
    Weibull,
    build_distribution,
)
from sim.errors import InvalidSettings

DURATIONS: list[tuple[dict[str, Any], Distribution]] = [
    ({"distribution": "exponential", "mean": 3}, Exponential(mean=3.0)),
    ({"distribution": "deterministic", "mean": 3.5}, Deterministic(mean=3.5)),
    ({"distribution": "gamma", "mean": 3, "scv": 0.5}, Gamma(mean=3.0, scv=0.5)),
    ({"distribution": "lognormal", "mean": 3, "scv": 0.5}, Lognormal(mean=3.0, scv=0.5)),
    ({"distribution": "erlang", "mean": 3.0, "phases": 2}, Erlang(mean=3.0, phases=2)),
    (
        {"distribution": "hyperexponential", "mean": 3.0, "scv": 2},
        Hyperexponential(mean=3.0, scv=2.0),
    ),
    (
        {"distribution": "hyperexponential", "probabilities": [0.25, 0.75], "means": [1, 2]},
        Hyperexponential(probabilities=(0.25, 0.75), means=(1.0, 2.0)),
    ),
    (
        {"distribution": "phase_type", "initial": [1, 0], "generator": [[-1, 0.5], [0, -2]]},
        PhaseType(initial=(1.0, 0.0), generator=((-1.0, 0.5), (0.0, -2.0))),
    ),
    ({"distribution": "weibull", "mean": 3, "shape": 2}, Weibull(mean=3.0, shape=2.0)),
    ({"distribution": "empirical", "values": [1, 2.5]}, Empirical(values=(1.0, 2.5))),
    (
        {"distribution": "scipy", "family": "gamma", "parameters": {"a": 2, "scale": 3.0}},
        Frozen.from_settings(family="gamma", parameters={"a": 2.0, "scale": 3.0}),
    ),
]

MINUTES = {"distribution": "exponential", "mean": 2.0}
POISSON = {"process": "poisson", "rate": 4}

PROCESSES: list[tuple[dict[str, Any], Arrivals]] = [
    (POISSON, PoissonArrivals(rate=4.0)),
    (
        {"process": "time_varying", "rates": [1, 2], "slot_minutes": 30, "kind": "linear"},
        TimeVaryingArrivals(rates=(1.0, 2.0), slot_minutes=30.0, kind="linear"),
    ),
    (
        {"process": "sinusoidal", "mean_rate": 2, "amplitude": 1, "period": 60},
        SinusoidalArrivals(mean_rate=2.0, amplitude=1.0, period=60.0, phase=0.0),
    ),
    (
        {"process": "markov_modulated", "rates": [0, 4], "generator": [[-1, 1], [2, -2]]},
        MarkovModulatedArrivals(rates=(0.0, 4.0), generator=((-1.0, 1.0), (2.0, -2.0))),
    ),
    (
        {"process": "batch", "of": POISSON, "sizes": [0.5, 0.5]},
        BatchArrivals(arrivals=PoissonArrivals(rate=4.0), sizes=(0.5, 0.5)),
    ),
    (
        {"process": "batch", "of": {"process": "batch", "of": POISSON, "sizes": 2}, "sizes": 3},
        BatchArrivals(
            arrivals=BatchArrivals(arrivals=PoissonArrivals(rate=4.0), sizes=2.0), sizes=3.0
        ),
    ),
    (
        {"process": "renewal", "interval": MINUTES},
        RenewalArrivals(interval=Exponential(mean=2.0)),
    ),
]


def _faults(build: Any, settings: Mapping[str, object]) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as caught:
        build(settings)
    return caught.value.faults


@pytest.mark.parametrize(("settings", "meant"), DURATIONS)
def test_a_table_becomes_the_distribution_it_names(
    settings: dict[str, Any], meant: Distribution
) -> None:
    """TOML has whole numbers and lists where the classes have floats and tuples."""
    assert build_distribution(settings) == meant


@pytest.mark.parametrize(("settings", "meant"), PROCESSES)
def test_a_table_becomes_the_arrivals_it_names(settings: dict[str, Any], meant: Arrivals) -> None:
    """Tables may hold tables: a batch is of other arrivals, an interval is a distribution."""
    assert build_arrivals(settings) == meant


def test_every_name_can_be_built_from_a_table() -> None:
    """A name in the table that no settings reach would be a promise without a test."""
    assert {settings["distribution"] for settings, _ in DURATIONS} == set(DISTRIBUTIONS)
    elsewhere = {"doubly_stochastic", "recorded"}
    assert {settings["process"] for settings, _ in PROCESSES} | elsewhere == set(ARRIVALS)


def test_one_deviation_holds_for_every_slot_of_a_profile() -> None:
    """A written-out profile is long enough without the same number repeated beside it."""
    table = {
        "process": "doubly_stochastic",
        "profile": [[1, 2, 3], [4, 5, 6]],
        "day_sd": 0.1,
        "slot_sd": 0.2,
        "persistence": 0.5,
        "slot_minutes": 5,
    }
    built = build_arrivals(table)
    assert isinstance(built, DoublyStochasticArrivals)
    np.testing.assert_array_equal(built.profile, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(built.slot_sd, [0.2, 0.2, 0.2])
    other = build_arrivals(table | {"slot_sd": [0.1, 0.2, 0.3]})
    assert isinstance(other, DoublyStochasticArrivals)
    np.testing.assert_array_equal(other.slot_sd, [0.1, 0.2, 0.3])
    assert _faults(build_arrivals, table | {"slot_sd": [0.1]}) == (
        "slot_sd has 1 numbers: give one, or one for each of 3 slots",
    )
    assert _faults(build_arrivals, table | {"profile": [[1, 2], [3]]})[0].startswith(
        "profile has rows of [1, 2] slots"
    )


@pytest.mark.parametrize("shape", ["counts", "stamps"])
def test_recorded_days_are_read_from_the_file_that_a_table_names(
    tmp_path: Path, shape: str
) -> None:
    """A count column makes the file one of counts; without it every row is a customer."""
    path = tmp_path / "days.csv"
    counted = ["2024-06-01T09:00,2", "2024-06-01T09:30,1"]
    stamped = ["2024-06-01T09:00", "2024-06-01T09:10", "2024-06-01T09:59"]
    rows = ["when,number", *counted] if shape == "counts" else ["when", *stamped]
    path.write_text("\n".join(rows))
    table = {
        "process": "recorded",
        "file": str(path),
        "time_column": "when",
        "opening": "09:00",
        "slots": 2,
        "slot_minutes": 30,
    } | ({"count_column": "number"} if shape == "counts" else {})
    built = build_arrivals(table)
    assert isinstance(built, RecordedArrivals)
    np.testing.assert_array_equal(built.expected((0.0, 30.0, 60.0)), [[2.0, 1.0]])
    faults = _faults(build_arrivals, table | {"gaps": "zeros", "time_zone": "Europe/Berlin"})
    assert faults == (
        ("gaps 'zeros'; did you mean 'zero'?",)
        if shape == "counts"
        else ("gaps is 'zeros': a file without count_column has no slots to miss; leave it out",)
    )


def test_all_faults_of_a_table_come_at_once() -> None:
    """Mending a file one message at a time is tedious."""
    table = {"distribution": "erlang", "mean": -3, "phase": 2.5, "colour": "red"}
    assert _faults(build_distribution, table) == (
        "phase: unknown key; did you mean 'phases'?",
        "colour: unknown key; known: mean, phases",
        "mean is -3.0: give a finite number above 0",
        "phases: missing; give a whole number above 0",
    )


def test_faults_of_tables_within_tables_come_at_once_and_say_where() -> None:
    """The key that leads to a fault is how it is found in the file."""
    table = {
        "process": "batch",
        "of": {"process": "renewal", "interval": {"distribution": "gamma", "mean": 0}, "x": 1},
        "sizes": 0.5,
    }
    assert _faults(build_arrivals, table) == (
        "of: x: unknown key; known: interval",
        "of: interval: mean is 0.0: give a finite number above 0",
        "of: interval: scv: missing; give a finite number above 0",
        (
            "sizes is 0.5: give probabilities of 1, 2, 3, ... customers that sum to 1, or the mean "
            "of a geometric number, 1 or more"
        ),
    )


def test_figures_that_contradict_one_another_are_told_beside_unknown_keys() -> None:
    """Each figure may be fine alone; the check of all together must not wait for the next try."""
    table = {"process": "sinusoidal", "mean_rate": 1, "amplitude": 2, "period": 60, "fase": 0}
    unknown, contradiction = _faults(build_arrivals, table)
    assert unknown == "fase: unknown key; did you mean 'phase'?"
    assert "amplitude is 2.0: give at most the mean rate 1.0" in contradiction


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"mean": 3.0}, "distribution: missing; known: deterministic"),
        ({"distribution": "expnential"}, "unknown 'expnential'; did you mean 'exponential'?"),
        ({"distribution": "zzz"}, "unknown 'zzz'; known: deterministic"),
        ({"distribution": ["gamma"]}, "unknown ['gamma']; known: deterministic"),
        ({"distribution": "exponential", "mean": True}, "mean is True: give"),
        ({"distribution": "exponential", "mean": "3"}, "mean is '3': give"),
        ({"distribution": "exponential", "mean": math.nan}, "mean is nan: give"),
        ({"distribution": "erlang", "mean": 1.0, "phases": 2.0}, "phases is 2.0: give a whole"),
        ({"distribution": "erlang", "mean": 1.0, "phases": False}, "phases is False: give a whole"),
        ({"distribution": "empirical", "values": 3}, "values is 3: give finite numbers"),
        ({"distribution": "empirical", "values": [1, "x"]}, "values is [1, 'x']: give finite"),
        ({"distribution": "empirical", "file": 3, "column": "x"}, "file is 3: give text"),
        ({"distribution": "empirical", "file": "x.csv"}, "give values, or file and column"),
        ({"distribution": "empirical", "file": "x.csv", "column": "y"}, "x.csv: no such file"),
        (
            {"distribution": "phase_type", "initial": [1], "generator": [-1]},
            "generator is [-1]: give a list of lists of numbers",
        ),
        (
            {"distribution": "scipy", "family": "gama", "parameters": {}},
            "unknown 'gama'; did you mean 'gamma'?",
        ),
        (
            {"distribution": "scipy", "family": "gamma", "parameters": {"a": "b"}},
            "parameters is {'a': 'b'}: give a table of numbers",
        ),
        (
            {"distribution": "scipy", "family": "gamma", "parameters": {"a": 1, "scal": 2}},
            "parameters.scal: unknown key; did you mean 'scale'?",
        ),
        (
            {"distribution": "scipy", "family": "gamma", "parameters": {"scale": 2}},
            "parameters.a: missing; gamma needs it",
        ),
    ],
)
def test_every_fault_shows_its_value_and_the_way_out(settings: dict[str, Any], fault: str) -> None:
    """Whoever wrote the file must know what to write instead."""
    (told,) = _faults(build_distribution, settings)
    assert fault in told


def test_long_lists_are_cut_in_messages() -> None:
    """A profile of a thousand numbers would hide what is wrong with it."""
    (told,) = _faults(build_arrivals, {"process": "batch", "of": POISSON, "sizes": [0.0] * 1000})
    assert len(told) < 200


def test_what_is_no_table_where_one_is_needed_is_refused() -> None:
    """A name alone does not say how the other arrivals come."""
    assert _faults(build_arrivals, {"process": "batch", "of": "poisson", "sizes": 2}) == (
        "of is 'poisson': give a table",
    )


def test_faults_survive_the_way_from_another_process() -> None:
    """A worker that reads a scenario sends its refusal by pickling."""
    error = InvalidSettings("mean: missing", "scv: missing")
    arrived = pickle.loads(pickle.dumps(error))
    assert arrived.faults == error.faults
    assert str(arrived) == "mean: missing; scv: missing"
