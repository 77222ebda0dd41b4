"""A simulator that breaks a clause of the contract is told which, where and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest

from sim.arrivals import PoissonArrivals
from sim.contract import (
    CLAUSES,
    Check,
    ContractBroken,
    ContractTests,
    assert_contract,
    check_simulator,
)
from sim.contract.suite import Examination
from sim.contract.trial import Extent
from sim.customers import CustomerClass, Route
from sim.description import Lever
from sim.distributions import Exponential, Lognormal
from sim.epoch import Parameter
from sim.errors import InvalidSystem
from sim.routing import Dispatcher, Room
from sim.servers import Pool, ServerTeam
from sim.system import System
from tests.sim import faulty
from tests.systems import MakeSimulator, unchecked


def network() -> System:
    """Two rooms with a door each, and a second stage with priorities; every event is a decision."""
    return System(
        name="network",
        arrivals={"door": PoissonArrivals(rate=1.5), "express": PoissonArrivals(rate=0.3)},
        classes=(
            CustomerClass(name="left", service=Exponential(mean=1.0), routes=(Route(to="check"),)),
            CustomerClass(
                name="right",
                service=Exponential(mean=1.2),
                routes=(Route(to="check", probability=0.5),),
            ),
            CustomerClass(name="check", service=Exponential(mean=0.4)),
            CustomerClass(
                name="express",
                service=Lognormal(mean=0.5, scv=1.5),
                patience=Exponential(mean=2.0),
            ),
        ),
        pools=(
            Pool(name="first", shifts=((0.0, 1.0),)),
            Pool(name="second", shifts=((0.0, 1.0),)),
            Pool(
                name="desk",
                shifts=((0.0, 1.0),),
                preemption="resume",
                order="who_first",
                orders=(("checks", "fast"), ("fast", "checks")),
            ),
        ),
        teams=(
            ServerTeam(name="at_left", pool="first", serves="left"),
            ServerTeam(name="at_right", pool="second", serves="right"),
            ServerTeam(name="checks", pool="desk", serves="check"),
            ServerTeam(name="fast", pool="desk", serves="express"),
        ),
        dispatchers=(
            Dispatcher(name="door", to=("left", "right"), rule="decision", lever="which_way"),
        ),
        rooms=(
            Room(name="small", places=3, classes=("left",)),
            Room(name="large", places=9, classes=("right",)),
        ),
        levers=(
            Lever(name="which_way", levels=(0.0, 1.0), decides="route"),
            Lever(name="who_first", levels=(0.0, 1.0), decides="order"),
        ),
        parameters=(
            Parameter(name="arrival_scale", unit="factor", low=0.5, high=1.5, nominal=1.0),
        ),
        events=400,
        measures=("wait", "present", "busy", "on"),
    )


def told(build: Callable[[], Any], **extent: Any) -> dict[str, Check]:
    """Every check by its name; shapes are looked at by the contract alone, as in a user's hands."""
    with unchecked():
        return {check.name: check for check in check_simulator(build, **extent)}


@pytest.mark.parametrize(
    "build",
    [faulty.Till, MakeSimulator(), MakeSimulator(network())],
    ids=["till", "small centre", "event-driven network"],
)
def test_a_sound_simulator_keeps_every_clause(build: Callable[[], Any]) -> None:
    """A contract that sound simulators break would be switched off by the first user."""
    checks = told(build, fresh_process=True).values()
    assert [check for check in checks if check.outcome in ("failed", "noted")] == []
    skipped = {check.name for check in checks if check.outcome == "skipped"}
    assert skipped == ({"flow_balance"} if build is faulty.Till else set())


def test_a_sound_simulator_raises_nothing() -> None:
    """The one line for those who use no pytest."""
    assert_contract(faulty.Till)


