"""The contract: every clause in the order in which it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim.contract import conduct, form, repeats, structure
from sim.contract.check import Check, ContractBroken, Verdict, skipped
from sim.contract.run import attempt
from sim.contract.trial import Build, Extent, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One thing that every simulator must satisfy."""

    name: str
    examine: Callable[[Trial], Verdict]
    needs: tuple[str, ...] = ("epochs",)
    """Clauses without which this one cannot be looked at."""

    @property
    def claim(self) -> str:
        """What holds, in one sentence."""
        return (self.examine.__doc__ or "").replace("`", "")


CLAUSES = (
    Clause(name="description", examine=form.describe, needs=()),
    Clause(name="first_state", examine=form.reset, needs=("description",)),
    Clause(name="epochs", examine=form.advance, needs=("description", "first_state")),
    Clause(name="finite_numbers", examine=form.finite),
    Clause(name="whole_counts", examine=form.counts),
    Clause(name="time", examine=form.time),
    Clause(name="end", examine=form.end),
    Clause(name="turns", examine=conduct.turns),
    Clause(name="levels", examine=conduct.levels),
    Clause(name="other_levels", examine=conduct.other_levels),
    Clause(name="parameters", examine=conduct.parameters),
    Clause(name="other_parameters", examine=conduct.other_parameters),
    Clause(name="seeds", examine=conduct.seeds),
    Clause(name="same_object", examine=repeats.again),
    Clause(name="second_object", examine=repeats.apart),
    Clause(name="objects_in_turn", examine=repeats.in_turn),
    Clause(name="fresh_process", examine=repeats.elsewhere),
    Clause(name="own_arrays", examine=repeats.kept),
    Clause(name="callers_arrays", examine=repeats.untouched),
    Clause(name="feasible_decisions", examine=structure.feasible),
    Clause(name="flow_balance", examine=structure.flow_balance),
)


class Examination:
    """The clauses applied to one kind of simulator, each at most once."""

    def __init__(self, build: Build, extent: Extent) -> None:
        self._trial = Trial(build, extent)
        self._found: dict[str, Check] = {}

    def check(self, name: str) -> Check:
        """How one clause came out, after those that it needs."""
        if name not in self._found:
            clause = next(clause for clause in CLAUSES if clause.name == name)
            verdict = self._verdict(clause)
            self._found[name] = Check(
                name=name, claim=clause.claim, outcome=verdict.outcome, detail=verdict.detail
            )
        return self._found[name]

    def _verdict(self, clause: Clause) -> Verdict:
        for needed in clause.needs:
            if self.check(needed).outcome != "passed":
                return skipped(f"cannot be looked at before {needed!r} is mended")
        verdict, fault = attempt(lambda: clause.examine(self._trial))
        return Verdict(outcome="failed", detail=fault) if fault else verdict


def check_simulator(
    build: Build,
    *,
    seeds: Iterable[int] = (1, 2),
    epochs: int = 2000,
    repeated: int = 60,
    fresh_process: bool = False,
) -> tuple[Check, ...]:
    """Hold a simulator against every clause of the contract.

    `build` makes a fresh simulator, such as its class. An episode of each seed is looked at, up to
    so many epochs, and the beginning of the first is run again in several ways to be compared.
    With `fresh_process`, `build` is pickled and run in another process too. Nothing is raised for
    a broken clause.
    """
    extent = Extent(
        seeds=tuple(seeds), epochs=epochs, repeated=repeated, fresh_process=fresh_process
    )
    examination = Examination(build, extent)
    return tuple(examination.check(clause.name) for clause in CLAUSES)


def assert_contract(
    build: Build,
    *,
    seeds: Iterable[int] = (1, 2),
    epochs: int = 2000,
    repeated: int = 60,
    fresh_process: bool = False,
) -> None:
    """Raise ContractBroken with every broken clause at once; see `check_simulator`."""
    checks = check_simulator(
        build, seeds=seeds, epochs=epochs, repeated=repeated, fresh_process=fresh_process
    )
    broken = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
    if broken:
        raise ContractBroken(*broken)
