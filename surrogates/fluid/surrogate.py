"""The fluid surrogate: an analytic mean, and noise as large as what it misses.

Of the system it needs the structure only; its rates of service, abandonment and routing, and how
they move with the parameters, are a handful of log-linear regressions on the data. The mean of an
epoch is what `fluid` makes of these rates and of the arrivals drawn. Around it every free number
has the marginal error of the training data, on square roots, where a Poisson count has an even
spread. Low in fidelity on purpose: it knows no queue below capacity and needs hardly any data.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float

from sim.description import Description, SystemDescription
from surrogates.coordinates.balance import FlowBalance, obstacle_to_balance
from surrogates.dataset import Transitions, refuse_unusable
from surrogates.errors import InvalidDataset
from surrogates.fluid.model import FluidRates, flow_on
from surrogates.interface import Epochs
from surrogates.progress import Progress
from surrogates.settled import settled_log_prob

_NEVER = -30.0
"""Log rate of what was never seen."""
_STEPS = 6
"""Short steps in an epoch."""
_WEIGHTS = (20.0, 100.0, 500.0, 4000.0, 1e9)
"""Customers' worth of trust in the calendar against today's count, of which the best is taken."""
_NEWTON_STEPS = 25
_PRIOR = 1.0
"""Prior precision of an elasticity, which keeps those that nothing moves at 0."""
Column = Float[np.ndarray, "batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """Where a system's classes are among its stocks, flows and teams."""

    queue: tuple[int, ...]
    """The stock of those who wait, by class."""
    busy: tuple[tuple[int, ...], ...]
    """The stocks of those in service."""
    teams: tuple[tuple[int, ...], ...]
    abandoned: tuple[tuple[int, ...], ...]
    """Flows of those who give up."""
    done: tuple[tuple[int, ...], ...]
    """Flows out of service."""

    @classmethod
    def of(cls, system: SystemDescription) -> Classes:
        """Classes in the order of their queues."""
        stocks, flows = system.stocks, tuple(enumerate(system.flows))
        names = [stock.name for stock in stocks]
        queues = [i for i, stock in enumerate(stocks) if stock.team is None]
        teams = [
            tuple(i for i, team in enumerate(system.teams) if team.queue == names[queue])
            for queue in queues
        ]
        busy = [tuple(names.index(f"{system.teams[i].name}_busy") for i in mine) for mine in teams]
        return cls(
            queue=tuple(queues),
            busy=tuple(busy),
            teams=tuple(teams),
            abandoned=tuple(
                tuple(i for i, f in flows if f.source == names[q] and f.target is None)
                for q in queues
            ),
            done=tuple(
                tuple(i for i, f in flows if f.source in {names[b] for b in mine}) for mine in busy
            ),
        )


def obstacle_to_fluid(description: Description) -> str | None:
    """Why the fluid surrogate cannot represent a simulator; None when it can."""
    obstacle = obstacle_to_balance(description)
    if obstacle is not None or not isinstance(description, SystemDescription):
        return obstacle
    order = [stock.name for stock in description.stocks]
    queues = {stock.name for stock in description.stocks if stock.team is None}
    for flow in description.flows:
        ends = flow.source, flow.target
        if flow.source is None and flow.target != order[0]:
            return f"flow {flow.name!r} comes from outside to another class than the first"
        if flow.source in queues and flow.target in queues:
            return f"flow {flow.name!r} goes from queue to queue"
        if None not in ends and order.index(str(ends[1])) <= order.index(str(ends[0])):
            return f"flow {flow.name!r} goes back to a class before"
    outside = sum(flow.source is None for flow in description.flows)
    if outside != 1 or order[0] not in queues:
        return f"{outside} flows come from outside, and it knows one, to the first queue"
    limited = {*description.calendar.columns, *(pool for pool, _ in description.staffing)}
    for team in description.teams:
        if team.pool not in limited:
            return f"team {team.name!r} is of an unlimited pool"
    if description.servers or any(not mine for mine in Classes.of(description).teams):
        return "its servers are not those of teams on a shift"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Laws:
    """What is learnt: log rates, linear in the log parameters, and what the mean leaves."""

    service: Float[np.ndarray, "class weight"]
    abandonment: Float[np.ndarray, "class weight"]
    routes: Float[np.ndarray, "class target weight"]
    trust: Float[np.ndarray, "one"]
    """Customers' worth of trust in the calendar against today's count."""
    bias: Float[np.ndarray, "coordinate"]
    """Of each number about the mean, on its modelling scale."""
    deviation: Float[np.ndarray, "coordinate"]

    def rates(self, parameters: Float[np.ndarray, "batch parameter"]) -> FluidRates:
        """The rates of every row."""
        design = _design(parameters)
        routes = np.exp(np.einsum("ktw,bw->ktb", self.routes, design))
        return FluidRates(
            service=np.exp(self.service @ design.T),
            abandonment=np.exp(self.abandonment @ design.T),
            routes=routes / np.maximum(routes.sum(axis=1, keepdims=True), 1.0),
        )