BROKEN = [
    (faulty.Unbuildable, "description", ["cannot be built", "OSError: licence server not found"]),
    (faulty.WithoutAdvance, "description", ["WithoutAdvance lacks advance"]),
    (faulty.DescribedByDict, "description", ["gave a dict: give a sim.Description"]),
    (faulty.ChangesItsLevers, "description", ["changed its levers with a reset"]),
    (faulty.ResetFails, "first_state", ["reset(seed=1) raised KeyError: 'ward' (faulty.py, line"]),
    (
        faulty.ResetTooShort,
        "first_state",
        ["a state of shape (2,), expected (3,): queue, backlog, epoch"],
    ),
    (faulty.ResetGivesNaN, "first_state", ["'queue' is nan"]),
    (
        faulty.AdvanceFails,
        "epochs",
        ["advance([3.0]) in epoch 3 raised ZeroDivisionError", "faulty.py, line"],
    ),
    (faulty.AdvanceGivesDict, "epochs", ["in epoch 1 gave a dict: give sim.Epoch(state="]),
    (
        faulty.StateIsNamed,
        "epochs",
        ["a state as a dict with the undeclared mood", "of queue, backlog, epoch"],
    ),
    (faulty.StateIsList, "epochs", ["a state as a list: give a vector, np.array([...]"]),
    (faulty.StateIsWhole, "first_state", ["a state of dtype int64", "dtype=float"]),
    (
        faulty.OutputsTooMany,
        "epochs",
        ["outputs of shape (3,), expected (2,): came, wait; 1 undeclared"],
    ),
    (faulty.OutputsAsColumn, "epochs", ["outputs of shape (2, 1), expected (2,): came, wait"]),
    (faulty.DurationMissing, "epochs", ["a duration that is None: give minutes as a float"]),
    (faulty.EndIsNumber, "epochs", ["is_last = 0: give True or False"]),
    (faulty.WaitIsNaN, "finite_numbers", ["seed 1, epoch 3, outputs: 'wait' is nan"]),
    (faulty.QueueIsNegative, "whole_counts", ["epoch 2, state: 'queue' is -1", "is_count=False"]),
    (faulty.HalfCustomers, "whole_counts", ["epoch 1, state: 'queue' is", ".5; a count is whole"]),
    (faulty.TimeGoesBack, "time", ["epoch 1 lasted -10 minutes: time cannot go back"]),
    (faulty.TimeStandsStill, "time", ["lasted 0 minutes (time stands still), 10 by the boundar"]),
    (faulty.TooFast, "time", ["epoch 1 lasted 12 minutes, 10 by the boundaries"]),
    (faulty.NeverMoves, "time", ["5 epochs lasted 0 minutes in all: time stands still"]),
    (faulty.NeverEnds, "end", ["epoch 5 of 5 had is_last=False"]),
    (faulty.AdvancesUnprepared, "turns", ["advance before any reset was accepted"]),
    (faulty.AdvancesAfterTheEnd, "turns", ["advance after the last epoch was accepted"]),
    (faulty.DislikesALevel, "levels", ["lever 'tills' at 16, which is offered: KeyError: 16"]),
    (faulty.TakesAnyLevel, "other_levels", ["lever 'tills' at nan (a whole number, 0 or more)"]),
    (faulty.TakesAnyShape, "other_levels", ["a decision of 2 numbers for 1 lever was accepted"]),
    (
        faulty.FailsInARush,
        "parameters",
        ["under {'rush': 2.0} raised ZeroDivisionError"],
    ),
    (faulty.NegativeInARush, "parameters", ["under {'rush': 2.0} 'came' is -"]),
    (
        faulty.TakesAnyParameter,
        "other_parameters",
        ["parameter 'no_such_parameter' at 1 was accepted"],
    ),
    (faulty.TakesNaNParameter, "other_parameters", ["parameter 'rush' at nan was accepted"]),
    (faulty.SmallSeedsOnly, "seeds", ["reset(seed=2147483647) raised OverflowError"]),
    (faulty.KeepsItsQueue, "same_object", ["differs first in the first state, state 'queue'"]),
    (faulty.DependsOnTheObject, "second_object", ["differs first in epoch 1, state 'queue'"]),
    (faulty.SharesItsRandomness, "objects_in_turn", ["global random generator"]),
    (faulty.DependsOnTheProcess, "fresh_process", ["differs first in epoch 1, state 'queue'"]),
    (faulty.ReusesItsState, "own_arrays", ["the state that reset(seed=1) returned changed later"]),
    (faulty.BelievesItsCaller, "callers_arrays", ["differs first in epoch 1, state 'queue'"]),
    (faulty.MayDoNothing, "feasible_decisions", ["feasible() allows nothing in state"]),
    (faulty.MasksOneStateOnly, "feasible_decisions", ["feasible() gave shape (3,), bool"]),
    (
        faulty.LosesCustomers,
        "flow_balance",
        ["seed 1, epoch 3: 'call_waiting' is", "by what it was and its flows"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "clause", "fragments"), BROKEN, ids=lambda x: getattr(x, "__name__", None)
)
def test_a_broken_clause_is_told_with_what_was_seen(
    build: type, clause: str, fragments: list[str]
) -> None:
    """Whoever wrote an adapter has to find the line to mend from this message alone."""
    extent = Extent(fresh_process=clause == "fresh_process")
    with unchecked():
        check = Examination(build, extent).check(clause)
    assert check.outcome == "failed", check
    for fragment in fragments:
        assert fragment in check.detail


def test_every_clause_is_broken_by_some_simulator() -> None:
    """A clause that nothing can break says nothing."""
    assert {clause for _, clause, _ in BROKEN} == {clause.name for clause in CLAUSES}


@pytest.mark.parametrize(
    ("build", "clause", "fragment"),
    [
        (faulty.IgnoresTheSeed, "seeds", "seeds 1 and 2 give the same episode"),
        (faulty.IgnoresTheRush, "parameters", "between the bounds of rush: is it used?"),
        (faulty.StumblesBeforeReset, "turns", "only stumbles: AttributeError"),
    ],
)
def test_what_may_be_meant_is_noted_and_passes(build: type, clause: str, fragment: str) -> None:
    """A deterministic model is a simulator too; its author should only know that it is taken so."""
    check = told(build)[clause]
    assert check.outcome == "noted"
    assert check.passed
    assert fragment in check.detail


def test_what_stands_on_a_broken_clause_is_not_looked_at() -> None:
    """Twenty complaints with one cause would hide the cause."""
    checks = told(faulty.ResetTooShort)
    assert [name for name, check in checks.items() if check.outcome == "failed"] == ["first_state"]
    assert checks["time"].outcome == "skipped"
    assert "before 'epochs' is mended" in checks["time"].detail


def test_every_broken_clause_is_raised_at_once() -> None:
    """Mending one fault only to meet the next takes a run for each."""

    class TwoFaults(faulty.TooFast, faulty.ReusesItsState):
        pass

    with pytest.raises(ContractBroken) as caught, unchecked():
        assert_contract(TwoFaults)
    assert [fault.partition(":")[0] for fault in caught.value.broken] == ["time", "own_arrays"]
    assert "12 minutes" in str(caught.value)
    assert "own_arrays: the state that" in str(caught.value)


def test_a_long_episode_is_looked_at_as_far_as_asked() -> None:
    """An event-driven model may run for a million epochs; an end not seen is not claimed."""
    check = told(MakeSimulator(network()), epochs=50)["end"]
    assert (check.outcome, check.detail) == ("skipped", "looked at 50 of 400 epochs only")


def test_a_recipe_that_cannot_travel_is_told_the_way_out() -> None:
    """A lambda works in one process and fails on the first worker."""
    check = told(lambda: faulty.Till(), fresh_process=True)["fresh_process"]
    assert check.outcome == "failed"
    assert "cannot be run in another process" in check.detail
    assert "a class or a function of a module" in check.detail


@pytest.mark.parametrize("seeds", [(1,), (1, 1), (-1, 2)])
def test_a_single_episode_is_refused(seeds: tuple[int, ...]) -> None:
    """Whether seeds matter cannot be seen from one."""
    with pytest.raises(InvalidSystem, match="give two or more different ones"):
        check_simulator(faulty.Till, seeds=seeds)


def test_three_lines_give_a_test_for_each_clause(tmp_path: Path) -> None:
    """What the documentation promises, run as a user would in a folder of their own."""
    lines = (
        "from sim.contract import ContractTests",
        "from tests.sim.faulty import TooFast",
        "class TestMine(ContractTests): build = TooFast",
    )
    (tmp_path / "test_mine.py").write_text("\n".join(lines))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert f"1 failed, {len(CLAUSES) - 3} passed, 2 skipped" in ended.stdout
    assert "FAILED test_mine.py::TestMine::test_time" in ended.stdout
    assert "epoch 1 lasted 12 minutes, 10 by the boundaries" in ended.stdout


def _build_too_fast() -> faulty.Till:
    return faulty.TooFast()


def test_the_pytest_class_builds_by_a_function_or_a_method_too() -> None:
    """What a user has to build with is rarely a bare class."""

    class ByFunction(ContractTests):
        build = _build_too_fast

    class ByMethod(ContractTests):
        minutes = 11.0

        def build(self) -> faulty.Till:
            till = faulty.Till()
            till.minutes = self.minutes
            return till

    for tests, minutes in ((ByFunction(), 12), (ByMethod(), 11)):
        with pytest.raises(AssertionError, match=f"epoch 1 lasted {minutes} minutes"), unchecked():
            getattr(tests, "test_time")()  # noqa: B009


def test_the_pytest_class_has_a_test_for_each_clause() -> None:
    """One test a clause, so that pytest's own report is the table."""
    tests = {name for name in dir(ContractTests) if name.startswith("test_")}
    assert tests == {f"test_{clause.name}" for clause in CLAUSES}


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.name)
def test_the_pytest_class_fails_where_the_contract_is_broken(clause: Any) -> None:
    """The class must not pass what the function refuses."""

    class TestTooFast(ContractTests):
        build = faulty.TooFast

    test = getattr(TestTooFast(), f"test_{clause.name}")
    if clause.name == "time":
        with pytest.raises(AssertionError, match="epoch 1 lasted 12 minutes"):
            test()
    elif clause.name in ("flow_balance", "fresh_process"):
        with pytest.raises(SkipTest):
            test()
    else:
        test()
