"""Random small systems for property tests.

A strategy draws plain values only and the system is built inside the test: the checks of shapes
and types that run with the tests draw random numbers, which Hypothesis forbids while it draws.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from sim.arrivals import PoissonArrivals
from sim.customers import CustomerClass, Route
from sim.description import Lever
from sim.distributions import Deterministic, Distribution, Exponential, Gamma, Lognormal
from sim.servers import Pool, ServerTeam
from sim.system import System

SHARES = (0.0, 0.3, 0.5, 1.0)

KINDS: dict[str, Callable[[float, float], Distribution]] = {
    "deterministic": lambda mean, _: Deterministic(mean=mean),
    "exponential": lambda mean, _: Exponential(mean=mean),
    "gamma": lambda mean, scv: Gamma(mean=mean, scv=scv),
    "lognormal": lambda mean, scv: Lognormal(mean=mean, scv=scv),
}


@dataclass(frozen=True)
class DrawnTime:
    kind: str
    mean: float
    scv: float

    def build(self) -> Distribution:
        return KINDS[self.kind](self.mean, self.scv)


@dataclass(frozen=True)
class DrawnClass:
    service: DrawnTime
    patience: DrawnTime | None
    routes: list[float]
    """Probability of a route to each later class, before they are shared out."""


@dataclass(frozen=True)
class DrawnTeam:
    pool: int
    serves: int
    speed: float
    has_lever: bool


@dataclass(frozen=True)
class DrawnDay:
    """What to build a system from, a seed and the share for each lever in each epoch."""

    classes: list[DrawnClass]
    teams: list[DrawnTeam]
    rosters: list[list[int]]
    minutes: list[float]
    rate: float
    seed: int
    shares: list[list[float]]

    @property
    def decisions(self) -> list[np.ndarray]:
        return [np.array(row, dtype=float) for row in self.shares]

    def system(self) -> System:
        boundaries = (0.0, *np.cumsum(self.minutes).tolist())
        levers = [f"lever{i}" for i, team in enumerate(self.teams) if team.has_lever]
        return System(
            name="random",
            arrivals={"class0": PoissonArrivals(rate=self.rate)},
            classes=tuple(self._class(i, c) for i, c in enumerate(self.classes)),
            teams=tuple(
                ServerTeam(
                    name=f"team{i}",
                    pool=f"pool{team.pool}",
                    serves=f"class{team.serves}",
                    speed=team.speed,
                    lever=f"lever{i}" if team.has_lever else None,
                )
                for i, team in enumerate(self.teams)
            ),
            pools=tuple(
                Pool.by_epoch(f"pool{i}", np.array(roster, dtype=float), boundaries)
                for i, roster in enumerate(self.rosters)
            ),
            boundaries=boundaries,
            levers=tuple(Lever(name=name, levels=SHARES) for name in levers),
        )

    @staticmethod
    def _class(position: int, drawn: DrawnClass) -> CustomerClass:
        return CustomerClass(
            name=f"class{position}",
            service=drawn.service.build(),
            patience=drawn.patience.build() if drawn.patience else None,
            routes=tuple(
                Route(to=f"class{position + 1 + i}", probability=p / len(drawn.routes))
                for i, p in enumerate(drawn.routes)
            ),
        )


_times = st.builds(
    DrawnTime,
    kind=st.sampled_from(["deterministic", "exponential", "gamma", "lognormal"]),
    mean=st.sampled_from([0.5, 2.0, 6.0]),
    scv=st.sampled_from([0.3, 1.0, 3.0]),
)


@st.composite
def days(draw: st.DrawFn) -> DrawnDay:
    """Up to three classes, two pools and four teams; the rest team stands anywhere in the list."""
    classes, pools = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    served = [draw(st.integers(0, classes - 1)) for _ in range(pools)]
    moved = [c for c in range(classes) if c not in served]
    moved += draw(st.lists(st.integers(0, classes - 1), max_size=2))
    speeds = st.sampled_from([0.8, 1.0])
    teams = [DrawnTeam(pool, c, draw(speeds), False) for pool, c in enumerate(served)]
    teams += [DrawnTeam(draw(st.integers(0, pools - 1)), c, draw(speeds), True) for c in moved]
    minutes = draw(st.lists(st.sampled_from([3.0, 10.0, 12.5]), min_size=1, max_size=4))
    epochs = len(minutes)
    staff = st.lists(st.integers(1, 6), min_size=epochs, max_size=epochs)
    shares = st.lists(st.sampled_from(SHARES), min_size=len(moved), max_size=len(moved))
    return DrawnDay(
        classes=[
            DrawnClass(
                service=draw(_times),
                patience=draw(st.none() | _times),
                routes=[draw(st.sampled_from([0.0, 0.4, 1.0])) for _ in range(c + 1, classes)],
            )
            for c in range(classes)
        ],
        teams=draw(st.permutations(teams)),
        rosters=[draw(staff) for _ in range(pools)],
        minutes=minutes,
        rate=draw(st.sampled_from([0.3, 1.0, 4.0])),
        seed=draw(st.integers(0, 2**31)),
        shares=[draw(shares) for _ in range(epochs)],
    )