class FluidSurrogate:
    """Fluid means with the marginal noise of what they miss; see the module."""

    name = "fluid"

    def __init__(self, balance: FlowBalance, laws: Laws) -> None:
        self.description, self.openings = balance.description, balance.openings
        self._balance, self._laws = balance, laws
        self._means = FluidMeans(balance, laws)

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row: the arrivals, then all else around what they lead to."""
        means: list[Column] = []

        def draw(position: int, low: Column, high: Column) -> Column:
            if position == 0:
                means.append(self._means.arrivals(states, parameters))
            coordinate = self._balance.coordinates[position]
            latent = coordinate.scale(means[position]) + self._laws.bias[position]
            latent += self._laws.deviation[position] * random.standard_normal(len(latent))
            values = coordinate.settle(latent, low, high)
            if position == 0:
                means.extend(self._means.given(states, decisions, parameters, values))
            return values

        return self._balance.complete(states, decisions, parameters, draw)

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats."""
        values, low, high = self._balance.encode(transitions)
        total = np.zeros(len(transitions))
        for i, (coordinate, mean) in enumerate(
            zip(self._balance.coordinates, self._means.of(transitions, values[:, 0]), strict=True)
        ):
            middle = coordinate.scale(mean) + self._laws.bias[i]
            spread = np.full(len(total), self._laws.deviation[i])
            total += settled_log_prob(
                coordinate, values[:, i], low[:, i], high[:, i], middle, spread
            )
        return total

    def update(
        self,
        transitions: Transitions,
        random: np.random.Generator,
        on_progress: Progress | None = None,
    ) -> FluidSurrogate:
        """Regress again on all these transitions, which takes moments."""
        return fit_fluid(transitions, self.description, None, random, on_progress)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        own = {f"laws.{field.name}": getattr(self._laws, field.name) for field in fields(Laws)}
        return {**own, **self._balance.to_tensors()}

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: Description
    ) -> FluidSurrogate:
        """The surrogate that `to_tensors` was asked of."""
        laws = Laws(**{field.name: tensors[f"laws.{field.name}"] for field in fields(Laws)})
        return cls(FlowBalance(description), laws)


