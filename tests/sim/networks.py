"""Random small networks that mix everything a system can have, for property tests.

A strategy draws plain values only and the system is built inside the test: the checks of shapes
and types that run with the tests draw random numbers, which Hypothesis forbids while it draws.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from hypothesis import strategies as st

from sim.arrivals import PoissonArrivals
from sim.customers import Balking, CustomerClass, QueueOrder, Route
from sim.description import Lever
from sim.distributions import Deterministic, Distribution, Exponential, Gamma
from sim.routing import Dispatcher, DispatchRule, Room
from sim.servers import PICKS, Break, Breakdown, Picks, Pool, Preemption, ServerTeam
from sim.system import System

SHARES = (0.0, 0.3, 0.5, 1.0)
CREWS = (0.0, 1.0, 3.0)
EVENTS = 80

RANKED = ("resume", "repeat", "ordered_resume")
PREEMPTIVE = ("drops", *RANKED)
LIMITED = ("stay", "priority", "first_come", "longest_queue", "ordered", *PREEMPTIVE)


@dataclass(frozen=True)
class DrawnTime:
    kind: str
    mean: float

    def build(self) -> Distribution:
        if self.kind == "deterministic":
            return Deterministic(mean=self.mean)
        return (
            Exponential(mean=self.mean)
            if self.kind == "exponential"
            else Gamma(mean=self.mean, scv=3.0)
        )


@dataclass(frozen=True)
class DrawnClass:
    service: DrawnTime
    patience: DrawnTime | None
    routes: list[tuple[int, float]]
    """Position of the next place and probability; the dispatcher comes after the classes."""
    gives_up_to: int | None
    rejected_to: int | None
    """A later class: whoever is turned away at once, over and over, would never get on."""
    order: QueueOrder
    balks_from: int | None
    has_admission: bool


@dataclass(frozen=True)
class DrawnPool:
    kind: str
    shifts: list[int]
    """Servers on duty from minute 0 and, if there are two, from about minute 7."""
    pause: float | None
    setup: DrawnTime | None
    breaks_down: bool
    is_ordered_by_lever: bool
    is_sized: bool
    """Whether levers size all its teams but the last."""


@dataclass(frozen=True)
class DrawnRoom:
    places: int
    classes: list[int]
    blocks: bool


@dataclass(frozen=True)
class Network:
    """What to build a system from, a seed, and a few decisions that take turns."""

    classes: list[DrawnClass]
    pools: list[DrawnPool]
    teams: list[tuple[int, int, float]]
    """(class, pool, speed)."""
    rooms: list[DrawnRoom]
    rule: DispatchRule | None
    """How a dispatcher sends to the first classes, if there is one."""
    sources: dict[int, float]
    """Rates by place."""
    minutes: list[float]
    """Lengths of the epochs; none where events decide."""
    choices: list[list[int]]
    stretch: int
    """Epochs for which a decision stays in force."""
    seed: int

    @cached_property
    def system(self) -> System:
        return System(
            name="random",
            arrivals={self._place(i): PoissonArrivals(rate=r) for i, r in self.sources.items()},
            classes=tuple(self._class(i, c) for i, c in enumerate(self.classes)),
            dispatchers=tuple(self._dispatchers()),
            pools=tuple(self._pool(i, p) for i, p in enumerate(self.pools)),
            teams=tuple(self._teams()),
            rooms=tuple(
                Room(
                    name=f"room{i}",
                    places=room.places,
                    classes=tuple(f"class{c}" for c in room.classes),
                    when_full="block" if room.blocks else "lose",
                )
                for i, room in enumerate(self.rooms)
            ),
            levers=tuple(self._levers()),
            boundaries=(0.0, *np.cumsum(self.minutes).tolist()) if self.minutes else (),
            events=0 if self.minutes else EVENTS,
            measures=("wait", "present", "busy", "on", "overtime"),
        )

    def decision(self, epoch: int, *, is_steady: bool = False) -> np.ndarray:
        """A level for each lever; the first decision always where it is steady."""
        turn = 0 if is_steady else epoch // self.stretch % len(self.choices)
        levers = self.system.levers
        chosen = zip(levers, self.choices[turn] * (len(levers) + 1), strict=False)
        return np.array([lever.levels[c % len(lever.levels)] for lever, c in chosen], dtype=float)

    def _place(self, position: int) -> str:
        return f"class{position}" if position < len(self.classes) else "hub"

    @property
    def _hub(self) -> tuple[str, ...]:
        return tuple(f"class{i}" for i in range(min(len(self.classes), 3)))

    def _routes(self, *routes: tuple[int | None, float]) -> tuple[Route, ...]:
        return tuple(
            Route(to=self._place(to), probability=p)
            for to, p in routes
            if to is not None and (to < len(self.classes) or self.rule is not None)
        )

    def _class(self, position: int, drawn: DrawnClass) -> CustomerClass:
        gives_up = (drawn.gives_up_to, 0.7) if drawn.patience is not None else (None, 0.0)
        return CustomerClass(
            name=f"class{position}",
            service=drawn.service.build(),
            patience=drawn.patience.build() if drawn.patience else None,
            routes=self._routes(*drawn.routes),
            abandonment_routes=self._routes(gives_up),
            rejection_routes=self._routes((drawn.rejected_to, 0.6)),
            balking=()
            if drawn.balks_from is None
            else (Balking(waiting=drawn.balks_from, share=0.5),),
            order=drawn.order,
            admission=f"door{position}" if drawn.has_admission else None,
        )

    def _pool(self, position: int, drawn: DrawnPool) -> Pool:
        has_orders = drawn.kind.startswith("ordered")
        teams = tuple(f"team{i}" for i, (_, pool, _) in enumerate(self.teams) if pool == position)
        built = Pool(
            name=f"pool{position}",
            # No two pools change at the same moment, so that what happens when is clear.
            shifts=tuple((i * (7.0 + position / 8), float(n)) for i, n in enumerate(drawn.shifts)),
            breaks=()
            if drawn.pause is None
            else (Break(start=drawn.pause + position / 8, minutes=2.5, servers=1),),
            picks=_picks(drawn.kind),
            preemption=_preemption(drawn.kind),
            setup=drawn.setup.build() if drawn.setup else None,
            breakdown=Breakdown(uptime=Exponential(mean=9.0), repair=Exponential(mean=2.0))
            if drawn.breaks_down
            else None,
            staffing=f"crew{position}" if drawn.is_ordered_by_lever else None,
            order=f"order{position}" if has_orders else None,
            orders=(teams, teams[::-1], teams[1:] + teams[:1]) if has_orders else (),
        )
        if drawn.kind == "unlimited":
            return Pool(name=built.name, shifts=((0.0, float("inf")),))
        if drawn.kind == "shared":
            return replace(built, is_shared=True, breakdown=None)
        return built

    def _teams(self) -> Iterator[ServerTeam]:
        for i, (serves, pool, speed) in enumerate(self.teams):
            is_last = all(other != pool for _, other, _ in self.teams[i + 1 :])
            is_sized = self.pools[pool].is_sized and self.pools[pool].kind in LIMITED
            yield ServerTeam(
                name=f"team{i}",
                pool=f"pool{pool}",
                serves=f"class{serves}",
                speed=speed,
                lever=f"share{i}" if is_sized and not is_last else None,
            )

    def _dispatchers(self) -> Iterator[Dispatcher]:
        if self.rule is not None:
            lever = "gate" if self.rule == "decision" else None
            yield Dispatcher(name="hub", to=self._hub, rule=self.rule, lever=lever)

    def _levers(self) -> Iterator[Lever]:
        for team in self._teams():
            if team.lever is not None:
                yield Lever(name=team.lever, levels=SHARES)
        for i, pool in enumerate(self.pools):
            built = self._pool(i, pool)
            if built.staffing is not None:
                yield Lever(name=built.staffing, levels=CREWS, decides="servers")
            if built.order is not None:
                yield Lever(name=built.order, levels=(0.0, 1.0, 2.0), decides="order")
        if self.rule == "decision":
            levels = tuple(float(i) for i in range(len(self._hub)))
            yield Lever(name="gate", levels=levels, decides="route")
        for i, c in enumerate(self.classes):
            if c.has_admission:
                yield Lever(name=f"door{i}", levels=(0.0, 0.6, 1.0), decides="admission")


def _picks(kind: str) -> Picks:
    if kind in ("resume", "repeat"):
        return "priority"
    return next((picks for picks in PICKS if picks == kind), "stay")


def _preemption(kind: str) -> Preemption | None:
    if kind not in PREEMPTIVE:
        return None
    return "repeat" if kind == "repeat" else "resume"


_times = st.builds(
    DrawnTime,
    kind=st.sampled_from(["exponential", "deterministic", "gamma"]),
    mean=st.sampled_from([0.4, 1.1, 3.2]),
)
_maybe = st.sampled_from([False, False, True])


def _sometimes(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | st.none() | strategy


@st.composite
def _classes(draw: st.DrawFn, position: int, count: int) -> DrawnClass:
    later = st.integers(position + 1, count - 1) if position + 1 < count else st.none()
    onward = st.lists(
        st.tuples(st.integers(0, count), st.sampled_from([0.2, 0.4])), max_size=2
    )  # `count` is the dispatcher's position
    return DrawnClass(
        service=draw(_times),
        patience=draw(st.none() | _times),
        routes=draw(onward),
        gives_up_to=draw(_sometimes(st.integers(0, count))),
        rejected_to=draw(_sometimes(later)),
        order=draw(st.sampled_from(["first_come", "first_come", "last_come", "shortest_first"])),
        balks_from=draw(_sometimes(st.integers(0, 3))),
        has_admission=draw(_maybe),
    )


def _pools(kinds: tuple[str, ...]) -> st.SearchStrategy[DrawnPool]:
    return st.builds(
        DrawnPool,
        kind=st.sampled_from(kinds),
        shifts=st.lists(st.integers(0, 4), min_size=1, max_size=2),
        pause=_sometimes(st.sampled_from([2.0, 4.5])),
        setup=_sometimes(_times),
        breaks_down=_maybe,
        is_ordered_by_lever=_maybe,
        is_sized=st.booleans(),
    )


@st.composite
def networks(
    draw: st.DrawFn,
    *,
    is_event_driven: bool | None = None,
    kinds: tuple[str, ...] = (*LIMITED, "shared", "unlimited"),
) -> Network:
    """Up to four classes, three pools, six teams, two rooms, two sources and a dispatcher."""
    count = draw(st.integers(1, 4))
    pools = draw(st.lists(_pools(kinds), min_size=1, max_size=min(count, 3)))
    positions = st.integers(0, len(pools) - 1)
    served = [p if p < len(pools) else draw(positions) for p in range(count)]
    speeds = st.sampled_from([0.5, 1.0, 2.0])
    teams = [(c, p, draw(speeds)) for c, p in enumerate(served)]
    teams += draw(st.lists(st.tuples(st.integers(0, count - 1), positions, speeds), max_size=2))
    rule = draw(_sometimes(st.sampled_from(["shortest", "round_robin", "decision"])))
    rule = rule if count > 1 else None
    places = st.integers(0, count if rule else count - 1)
    may_block = all(pool.kind not in PREEMPTIVE for pool in pools)
    if is_event_driven is None:
        is_event_driven = draw(st.booleans())
    lengths = st.lists(st.sampled_from([0.5, 3.0, 7.0]), min_size=1, max_size=5)
    return Network(
        classes=[draw(_classes(i, count)) for i in range(count)],
        pools=pools,
        teams=draw(st.permutations(teams)),
        rooms=[
            DrawnRoom(draw(st.integers(1, 4)), classes, draw(st.booleans()) and may_block)
            for classes in draw(_rooms(count))
        ],
        rule=rule,
        sources=draw(
            st.dictionaries(places, st.sampled_from([0.4, 1.2, 3.0]), min_size=1, max_size=2)
        ),
        minutes=[] if is_event_driven else draw(lengths),
        choices=draw(
            st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=4)
        ),
        stretch=draw(st.integers(1, 4)),
        seed=draw(st.integers(0, 2**31)),
    )


@st.composite
def _rooms(draw: st.DrawFn, count: int) -> list[list[int]]:
    """Up to two lots of classes, no class in both."""
    rooms = [draw(st.integers(0, 3)) for _ in range(count)]
    lots = [[c for c, room in enumerate(rooms) if room == number] for number in (1, 2)]
    return [lot for lot in lots if lot]


def plain_networks() -> st.SearchStrategy[Network]:
    """Networks without levers, chance at the doors, sharing or servers who come and go."""
    kinds = (*(kind for kind in LIMITED if "ordered" not in kind), "unlimited")
    return networks(is_event_driven=True, kinds=kinds).map(_made_plain)


def _made_plain(network: Network) -> Network:
    return replace(
        network,
        classes=[_made_plain_class(c) for c in network.classes],
        pools=[
            DrawnPool(pool.kind, pool.shifts[:1], None, None, False, False, False)
            for pool in network.pools
        ],
        rule="shortest" if network.rule == "decision" else network.rule,
    )


def _made_plain_class(drawn: DrawnClass) -> DrawnClass:
    # Patience never ends at the very moment at which a server is free: either may come first.
    patience = drawn.patience and replace(drawn.patience, mean=drawn.patience.mean * 1.037)
    return DrawnClass(drawn.service, patience, drawn.routes, None, None, drawn.order, None, False)
