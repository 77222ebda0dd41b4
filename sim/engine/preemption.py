"""Preemption: servers who drop a customer for a higher one, a smaller team or the end of a shift.

Whoever is interrupted goes back to the head of the line with the patience that was left when the
service began, since patience is about waiting; what was done is kept or lost, as the pool says.
"""

from __future__ import annotations

from sim.engine.clock import Clock
from sim.engine.lines import Line
from sim.engine.marks import Customer
from sim.engine.pools import PoolAtWork, PriorityPool
from sim.engine.teams import TeamAtWork
from sim.servers import ServerTeam


class InterruptingPool(PriorityPool):
    """A pool whose servers drop customers when a team becomes too large or a shift ends.

    Whom a free server takes next is as in a pool without preemption that stays with its queue.
    """

    __slots__ = ("_is_repeated",)

    def __init__(self, *, is_repeated: bool) -> None:
        super().__init__()
        self._is_repeated = is_repeated

    def resize(self, now: float) -> None:
        """Size the teams; whoever is beyond a size or the servers on duty is interrupted."""
        super().resize(now)
        for team in self.order:
            while team.busy > team.size:
                self._interrupt(team, now)
        for team in reversed(self.order):
            while team.busy and self.busy > self.on_duty:
                self._interrupt(team, now)

    def release(self, team: TeamAtWork, now: float) -> None:
        """Find work for the server whom a customer has just left."""
        PoolAtWork.release(self, team, now)

    def _interrupt(self, team: TeamAtWork, now: float) -> None:
        assert isinstance(team, PreemptibleTeam)
        team.interrupt(now, is_repeated=self._is_repeated)


class PreemptivePool(InterruptingPool):
    """A pool in which nobody is served while somebody of a higher team could be instead."""

    __slots__ = ()

    def fill(self, now: float) -> None:
        """Put free servers to work, then take servers from lower teams for higher ones."""
        super().fill(now)
        for team in self.order:
            self.give_way(team, now)

    def release(self, team: TeamAtWork, now: float) -> None:
        """Find work for the server whom a customer has just left."""
        del team
        PriorityPool.fill(self, now)

    def make_way(self, team: TeamAtWork, now: float) -> Line | None:
        """Interrupt whom the lowest team began last, if a server for this team is gained so."""
        if team.busy < team.size and self.busy <= self.on_duty:
            for lower in reversed(self.order):
                if lower is team:
                    break
                # Changing places with somebody of the same line would serve nobody sooner.
                if lower.busy and lower.line is not team.line:
                    self._interrupt(lower, now)
                    return lower.line
        return None

    def give_way(self, team: TeamAtWork, now: float) -> None:
        """Interrupt lower teams for those who wait for this one."""
        while team.line.waiting:
            interrupted = self.make_way(team, now)
            if interrupted is None:
                return
            team.seat(now)
            interrupted.call(now)


class PreemptibleTeam(TeamAtWork):
    """A team that knows whom it has in service."""

    __slots__ = ("_in_service",)

    def __init__(
        self, team: ServerTeam, line: Line, pool: PoolAtWork, clock: Clock, flows: list[int]
    ) -> None:
        super().__init__(team, line, pool, clock, flows)
        self._in_service: dict[Customer, float] = {}
        """When each would be done, in the order of starting."""

    def _serve(self, customer: Customer, now: float) -> None:
        super()._serve(customer, now)
        self._in_service[customer] = now + customer.work * self.slowness

    def end(self, customer: Customer, now: float) -> None:
        """Free the server."""
        del self._in_service[customer]
        super().end(customer, now)

    def interrupt(self, now: float, *, is_repeated: bool) -> None:
        """Put the customer whose service began last back at the head of the line."""
        customer, done_at = next(reversed(self._in_service.items()))
        patience = customer.deadline - (done_at - customer.work * self.slowness)
        self.end(customer, now)
        customer.departure.customer = None
        if not is_repeated:
            customer.work = max(done_at - now, 0.0) / self.slowness
        self._flows[self.interrupted_flow] += 1
        self.line.take_back(customer, patience, now)
