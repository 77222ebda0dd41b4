"""What holds in every network, whatever it is made of and whatever is decided."""

from dataclasses import replace
from functools import cached_property

import numpy as np
from hypothesis import assume, given, settings

from sim.epoch import Epoch
from sim.servers import Pool
from sim.simulator import ServiceSystem
from tests.sim.engine.plain_network import PlainNetwork
from tests.sim.networks import RANKED, Network, networks, plain_networks
from tests.systems import unchecked

property_test = settings(max_examples=60, deadline=None, derandomize=True, database=None)


class Episode:
    """One episode of a network, read by name."""

    def __init__(
        self,
        network: Network,
        *,
        is_steady: bool = False,
        simulator: ServiceSystem | None = None,
    ) -> None:
        self.network, self.system = network, network.system
        self.simulator = simulator or ServiceSystem(self.system)
        self.description = self.simulator.describe()
        self.decisions: list[np.ndarray] = []
        self.epochs: list[Epoch] = []
        states = [self.simulator.reset(network.seed)]
        while not self.epochs or not self.epochs[-1].is_last:
            self.decisions.append(network.decision(len(self.epochs), is_steady=is_steady))
            self.epochs.append(self.simulator.advance(self.decisions[-1]))
            states.append(self.epochs[-1].state)
        self.states = np.array(states)
        self.outputs = np.array([epoch.outputs for epoch in self.epochs])
        self.durations = np.array([epoch.duration for epoch in self.epochs])
        self.minutes = np.concatenate(([0.0], np.cumsum(self.durations)))

    def state(self, name: str) -> np.ndarray:
        """A component at the beginning and at the end of every epoch."""
        return self.states[:, self.description.state_names.index(name)]

    def output(self, name: str) -> np.ndarray:
        return self.outputs[:, self.description.output_names.index(name)]

    def level(self, lever: str) -> np.ndarray:
        return np.array(self.decisions)[:, self.description.lever_names.index(lever)]

    @cached_property
    def is_repeated(self) -> np.ndarray:
        """Whether an epoch has the decision of the one before."""
        same = [
            np.array_equal(a, b) for a, b in zip(self.decisions, self.decisions[1:], strict=False)
        ]
        return np.array([False, *same])

    def up(self, pool: Pool) -> np.ndarray:
        """Servers who may serve at the end of every epoch."""
        if pool.is_flexible:
            return self.state(f"{pool.name}_up")[1:]
        # A change of shift is an event that ends an epoch, or comes with the epoch that begins.
        ends = self.minutes[1:] + (1e-9 if self.system.is_event_driven else -1e-9)
        return np.array([pool.on_duty(float(minute)) for minute in ends])

    def sizes(self, pool: Pool) -> dict[str, np.ndarray]:
        """Most servers of each of a pool's teams at the end of every epoch."""
        up = left = np.full(len(self.epochs), np.inf) if pool.is_shared else self.up(pool)
        teams = [team for team in self.system.teams if team.pool == pool.name]
        sizes = {}
        for team in teams:
            if team.lever is not None:
                sizes[team.name] = np.minimum(np.rint(self.level(team.lever) * up), left)
                left = left - sizes[team.name]
        return sizes | {team.name: left for team in teams if team.lever is None}

    def busy(self, pool: Pool) -> np.ndarray:
        """Customers in service with a pool at the beginning and at the end of every epoch."""
        teams = [team for team in self.system.teams if team.pool == pool.name]
        return np.asarray(np.sum([self.state(f"{t.name}_busy") for t in teams], axis=0))


@given(networks())
@property_test
def test_no_customer_is_lost_or_made(network: Network) -> None:
    """A stock changes by what flows in less what flows out; nothing is ever below nothing."""
    with unchecked():
        episode = Episode(network)
    assert (episode.outputs >= 0).all()
    assert (episode.states >= 0).all()
    for stock in episode.description.stocks:
        net = np.zeros(len(episode.epochs))
        for flow in episode.description.flows:
            sign = (flow.target == stock.name) - (flow.source == stock.name)
            net += sign * episode.output(flow.name)
        np.testing.assert_array_equal(np.diff(episode.state(stock.name)), net)


