import numpy as np
import pytest
from hypothesis import given, settings

from sim.customers import CustomerClass, Route
from sim.description import Lever
from sim.distributions import Deterministic
from sim.epoch import Epoch
from sim.servers import Pool, ServerTeam
from sim.simulator import ServiceSystem
from sim.system import System
from tests.plain_day import PlainDay
from tests.sim.strategies import DrawnDay, days
from tests.systems import FixedArrivals, outputs, run_day, small_centre

property_test = settings(max_examples=80, deadline=None, derandomize=True, database=None)


class Table:
    """The epochs of one day by name, with the decisions that led to them."""

    def __init__(self, day: DrawnDay) -> None:
        self.system, self.seed, self.decisions = day.system(), day.seed, day.decisions
        self.simulator = ServiceSystem(self.system)
        self.description = self.simulator.describe()
        self.first = self.simulator.reset(self.seed)
        self.epochs: list[Epoch] = [self.simulator.advance(d) for d in self.decisions]
        self.states = [self.first, *(e.state for e in self.epochs)]

    def stocks(self, moment: int) -> dict[str, float]:
        return dict(zip(self.description.state_names, self.states[moment], strict=True))

    def outputs(self, epoch: int) -> dict[str, float]:
        names = self.description.output_names
        return dict(zip(names, self.epochs[epoch].outputs, strict=True))

    def sizes(self, epoch: int) -> dict[str, float]:
        known = self.description.known_ahead(
            np.array([0]), np.array([epoch]), self.description.nominal[None, :]
        )
        sizes = self.description.team_sizes(known, self.decisions[epoch][None, :])[0]
        return {t.name: size for t, size in zip(self.system.teams, sizes, strict=True)}


@given(days())
@property_test
def test_every_customer_agrees_with_a_plain_simulator(day: DrawnDay) -> None:
    """Settling patience late and summing waits from moments must change nothing at all."""
    table = Table(day)
    plain = PlainDay(table.system, table.seed)
    levers = table.description.lever_names
    for epoch, decision in enumerate(table.decisions):
        answer = plain.run_epoch(epoch, dict(zip(levers, decision, strict=True)))
        flows, stocks = table.outputs(epoch), table.stocks(epoch + 1)
        for flow in table.description.flows:
            assert flows[flow.name] == answer.flows.get(flow.name, 0), flow
        for name, wait in answer.waits.items():
            assert abs(flows[f"{name}_wait"] - wait) < 1e-6
        assert {name: stocks[name] for name in answer.stocks} == answer.stocks


@given(days())
@property_test
def test_no_customer_is_lost_or_made(day: DrawnDay) -> None:
    """A stock changes by what flows in less what flows out; nobody is served below nothing."""
    table = Table(day)
    for epoch in range(len(table.decisions)):
        before, after, flows = table.stocks(epoch), table.stocks(epoch + 1), table.outputs(epoch)
        assert min(flows.values()) >= 0
        for stock in table.description.stocks:
            net = sum(
                flows[f.name] * ((f.target == stock.name) - (f.source == stock.name))
                for f in table.description.flows
            )
            assert after[stock.name] == before[stock.name] + net >= 0


@given(days())
@property_test
def test_nobody_waits_for_a_team_with_room_in_a_pool_with_a_free_agent(day: DrawnDay) -> None:
    """A manager counts on assigned agents to work as long as their queue has anybody in it."""
    table = Table(day)
    for epoch in range(len(table.decisions)):
        stocks, sizes = table.stocks(epoch + 1), table.sizes(epoch)
        for team in table.system.teams:
            mates = [t.name for t in table.system.teams if t.pool == team.pool]
            pool_busy = sum(stocks[f"{mate}_busy"] for mate in mates)
            has_room = stocks[f"{team.name}_busy"] < sizes[team.name]
            has_agent = pool_busy < table.system.rosters[team.pool][epoch]
            assert not (stocks[f"{team.serves}_waiting"] and has_room and has_agent)


@given(days())
@property_test
def test_a_team_above_its_size_finishes_what_it_has_and_starts_nothing(day: DrawnDay) -> None:
    """Moving agents never breaks off a conversation, and never lets an overfull team grow."""
    table = Table(day)
    for epoch in range(len(table.decisions)):
        before, after = table.stocks(epoch), table.stocks(epoch + 1)
        flows, sizes = table.outputs(epoch), table.sizes(epoch)
        for team in table.system.teams:
            busy = after[f"{team.name}_busy"]
            assert busy <= max(before[f"{team.name}_busy"], sizes[team.name])
            if busy > sizes[team.name]:
                assert flows[f"{team.name}_started"] == 0


