"""The parts of a system whose one-epoch residuals are watched, and what kind of change each tells.

A part is a number of an epoch, made of numbers that the description names. Where a description
tells of stocks and flows, there are parts for what comes, for the pace of the work, for who is at
work, for where customers are sent and for who gives up. Paces and shares are counts over what they
can come of: completions over servers at work, say, so that fewer servers make no slower pace. Of
any other simulator every output is a part of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sim.description import Description, Flow, SystemDescription
from sim.parameters import ARRIVALS, HANDLE_TIME, PATIENCE, ROUTE, STAFF
from surrogates.coordinates.plain import DURATION

KINDS = ("arrivals", "service", "capacity", "routing", "patience")
"""Kinds of change in the order of cause and effect within an epoch: a later part is judged given
the earlier ones (see `residuals`)."""
OUTPUT = "output"
"""The kind of a part of which nothing is known but its name."""
_KIND_OF_SCALE = {
    ARRIVALS: "arrivals",
    STAFF: "capacity",
    HANDLE_TIME: "service",
    ROUTE: "routing",
    PATIENCE: "patience",
}
_ABANDONED = "_abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part: a sum of an epoch's numbers, or such a sum over what it can come of."""

    kind: str
    """One of KINDS, or OUTPUT."""
    subject: str
    """Whose it is: a class, a pool or a way."""
    columns: tuple[str, ...]
    """Names of the outputs and state components that are added up."""
    per: tuple[str, ...] = ()
    """Names of those over whose sum it is taken; state components by their mean of both ends."""

    @property
    def name(self) -> str:
        """What a verdict calls it."""
        return f"{self.kind}: {self.subject}"


def kind_of(name: str) -> str:
    """The kind of change that a name in a verdict stands for, a component's or a parameter's.

    A name that tells of none is a kind of its own.
    """
    kind, colon, _ = name.partition(": ")
    if colon:
        return kind
    return next((kind for scale, kind in _KIND_OF_SCALE.items() if name.endswith(scale)), name)


def components_of(description: Description) -> tuple[Component, ...]:
    """The watched parts of a simulator, causes first."""
    if not isinstance(description, SystemDescription):
        return tuple(
            Component(kind=OUTPUT, subject=name, columns=(name,))
            for name in description.output_names
        )
    return (
        *_arrivals(description),
        *_service(description),
        *_capacity(description),
        *_routing(description),
        *_patience(description),
    )


def _arrivals(d: SystemDescription) -> Iterator[Component]:
    for flow in d.flows:
        if flow.source is None:
            yield Component(kind="arrivals", subject=_class(flow.target), columns=(flow.name,))
    if d.is_event_driven:
        # Where everything else is a matter of which event comes first, time alone tells the pace.
        yield Component(kind="arrivals", subject="pace", columns=(DURATION.name,))


def _service(d: SystemDescription) -> Iterator[Component]:
    """Completions of each pool, whatever becomes of the customers, over its servers at work."""
    for pool, busy in _busy_stocks(d).items():
        finished = tuple(f.name for f in d.flows if f.source in busy and not _goes_back(f))
        minutes = tuple(f"{stock}_minutes" for stock in busy)
        per = minutes if set(minutes) <= set(d.output_names) else tuple(busy)
        yield Component(kind="service", subject=pool, columns=finished, per=per)


def _capacity(d: SystemDescription) -> Iterator[Component]:
    """Servers up where the state counts them, else the servers at work at the end of the epoch."""
    for pool, busy in _busy_stocks(d).items():
        up = f"{pool}_up"
        yield Component(
            kind="capacity", subject=pool, columns=(up,) if up in d.servers else tuple(busy)
        )


def _routing(d: SystemDescription) -> Iterator[Component]:
    """Customers passed on, turned away, or taken by another team than the first, as shares."""
    busy = {stock.name: stock.team for stock in d.stocks if stock.team is not None}
    for queue in _queues(d):
        passed = [
            f for f in d.flows if f.target == queue and f.source in busy and not _goes_back(f)
        ]
        if passed:
            sources = {f.source for f in passed}
            yield Component(
                kind="routing",
                subject=f"to {_class(queue)}",
                columns=tuple(f.name for f in passed),
                per=tuple(f.name for f in d.flows if f.source in sources and not _goes_back(f)),
            )
        lost = tuple(f.name for f in d.flows if f.source == queue and "_rejected" in f.name)
        if lost:
            yield Component(kind="routing", subject=f"{_class(queue)} away", columns=lost)
        started = [f for f in d.flows if f.source == queue and f.target in busy]
        for flow in started[1:]:
            yield Component(
                kind="routing",
                subject=f"{_class(queue)} to {busy[flow.target or '']}",
                columns=(flow.name,),
                per=tuple(f.name for f in started),
            )


def _patience(d: SystemDescription) -> Iterator[Component]:
    """Customers who give up, over the time that all spend waiting."""
    for queue in _queues(d):
        left = tuple(f.name for f in d.flows if f.source == queue and _ABANDONED in f.name)
        minutes = f"{_class(queue)}_wait"
        if left:
            per = (minutes,) if minutes in d.output_names else (queue,)
            yield Component(kind="patience", subject=_class(queue), columns=left, per=per)


def _busy_stocks(d: SystemDescription) -> dict[str, list[str]]:
    """By pool the stocks of customers in its hands."""
    pool_of = {team.name: team.pool for team in d.teams}
    found: dict[str, list[str]] = {}
    for stock in d.stocks:
        if stock.team is not None:
            found.setdefault(pool_of[stock.team], []).append(stock.name)
    return found


def _queues(d: SystemDescription) -> list[str]:
    return [stock.name for stock in d.stocks if stock.team is None]


def _goes_back(flow: Flow) -> bool:
    """Whether a customer was interrupted and waits again where it came from."""
    return flow.name.endswith("_interrupted")


def _class(queue: str | None) -> str:
    return (queue or "").removesuffix("_waiting")
