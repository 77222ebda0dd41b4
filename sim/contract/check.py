"""What a check says: a claim, whether it holds, and what was seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sim.errors import SurrogymError

Outcome = Literal["passed", "noted", "skipped", "failed"]
"""`noted` holds and is worth a look; `skipped` does not apply, or could not be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one check came out."""

    outcome: Outcome
    detail: str = ""
    """The value that was seen, and the way out where something is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One claim about a simulator, and how it came out."""

    name: str
    claim: str
    outcome: Outcome
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.outcome != "failed"


class ContractBroken(SurrogymError):
    """A simulator breaks one or more clauses of the contract."""

    @property
    def broken(self) -> tuple[str, ...]:
        """Every broken clause, as `name: what was seen`."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "the simulator breaks its contract:\n" + "\n".join(f"  {one}" for one in self.broken)


def holds(detail: str = "") -> Verdict:
    """The claim holds."""
    return Verdict(outcome="passed", detail=detail)


def noted(detail: str) -> Verdict:
    """The claim holds, and there is something that its author should know."""
    return Verdict(outcome="noted", detail=detail)


def skipped(detail: str) -> Verdict:
    """The claim does not apply."""
    return Verdict(outcome="skipped", detail=detail)


def fails(detail: str) -> Verdict:
    """The claim does not hold."""
    return Verdict(outcome="failed", detail=detail)


def first_fault(faults: Iterable[str | None], otherwise: str = "") -> Verdict:
    """The claim fails with the first fault there is, else it holds."""
    found = next((fault for fault in faults if fault), None)
    return holds(otherwise) if found is None else fails(found)


def listed(names: Iterable[str], most: int = 8) -> str:
    """Names in a message; many are cut short."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def plural(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
