"""Pools of servers at work: who is served next, and by how many."""

from __future__ import annotations

from collections.abc import Callable

from sim.engine.lines import Line
from sim.engine.teams import TeamAtWork
from sim.servers import Picks


class PoolAtWork:
    """A pool whose free server stays with the queue just served while it has anybody."""

    __slots__ = ("busy", "on_duty", "over_area", "teams")

    def __init__(self) -> None:
        self.teams: list[TeamAtWork] = []
        self.busy = 0
        self.on_duty = 0.0
        """Servers who may work now; more may be busy, who finish what they have in hand."""
        self.over_area = 0.0
        """The server minutes beyond those on duty since the epoch began, in moments like areas."""

    @property
    def over(self) -> float:
        """Servers at work beyond those on duty."""
        return max(self.busy - self.on_duty, 0.0)

    def change(self, on_duty: float, now: float) -> None:
        """Set the servers who may work, and the sizes of the teams."""
        self.over_area += now * self.over
        self.on_duty = on_duty
        self.over_area -= now * self.over
        self.resize(now)

    def resize(self, now: float) -> None:
        """Give each team its share, rounded, and the rest to the team without a lever."""
        del now
        left = self.on_duty
        for team in self.teams:
            if team.share is not None:
                # Several levers may ask for more than there are: first listed, first served.
                team.size = min(float(round(team.share * self.on_duty)), left)
                left -= team.size
        for team in self.teams:
            if team.share is None:
                team.size = left

    @property
    def fills(self) -> dict[TeamAtWork, Callable[[float], None]]:
        """What puts free servers to work, by the team at whose turn it is called."""
        return {team: team.seat for team in self.teams}

    def release(self, team: TeamAtWork, now: float) -> None:
        """Find work for the server whom a customer has just left."""
        if team.line.waiting:
            team.seat(now)
        if self.busy < self.on_duty:
            for other in self.teams:
                if other is not team and other.line.waiting:
                    other.seat(now)

    def make_way(self, team: TeamAtWork, now: float) -> Line | None:
        """Free a server for a team by interrupting another, whose line is returned; never here."""
        del team, now
        return None

    def give_way(self, team: TeamAtWork, now: float) -> None:
        """Interrupt others for those who wait for a team; never here."""


class RankedPool(PoolAtWork):
    """A pool whose free server takes the customer whom a rule ranks first."""

    __slots__ = ("_rank",)

    def __init__(self, rank: Callable[[TeamAtWork], float]) -> None:
        super().__init__()
        self._rank = rank

    @property
    def fills(self) -> dict[TeamAtWork, Callable[[float], None]]:
        """All at the turn of the first team."""
        return {self.teams[0]: self.fill}

    def fill(self, now: float) -> None:
        """Seat one customer at a time, the first in rank."""
        while self.busy < self.on_duty:
            able = [t for t in self.teams if t.line.waiting and t.busy < t.size]
            if not able:
                return
            first = min(able, key=self._rank)
            customer = first.line.take(now)
            if customer is not None:
                first.start(customer, now)

    def release(self, team: TeamAtWork, now: float) -> None:
        """Find work for the server whom a customer has just left."""
        del team
        self.fill(now)


def _longest_wait(team: TeamAtWork) -> float:
    return team.line.next_up.entered


def _longest_queue(team: TeamAtWork) -> float:
    return -float(len(team.line.waiting))


RANKS: dict[Picks, Callable[[TeamAtWork], float]] = {
    "first_come": _longest_wait,
    "longest_queue": _longest_queue,
}


class PriorityPool(PoolAtWork):
    """A pool whose free server takes the first team in order that has anybody waiting."""

    __slots__ = ("order",)

    def __init__(self) -> None:
        super().__init__()
        self.order = self.teams
        """The teams, highest first; as listed until a decision says otherwise."""

    @property
    def fills(self) -> dict[TeamAtWork, Callable[[float], None]]:
        """All at the turn of the first team."""
        return {self.teams[0]: self.fill}

    def fill(self, now: float) -> None:
        """Put free servers to work, the highest team first."""
        for team in self.order:
            if team.line.waiting:
                team.seat(now)
            if self.busy >= self.on_duty:
                return

    def release(self, team: TeamAtWork, now: float) -> None:
        """Find work for the server whom a customer has just left."""
        del team
        self.fill(now)