@given(days())
@property_test
def test_a_pool_never_serves_more_customers_than_it_has_agents(day: DrawnDay) -> None:
    """Teams share their pool's agents; only those still busy after a shift's end are on top."""
    table = Table(day)
    for epoch in range(len(table.decisions)):
        before, after = table.stocks(epoch), table.stocks(epoch + 1)
        for pool, roster in table.system.rosters.items():
            busy = [f"{t.name}_busy" for t in table.system.teams if t.pool == pool]
            limit = max(roster[epoch], sum(before[name] for name in busy))
            assert sum(after[name] for name in busy) <= limit
            assert sum(table.sizes(epoch)[name[:-5]] for name in busy) == roster[epoch]


@given(days())
@property_test
def test_waiting_minutes_fit_the_people_who_can_have_waited(day: DrawnDay) -> None:
    """An epoch's waiting is at most everybody who was ever in the queue, for its whole length."""
    table = Table(day)
    for epoch, answer in enumerate(table.epochs):
        before, flows = table.stocks(epoch), table.outputs(epoch)
        for name in (c.name for c in table.system.classes):
            came = sum(
                flows[f.name] for f in table.description.flows if f.target == f"{name}_waiting"
            )
            people = before[f"{name}_waiting"] + came
            assert 0 <= flows[f"{name}_wait"] <= people * answer.duration + 1e-9


@given(days())
@property_test
def test_the_same_seed_gives_the_same_trace(day: DrawnDay) -> None:
    """A result can only be traced to its cause when a run can be repeated to the last digit."""
    first, again = (run_day(ServiceSystem(day.system()), day.seed, day.decisions) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.state, other.state)
        np.testing.assert_array_equal(one.outputs, other.outputs)


@given(days())
@property_test
def test_who_comes_does_not_depend_on_what_is_decided(day: DrawnDay) -> None:
    """Two policies are compared on the same customers, or the difference is partly luck."""
    simulator = ServiceSystem(day.system())
    description = simulator.describe()
    came, also_came = (
        outputs(run_day(simulator, day.seed, decisions), description, "class0_arrivals").tolist()
        for decisions in (day.decisions, [1.0 - decision for decision in day.decisions])
    )
    assert came == also_came


def test_a_case_passed_on_waits_behind_the_cases_before_it() -> None:
    """First come, first served must hold for customers from inside just as for arrivals.

    Both calls end after their agents' shift: at 2.2, when the other agent is still one too many,
    and at 2.6, when the one agent left takes the older case. The younger gives up at 3.6.
    """
    system = System(
        name="handover",
        arrivals={"call": FixedArrivals((0.2, 0.6))},
        classes=(
            CustomerClass(
                name="call",
                service=Deterministic(mean=2.0),
                routes=(Route(to="case", probability=1.0),),
            ),
            CustomerClass(
                name="case", service=Deterministic(mean=50.0), patience=Deterministic(mean=1.0)
            ),
        ),
        teams=(
            ServerTeam(name="calls", pool="staff", serves="call"),
            ServerTeam(name="cases", pool="staff", serves="case", lever="moved"),
        ),
        pools=(Pool(name="staff", shifts=((0.0, 2.0), (1.0, 1.0))),),
        boundaries=(0.0, 1.0, 4.0),
        levers=(Lever(name="moved", levels=(0.0, 1.0)),),
    )
    simulator = ServiceSystem(system)
    evening = run_day(simulator, 0, [np.array([0.0]), np.array([1.0])])[1]
    counted = dict(zip(simulator.describe().output_names, evening.outputs, strict=True))
    assert (counted["cases_started"], counted["case_abandoned"]) == (1, 1)
    assert counted["case_wait"] == pytest.approx(0.4 + 1.0)


def test_specialists_and_first_line_share_one_queue_of_calls() -> None:
    """Both pools that serve calls must work while calls wait, and the first listed is preferred."""
    simulator = ServiceSystem(small_centre())
    epochs = run_day(simulator, 1, [np.array([0.0, 0.4])] * 6)
    first, helping = (
        outputs(epochs, simulator.describe(), f"{team}_started").sum()
        for team in ("tier1_calls", "tier2_calls")
    )
    assert 0 < helping < first