@given(networks())
@property_test
def test_time_goes_on_and_the_episode_ends(network: Network) -> None:
    """Epochs last as long as announced, or until the next event, and there are never too many."""
    with unchecked():
        episode = Episode(network)
    planned = network.minutes
    if planned:
        np.testing.assert_allclose(episode.durations, planned, rtol=1e-12)
    assert (episode.durations >= 0).all()
    assert len(episode.epochs) <= episode.description.epochs
    assert [epoch.is_last for epoch in episode.epochs].count(True) == 1


@given(networks())
@property_test
def test_rooms_are_never_overfull(network: Network) -> None:
    """Places are counted over all classes of a room, waiting and in service alike."""
    with unchecked():
        episode = Episode(network)
    for room in episode.system.rooms:
        inside = sum(
            episode.state(stock.name)
            for stock in episode.description.stocks
            if any(
                stock.name == f"{name}_waiting"
                or stock.team in [t.name for t in episode.system.teams if t.serves == name]
                for name in room.classes
            )
        )
        assert np.max(inside) <= room.places


@given(networks())
@property_test
def test_a_pool_serves_no_more_customers_than_it_has_servers(network: Network) -> None:
    """Beyond those on duty are only those who finish what they had, or none with preemption."""
    with unchecked():
        episode = Episode(network)
    for pool in episode.system.pools:
        if pool.is_shared:
            continue
        busy, up = episode.busy(pool), episode.up(pool)
        is_over = busy[1:] > up
        if pool.preemption is not None:
            assert not is_over.any()
        elif episode.system.is_event_driven:
            # A new decision may bring servers who are gone again when the epoch ends.
            steady = is_over & episode.is_repeated
            assert (busy[1:] <= busy[:-1])[steady].all()
            for team in episode.system.teams:
                if team.pool == pool.name:
                    assert (episode.output(f"{team.name}_started")[steady] == 0).all()


@given(networks())
@property_test
def test_nobody_waits_for_a_team_with_room_in_a_pool_with_a_free_server(network: Network) -> None:
    """Whatever a server picks, it picks somebody: work is there for the free."""
    with unchecked():
        episode = Episode(network)
    for pool in episode.system.pools:
        has_free = np.full(len(episode.epochs), True)
        if not pool.is_shared:
            has_free = episode.busy(pool)[1:] < episode.up(pool)
        for name, size in episode.sizes(pool).items():
            team = next(team for team in episode.system.teams if team.name == name)
            waits = episode.state(f"{team.serves}_waiting")[1:] > 0
            assert not (waits & has_free & (episode.state(f"{name}_busy")[1:] < size)).any()


@given(networks(kinds=RANKED))
@property_test
def test_nobody_of_a_lower_team_is_served_while_a_higher_one_could_be(network: Network) -> None:
    """With preemption by priority, whoever waits for a team with room sees no lower service."""
    with unchecked():
        episode = Episode(network)
    for pool in episode.system.pools:
        sizes = episode.sizes(pool)
        serves = {team.name: team.serves for team in episode.system.teams}
        listed = tuple(team.name for team in episode.system.teams if team.pool == pool.name)
        for epoch in range(len(episode.epochs)):
            order = pool.orders[int(episode.level(pool.order)[epoch])] if pool.order else listed
            for rank, name in enumerate(order):
                waits = episode.state(f"{serves[name]}_waiting")[epoch + 1] > 0
                if waits and episode.state(f"{name}_busy")[epoch + 1] < sizes[name][epoch]:
                    lower = [t for t in order[rank + 1 :] if serves[t] != serves[name]]
                    assert all(episode.state(f"{t}_busy")[epoch + 1] == 0 for t in lower)


