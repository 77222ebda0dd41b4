"""Rules of thumb that a policy must beat, from a constant split to a tuned adaptive rule.

Each is a `Controller`: it decides from states, without Ray or a network. `ConstantRule` and
`LinearRule` decide for any simulator. The staffing rules are for two-tier centres with a lever
that moves tier 1 to a class without arrivals of its own and a lever that moves tier 2 to the
phones; `CentreFacts` names those parts of a system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from sim.description import Description, SystemDescription
from sim.errors import InvalidSystem
from sim.parameters import HANDLE_TIME, PATIENCE, Scales
from sim.system import System
from surrogates.design import RoughView

_WEIGHTS = (-4.0, 4.0)
"""Bounds of a weight: at 4 one unit on a logarithmic scale moves a lever nearly all the way."""
_RULES_FOR_ALL = "ConstantRule and LinearRule decide for any simulator"


@runtime_checkable
class Controller(Protocol):
    """Anything that decides: a rule or a trained policy."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The number of the joint choice for each state."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantRule:
    """The same joint choice all day."""

    choice: int
    name: str = "constant"

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """Always the choice."""
        return np.full(len(states), self.choice)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearRule:
    """Sets each lever higher or lower as a weighted sum of what is seen rises.

    With two levels this is a threshold on a line; tuned, it is the rule of thumb for a simulator
    of which nothing else is known.
    """

    view: RoughView
    weights: Float[np.ndarray, "lever input_and_one"]
    """By lever: a weight for each input, then the offset."""
    sizes: tuple[int, ...]
    """Levels of each lever."""
    name: str = "linear rule (tuned)"

    @classmethod
    def box(cls, description: Description) -> dict[str, tuple[float, float]]:
        """Bounds of the search, one for each weight."""
        inputs = (*RoughView(description).names, "offset")
        return {
            f"{lever}: {name}": _WEIGHTS for lever in description.lever_names for name in inputs
        }

    @classmethod
    def from_values(
        cls, description: Description, values: dict[str, float], name: str = "linear rule (tuned)"
    ) -> LinearRule:
        """The rule of a point in the box."""
        view = RoughView(description)
        weights = np.array(list(values.values())).reshape(len(description.levers), -1)
        sizes = tuple(len(lever.levels) for lever in description.levers)
        return cls(view=view, weights=weights, sizes=sizes, name=name)

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """By lever the level at the share of the way up that the sum says."""
        seen = self.view(states)
        choice = np.zeros(len(states), dtype=int)
        for weights, size in zip(self.weights, self.sizes, strict=True):
            share = expit(seen @ weights[:-1] + weights[-1])
            choice = choice * size + np.minimum((share * size).astype(int), size - 1)
        return choice


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreFacts:
    """Means and positions that staffing rules need, under believed parameters."""

    description: SystemDescription
    parameters: Float[np.ndarray, "parameter"]
    handle_minutes: Float[np.ndarray, "tier"]
    """Mean work of a call, an escalation and a case, in minutes."""
    route_shares: tuple[float, float]
    """Share of calls that escalate, and share that leave a case."""
    patience_minutes: tuple[float, float]
    """Mean patience of calls and of escalations."""
    helper_speed: float
    """Work a specialist does on the phones, relative to tier 1."""

    @classmethod
    def of(cls, system: System, parameters: Float[np.ndarray, "parameter"]) -> CentreFacts:
        """Read them off a two-tier system; refuses systems of another shape."""
        if len(system.classes) != 3 or len(system.levers) != 2 or len(system.teams) != 4:
            raise InvalidSystem(
                f"system {system.name!r} is no two-tier centre: staffing rules need three classes, "
                f"four teams and two levers; {_RULES_FOR_ALL}"
            )
        if system.is_event_driven or tuple(system.arrivals) != (system.classes[0].name,):
            raise InvalidSystem(
                f"system {system.name!r}: staffing rules need epochs of known length, and arrivals "
                f"to the first class alone; {_RULES_FOR_ALL}"
            )
        if set(system.rosters) != {"tier1", "tier2"} or system.teams[1].lever != "on_follow_ups":
            raise InvalidSystem(
                f"system {system.name!r}: staffing rules need pools tier1 and tier2, and teams in "
                "the order of the bank scenario, the second sized by lever on_follow_ups; "
                f"{_RULES_FOR_ALL}"
            )
        description = system.describe()
        scales = Scales(description.parameter_values(parameters))
        call, escalation, case = system.classes
        shares = {route.to: route.probability for route in call.routes}
        helper = next(t for t in system.teams if t.lever and t.serves == call.name)
        patience = [
            c.patience.mean * scales.of(PATIENCE, c.name) if c.patience else np.inf
            for c in (call, escalation)
        ]
        return cls(
            description=description,
            parameters=parameters,
            handle_minutes=np.array(
                [c.service.mean * scales.of(HANDLE_TIME, c.name) for c in system.classes]
            ),
            route_shares=(shares.get(escalation.name, 0.0), shares.get(case.name, 0.0)),
            patience_minutes=(patience[0], patience[1]),
            helper_speed=helper.speed,
        )

    def known(
        self, states: Float[np.ndarray, "batch state"], ahead: int = 0
    ) -> dict[str, Float[np.ndarray, "batch"]]:
        """Calendar columns at each state's epoch, or later ones, by name."""
        days, epochs = states[:, -2].astype(int), states[:, -1].astype(int) + ahead
        beliefs = np.broadcast_to(self.parameters, (len(states), len(self.parameters)))
        rows = self.description.known_ahead(days, epochs, beliefs)
        return {name: rows[:, i] for i, name in enumerate(self.description.calendar.columns)}

    def column(
        self, states: Float[np.ndarray, "batch state"], name: str
    ) -> Float[np.ndarray, "batch"]:
        """One state component by name."""
        return np.asarray(states[:, self.description.state_names.index(name)])

    def minutes(self, states: Float[np.ndarray, "batch state"]) -> Float[np.ndarray, "batch"]:
        """Duration of each state's epoch."""
        return np.asarray(self.description.durations[states[:, -1].astype(int)])

    def remaining_minutes(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float[np.ndarray, "batch"]:
        """Minutes from each state to the close."""
        edges = np.asarray(self.description.boundaries)
        return np.asarray(edges[-1] - edges[states[:, -1].astype(int)])

    def nearest_choice(self, shares: Float[np.ndarray, "batch lever"]) -> Int[np.ndarray, "batch"]:
        """The joint choice nearest to wanted shares, lever by lever."""
        choice = np.zeros(len(shares), dtype=int)
        for position, lever in enumerate(self.description.levers):
            levels = np.asarray(lever.levels)
            nearest = np.abs(shares[:, position, None] - levels).argmin(axis=1)
            choice = choice * len(levels) + nearest
        return choice


def square_root_need(load: Float[np.ndarray, "batch"], safety: float) -> Float[np.ndarray, "batch"]:
    """Agents for an offered load in erlangs: load + safety x sqrt(load) (Halfin and Whitt 1981)."""
    positive = np.maximum(load, 0.0)
    return np.asarray(positive + safety * np.sqrt(positive))


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareRootRule:
    """Standard practice: staff the forecast by the square-root rule, move whoever is spare."""

    facts: CentreFacts
    safety: float = 0.5
    name: str = "square-root on forecast"

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """Spare tier 1 work on cases, spare specialists help on the phones."""
        facts, known = self.facts, self.facts.known(states)
        rate = known["expected_arrivals"] / facts.minutes(states)
        call, escalation, _ = facts.handle_minutes
        need1 = square_root_need(rate * call, self.safety)
        need2 = square_root_need(rate * facts.route_shares[0] * escalation, self.safety)
        spare1 = (known["tier1"] - need1) / known["tier1"]
        spare2 = (known["tier2"] - need2) / known["tier2"]
        return facts.nearest_choice(np.column_stack([spare1, spare2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveSettings:
    """What the adaptive rule is tuned in; the bounds of the search are in `ADAPTIVE_BOX`."""

    call_safety: float = 0.5
    """Square-root safety on the phones."""
    escalation_safety: float = 0.5
    """Square-root safety at tier 2."""
    day_weight: float = 2000.0
    """Customers' worth of trust in the forecast against today's count."""
    recent_weight: float = 0.5
    """Share of the last epoch's surprise that is expected to persist."""
    backlog_pace: float = 1.0
    """Pace of the backlog, relative to finishing it evenly by close."""
    future_cases: float = 0.5
    """Share of the cases yet to come that the pace already counts."""
    queue_relief: float = 0.5
    """Share of waiting customers counted as extra load in the coming epoch."""
    most_on_cases: float = 0.4
    """Largest share of tier 1 ever put on cases by the pace alone."""


ADAPTIVE_BOX: dict[str, tuple[float, float]] = {
    "call_safety": (-2.0, 2.0),
    "escalation_safety": (-2.0, 3.0),
    "day_weight": (100.0, 20_000.0),
    "recent_weight": (0.0, 1.0),
    "backlog_pace": (0.0, 2.0),
    "future_cases": (0.0, 1.0),
    "queue_relief": (0.0, 2.0),
    "most_on_cases": (0.05, 0.4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveSquareRootRule:
    """Square-root staffing that re-estimates the day factor and paces the backlog to the close."""

    facts: CentreFacts
    settings: AdaptiveSettings
    name: str = "adaptive square-root (tuned)"

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """Cases get whoever is spare, or what the backlog's pace asks for, if that is more."""
        facts, s, known = self.facts, self.settings, self.facts.known(states)
        minutes = facts.minutes(states)
        factor = self._day_factor(states, known)
        call, escalation, case = facts.handle_minutes
        queue = s.queue_relief * facts.column(states, "call_waiting") / minutes
        rate = known["expected_arrivals"] / minutes * factor + queue
        need1 = square_root_need(rate * call, s.call_safety)
        waiting2 = s.queue_relief * facts.column(states, "escalation_waiting") / minutes
        rate2 = rate * facts.route_shares[0] + waiting2
        need2 = square_root_need(rate2 * escalation, s.escalation_safety)
        spare2 = np.clip(known["tier2"] - need2, 0.0, None)
        helpers = facts.description.levers[1].levels[-1] * known["tier2"]
        helped = np.minimum(spare2, helpers) * facts.helper_speed
        spare1 = known["tier1"] + helped - need1
        pace = self._pace(states, known, factor) * case
        wanted = np.maximum(spare1, np.minimum(pace, s.most_on_cases * known["tier1"]))
        # Agents on cases when none are left would stand idle.
        backlog = facts.column(states, "follow_up_waiting") * case / minutes
        coming = known["expected_arrivals"] * factor * facts.route_shares[1] * case / minutes
        wanted = np.minimum(wanted, backlog + coming)
        return facts.nearest_choice(
            np.column_stack([wanted / known["tier1"], spare2 / known["tier2"]])
        )

    def _day_factor(
        self, states: Float[np.ndarray, "batch state"], known: dict[str, Float[np.ndarray, "batch"]]
    ) -> Float[np.ndarray, "batch"]:
        s, facts = self.settings, self.facts
        so_far = facts.column(states, "arrived_so_far")
        day = (so_far + s.day_weight) / (known["expected_so_far"] + s.day_weight)
        expected = known["expected_last"]
        last = facts.column(states, "arrived_last") / np.maximum(expected * day, 1.0)
        surprise = np.where(expected > 0, last - 1.0, 0.0)
        factor: Float[np.ndarray, "batch"] = day * (1.0 + s.recent_weight * surprise)
        return factor

    def _pace(
        self,
        states: Float[np.ndarray, "batch state"],
        known: dict[str, Float[np.ndarray, "batch"]],
        factor: Float[np.ndarray, "batch"],
    ) -> Float[np.ndarray, "batch"]:
        """Cases to finish per minute."""
        facts, s = self.facts, self.settings
        total = facts.description.calendar.column("expected_arrivals").sum(axis=1)
        ahead = total[states[:, -2].astype(int)] - known["expected_so_far"]
        coming = s.future_cases * ahead * factor * facts.route_shares[1]
        backlog = facts.column(states, "follow_up_waiting") + coming
        pace: Float[np.ndarray, "batch"] = (
            s.backlog_pace * backlog / facts.remaining_minutes(states)
        )
        return pace
