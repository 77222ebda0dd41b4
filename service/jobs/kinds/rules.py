"""The rules of thumb that policies are evaluated beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from service.jobs.specs import EvaluateSpec
from service.jobs.work import Work
from sim.errors import InvalidSystem
from surrogates.fluid import FluidModel
from training.forms import RecordForm
from training.heuristics import (
    ADAPTIVE_BOX,
    AdaptiveSettings,
    AdaptiveSquareRootRule,
    CentreFacts,
    ConstantRule,
    Controller,
    LinearRule,
    SquareRootRule,
)
from training.lookahead import FluidLookAheadRule
from training.search import SideBySide, search_rule

_CONSTANTS = 5
_ROUNDS, _CANDIDATES, _DAYS = 4, 48, 32
ADAPTIVE, FLUID, LINEAR = "adaptive square-root", "fluid look-ahead", "linear rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """A rule at the point that a search on a surrogate found."""

    values: dict[str, float]

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {"values": self.values}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Tuned:
        """Rebuild from a record."""
        return cls(values={name: float(value) for name, value in record["values"].items()})


def rules_for(work: Work[EvaluateSpec]) -> list[Controller]:
    """The trade's rules where they fit, else general ones; one is tuned where a surrogate is."""
    facts = _centre_facts(work)
    tuned = _tuned(work, facts)
    rules: list[Controller] = [*_constants(work)]
    if facts is not None:
        settings = AdaptiveSettings(**({} if tuned is None else tuned))
        rules += [SquareRootRule(facts=facts), _adaptive(facts, settings), _fluid(work, facts)]
    elif tuned is not None:
        rules.append(LinearRule.from_values(work.subject.description, tuned, LINEAR))
    return rules


def _centre_facts(work: Work[EvaluateSpec]) -> CentreFacts | None:
    """What the trade's rules need; None where the system has another shape."""
    system = work.subject.system
    if system is None:
        return None
    try:
        return CentreFacts.of(system, work.subject.description.nominal)
    except InvalidSystem:
        return None


def _tuned(work: Work[EvaluateSpec], facts: CentreFacts | None) -> dict[str, float] | None:
    spec, description = work.spec, work.subject.description
    if spec.surrogate is None:
        return None

    def build(values: dict[str, float]) -> Controller:
        if facts is not None:
            return _adaptive(facts, AdaptiveSettings(**values))
        return LinearRule.from_values(description, values, LINEAR)

    def search() -> Tuned:
        problem = work.plant.imagined(work.surrogate("surrogate"))
        found = search_rule(
            build,
            LinearRule.box(description) if facts is None else ADAPTIVE_BOX,
            SideBySide(problem=problem, days=_DAYS, seed=spec.seed),
            rounds=_ROUNDS,
            candidates=_CANDIDATES,
            seed=spec.seed,
            on_progress=lambda tried, _: work.journal.at(tried / _ROUNDS / _CANDIDATES),
        )
        return Tuned(values=found.values)

    return work.journal.step("rules", search, RecordForm(from_record=Tuned.from_record)).values


def _constants(work: Work[EvaluateSpec]) -> list[ConstantRule]:
    """A few joint choices over the whole range."""
    last = len(work.subject.description.decisions) - 1
    choices = np.unique(np.linspace(0, last, min(_CONSTANTS, last + 1)).round().astype(int))
    return [ConstantRule(choice=choice, name=f"constant {choice}") for choice in choices.tolist()]


def _adaptive(facts: CentreFacts, settings: AdaptiveSettings) -> AdaptiveSquareRootRule:
    return AdaptiveSquareRootRule(facts=facts, settings=settings, name=ADAPTIVE)


def _fluid(work: Work[EvaluateSpec], facts: CentreFacts) -> FluidLookAheadRule:
    system = work.subject.system
    assert system is not None
    model = FluidModel(system, {})
    return FluidLookAheadRule(facts=facts, model=model, objective=work.plant.objective, name=FLUID)