@given(networks())
@property_test
def test_the_same_seed_gives_the_same_trace(network: Network) -> None:
    """Alone or after other episodes of the same simulator, to the last digit."""
    with unchecked():
        first = Episode(network)
        Episode(replace(network, seed=network.seed + 1), simulator=first.simulator)
        again = Episode(network, simulator=first.simulator)
    np.testing.assert_array_equal(first.states, again.states)
    np.testing.assert_array_equal(first.outputs, again.outputs)
    np.testing.assert_array_equal(first.durations, again.durations)


@given(networks(is_event_driven=False))
@property_test
def test_who_comes_from_outside_does_not_depend_on_what_is_decided(network: Network) -> None:
    """Policies meet the same customers, or their difference is partly luck."""
    with unchecked():
        decided, steady = Episode(network), Episode(network, is_steady=True)
    for flow in decided.description.flows:
        if flow.source is None and "hub" not in decided.system.arrivals:
            np.testing.assert_array_equal(decided.output(flow.name), steady.output(flow.name))
    came, also_came = (
        sum(e.output(flow.name) for flow in e.description.flows if flow.source is None)
        for e in (decided, steady)
    )
    np.testing.assert_array_equal(came, also_came)


@given(networks(is_event_driven=True))
@property_test
def test_time_spent_is_the_state_before_an_event_times_the_minutes_until_it(
    network: Network,
) -> None:
    """Between two events nothing changes: whoever waits, waits for exactly that long.

    A new decision may move customers before the minutes pass, so it is left out.
    """
    with unchecked():
        episode = Episode(network)
    steady = episode.is_repeated
    minutes = episode.durations[steady]

    def assert_spent(output: str, held: np.ndarray) -> None:
        spent = episode.output(output)[steady]
        np.testing.assert_allclose(spent, held[:-1][steady] * minutes, rtol=1e-9, atol=1e-9)

    for c in episode.system.classes:
        waiting = episode.state(f"{c.name}_waiting")
        teams = [team for team in episode.system.teams if team.serves == c.name]
        serving = sum(episode.state(f"{team.name}_busy") for team in teams)
        assert_spent(f"{c.name}_wait", waiting)
        assert_spent(f"{c.name}_present", waiting + serving)
    for team in episode.system.teams:
        assert_spent(f"{team.name}_busy_minutes", episode.state(f"{team.name}_busy"))
    for pool in episode.system.pools:
        if not pool.is_unlimited and not pool.is_shared:
            up = np.concatenate(([0.0], episode.up(pool)))
            assert_spent(f"{pool.name}_overtime_minutes", np.maximum(episode.busy(pool) - up, 0.0))


@given(networks(is_event_driven=True))
@property_test
def test_a_day_is_the_same_in_one_epoch_as_in_many(network: Network) -> None:
    """Under one decision it must not matter when anybody looks.

    Patience that is settled late and patience that is watched agree, and so do times that are
    summed once and at every event.
    """
    with unchecked():
        by_events = Episode(network, is_steady=True)
        end = float(by_events.minutes[-1]) * (1 + 1e-12)
        assume(end > 0)
        for minutes in ([end], [end / 3] * 3):
            at_once = Episode(replace(network, minutes=minutes), is_steady=True)
            total, same = by_events.outputs.sum(axis=0), at_once.outputs.sum(axis=0)
            # Moves are counted from decision to decision, and shifts change sizes in between.
            additive = [name != "moves" for name in by_events.description.output_names]
            np.testing.assert_allclose(same[additive], total[additive], rtol=1e-9, atol=1e-6)


@given(plain_networks())
@property_test
def test_every_event_agrees_with_a_plain_simulator(network: Network) -> None:
    """Counting everything anew after every event must give the same minutes and the same stocks."""
    with unchecked():
        episode = Episode(network)
        plain = PlainNetwork(network.system, network.seed)
        for epoch, minute in enumerate(episode.minutes[1:]):
            plain.run_to_next_event()
            np.testing.assert_allclose(plain.now, minute, rtol=1e-9)
            for name, customers in plain.stocks().items():
                assert episode.state(name)[epoch + 1] == customers, (name, minute)
