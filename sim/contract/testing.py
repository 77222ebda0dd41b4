"""The contract as a pytest class: a test for each clause."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import Parameter, isfunction, signature
from typing import Any, ClassVar
from unittest import SkipTest

from sim.contract.suite import CLAUSES, Clause, Examination
from sim.contract.trial import Extent


class ContractTests:
    """Tests that hold a simulator against every clause of the contract.

    A test file derives a class whose name begins with `Test` and says what is built:

        class TestClinic(ContractTests):
            build = Clinic

    `build` is a class, a function without arguments or a method. How much is looked at may be set
    as well, as in `check_simulator`.
    """

    build: ClassVar[Callable[..., Any]]
    seeds: ClassVar[Iterable[int]] = (1, 2)
    epochs: ClassVar[int] = 2000
    repeated: ClassVar[int] = 60
    fresh_process: ClassVar[bool] = False

    _examination: ClassVar[Examination | None] = None

    def __init_subclass__(cls) -> None:
        cls._examination = None
        given = cls.__dict__.get("build")
        if isfunction(given) and not _takes_self(given):
            cls.build = staticmethod(given)

    def _check(self, clause: Clause) -> None:
        kind = type(self)
        if kind._examination is None:
            extent = Extent(
                seeds=tuple(self.seeds), epochs=self.epochs, repeated=self.repeated,
                fresh_process=self.fresh_process,
            )  # fmt: skip
            kind._examination = Examination(self.build, extent)
        check = kind._examination.check(clause.name)
        if check.outcome == "skipped":
            raise SkipTest(check.detail)
        assert check.passed, f"{check.claim} But {check.detail}"


def _takes_self(function: Callable[..., Any]) -> bool:
    needed = [p for p in signature(function).parameters.values() if p.default is Parameter.empty]
    return bool(needed)


def _test_of(clause: Clause) -> Callable[[ContractTests], None]:
    def test(self: ContractTests) -> None:
        self._check(clause)

    test.__name__, test.__doc__ = f"test_{clause.name}", clause.claim
    return test


for _clause in CLAUSES:
    setattr(ContractTests, f"test_{_clause.name}", _test_of(_clause))