class FluidMeans:
    """The means of every free number under given laws."""

    def __init__(self, balance: FlowBalance, laws: Laws) -> None:
        self._laws, self._coordinates = laws, balance.coordinates
        self._system = system = balance.description
        self._classes = Classes.of(system)
        counted = next(i for i, tally in enumerate(system.tallies) if not tally.resets)
        self._counted = len(system.stocks) + counted
        so_far = system.tallies[counted].expected
        columns = system.calendar.columns
        self._so_far = columns.index(so_far)
        self._coming = columns.index(so_far.removesuffix("so_far") + "arrivals")

    def arrivals(
        self,
        states: Float[np.ndarray, "batch state"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Column:
        """Expected arrivals, given how today has gone so far."""
        known, trust = self._known(states, parameters), self._laws.trust[0]
        factor = (states[:, self._counted] + trust) / (known[:, self._so_far] + trust)
        return np.asarray(known[:, self._coming] * factor)

    def of(self, transitions: Transitions, arrivals: Column) -> list[Column]:
        """Means of all free numbers of observed epochs."""
        t = transitions
        first = self.arrivals(t.state, t.parameters)
        return [first, *self.given(t.state, t.decision, t.parameters, arrivals)]

    def given(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        arrivals: Column,
    ) -> list[Column]:
        """Means of the numbers after the first, given who came."""
        sizes = self._system.team_sizes(self._known(states, parameters), decisions)
        minutes = self._minutes(states)
        named = self._roll(states, sizes, arrivals, parameters, minutes)
        none = np.zeros(len(states))
        return [named.get(c.name, none) for c in self._coordinates[1:]]

    def _known(
        self,
        states: Float[np.ndarray, "batch state"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch column"]:
        days, epochs = states[:, -2].astype(int), states[:, -1].astype(int)
        return self._system.known_ahead(days, epochs, parameters)

    def _minutes(self, states: Float[np.ndarray, "batch state"]) -> Column:
        epochs = np.minimum(states[:, -1].astype(int), self._system.epochs - 1)
        return np.asarray(self._system.durations[epochs])

    def _roll(
        self,
        states: Float[np.ndarray, "batch state"],
        sizes: Float[np.ndarray, "batch team"],
        arrivals: Column,
        parameters: Float[np.ndarray, "batch parameter"],
        minutes: Column,
    ) -> dict[str, Column]:
        """The epoch in short steps; means of stocks, flows and waiting by name."""
        rates, classes = self._laws.rates(parameters), self._classes
        capacity = np.stack([sizes[:, list(mine)].sum(axis=1) for mine in classes.teams])
        customers = np.stack(
            [
                states[:, [q, *b]].sum(axis=1)
                for q, b in zip(classes.queue, classes.busy, strict=True)
            ]
        )
        totals = {name: np.zeros_like(customers) for name in ("served", "abandoned", "waited")}
        for _ in range(_STEPS):
            step = flow_on(rates, customers, arrivals / minutes, capacity, minutes / _STEPS)
            customers = step.customers
            totals["served"] += step.served
            totals["abandoned"] += step.abandoned
            totals["waited"] += step.waiting * minutes / _STEPS
        return self._named(states, sizes, customers, capacity, totals, rates)

    def _named(
        self,
        states: Float[np.ndarray, "batch state"],
        sizes: Float[np.ndarray, "batch team"],
        customers: Float[np.ndarray, "class batch"],
        capacity: Float[np.ndarray, "class batch"],
        totals: dict[str, Float[np.ndarray, "class batch"]],
        rates: FluidRates,
    ) -> dict[str, Column]:
        system, named = self._system, dict[str, Column]()
        names = [stock.name for stock in system.stocks]
        for k, queue in enumerate(self._classes.queue):
            named[names[queue]] = np.maximum(customers[k] - capacity[k], 0.0)
            named[names[queue].removesuffix("waiting") + "wait"] = totals["waited"][k]
            for left in self._classes.abandoned[k]:
                named[system.flows[left].name] = totals["abandoned"][k]
            for team, stock in zip(self._classes.teams[k], self._classes.busy[k], strict=True):
                share = sizes[:, team] / np.maximum(capacity[k], 1e-9)
                busy = np.minimum(customers[k], capacity[k]) * share
                served = totals["served"][k] * share
                named[names[stock]] = sizes[:, team] - busy
                started = np.maximum(served + busy - states[:, stock], 0.0)
                for flow in system.flows:
                    if flow.target == names[stock]:
                        named[flow.name] = started
                    elif flow.source == names[stock]:
                        named[flow.name] = served * self._share_of(flow.target, k, rates)
        return named

    def _share_of(self, target: str | None, k: int, rates: FluidRates) -> Column:
        names = [self._system.stocks[queue].name for queue in self._classes.queue]
        routes = rates.routes[k]
        return np.asarray(
            1.0 - routes.sum(axis=0) if target is None else routes[names.index(target)]
        )


def fit_fluid(
    transitions: Transitions,
    description: Description,
    settings: None,  # noqa: ARG001 - every family is fitted by the same call
    random: np.random.Generator,  # noqa: ARG001
    on_progress: Progress | None = None,
) -> FluidSurrogate:
    """Regress the rates on the data, choose the trust in the calendar, measure what is left.

    Raises InvalidDataset for a system that the fluid model cannot represent.
    """
    refuse_unusable(transitions, description)
    obstacle = obstacle_to_fluid(description)
    if obstacle is not None:
        raise InvalidDataset(f"the fluid model cannot represent {description.name!r}: {obstacle}")
    balance = FlowBalance(description)
    values, low, high = balance.encode(transitions)
    laws = _most_trusted(_regress(transitions, balance), balance, transitions, values[:, 0])
    means = FluidMeans(balance, laws).of(transitions, values[:, 0])
    left = [
        _left(coordinate.scale(seen) - coordinate.scale(mean), is_free)
        for coordinate, seen, mean, is_free in zip(
            balance.coordinates, values.T, means, (high > low).T, strict=True
        )
    ]
    if on_progress is not None:
        on_progress(1.0)
    bias, deviation = np.array(left).T
    return FluidSurrogate(balance, replace(laws, bias=bias, deviation=deviation))


def _left(off: Column, is_free: Bool[np.ndarray, "batch"]) -> tuple[float, float]:
    """Mean and deviation of what the means miss, where there was anything to miss."""
    chosen = off[is_free] if is_free.any() else off
    return float(chosen.mean()), max(float(chosen.std()), 1e-3)


def _regress(transitions: Transitions, balance: FlowBalance) -> Laws:
    """Every rate by its events and the time at risk."""
    system, classes = balance.description, Classes.of(balance.description)
    design, t = _design(transitions.parameters), transitions
    names = [system.stocks[queue].name for queue in classes.queue]
    mean_stock = (t.state + t.next_state)[:, : len(system.stocks)] / 2 * t.duration[:, None]

    def counted(flows: list[int] | tuple[int, ...]) -> Column:
        return np.asarray(t.outputs[:, list(flows)].sum(axis=1))

    service, abandonment, routes = [], [], []
    for k, queue in enumerate(classes.queue):
        done = counted(classes.done[k])
        in_service = mean_stock[:, list(classes.busy[k])].sum(axis=1)
        service.append(log_linear_rate(done, in_service, design))
        lost = counted(classes.abandoned[k])
        abandonment.append(log_linear_rate(lost, mean_stock[:, queue], design))
        routes.append(
            [
                log_linear_rate(
                    counted([i for i in classes.done[k] if system.flows[i].target == name]),
                    done,
                    design,
                )
                for name in names
            ]
        )
    nothing = np.zeros(len(balance.coordinates))
    return Laws(
        service=np.array(service),
        abandonment=np.array(abandonment),
        routes=np.array(routes),
        trust=np.array(_WEIGHTS[:1]),
        bias=nothing,
        deviation=nothing,
    )


def _most_trusted(
    laws: Laws, balance: FlowBalance, transitions: Transitions, arrivals: Column
) -> Laws:
    """The trust in the calendar under which arrivals were foretold best, on square roots."""
    candidates = [replace(laws, trust=np.array([weight])) for weight in _WEIGHTS]

    def miss(candidate: Laws) -> float:
        means = FluidMeans(balance, candidate)
        expected = means.arrivals(transitions.state, transitions.parameters)
        return float(np.square(np.sqrt(arrivals) - np.sqrt(expected)).mean())

    return min(candidates, key=miss)


def log_linear_rate(
    counts: Column, exposure: Column, design: Float[np.ndarray, "batch weight"]
) -> Float[np.ndarray, "weight"]:
    """Poisson regression of a rate, by Newton's method; its intercept is last.

    `counts` are expected to be `exposure` times the exponential of the linear form. What never
    happened, or could not, has the log rate of never.
    """
    weights = np.zeros(design.shape[1])
    seen = exposure > 0
    if not counts[seen].sum() > 0:
        weights[-1] = _NEVER
        return weights
    count, risk, rows = counts[seen], exposure[seen], design[seen]
    weights[-1] = np.log(count.sum() / risk.sum())
    penalty = np.full(len(weights), _PRIOR)
    penalty[-1] = 1e-9
    for _ in range(_NEWTON_STEPS):
        expected = risk * np.exp(np.clip(rows @ weights, _NEVER, -_NEVER))
        slope = rows.T @ (count - expected) - penalty * weights
        curvature = (rows.T * expected) @ rows + np.diag(penalty)
        weights = weights + np.clip(np.linalg.solve(curvature, slope), -1.0, 1.0)
    return weights


def _design(
    parameters: Float[np.ndarray, "batch parameter"],
) -> Float[np.ndarray, "batch weight"]:
    """Logarithms of the parameters, then a one."""
    return np.column_stack([np.log(np.maximum(parameters, 1e-6)), np.ones(len(parameters))])
