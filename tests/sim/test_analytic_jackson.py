import pytest

from sim.analytic import JacksonStation, erlang_c_mean_wait, jackson_network
from sim.errors import InvalidSystem, UnstableSystem


def test_stations_in_a_row_are_queues_of_their_own() -> None:
    """Burke's theorem: what leaves M/M/1 is Poisson, so that the next is M/M/1 too."""
    first, second = jackson_network(
        (
            JacksonStation(name="a", service_rate=2.0, arrival_rate=1.0, routes={"b": 1.0}),
            JacksonStation(name="b", service_rate=4.0),
        )
    )
    assert (first.mean_number, second.mean_number) == pytest.approx((1.0, 1 / 3))
    assert (first.mean_sojourn, second.mean_sojourn) == pytest.approx((1.0, 1 / 3))
    assert (first.utilisation, second.utilisation) == pytest.approx((0.5, 0.25))


def test_traffic_that_returns_is_counted_at_every_visit() -> None:
    """Half of the customers come back from the second station: each passes both twice."""
    first, second = jackson_network(
        (
            JacksonStation(name="a", service_rate=3.0, arrival_rate=1.0, routes={"b": 1.0}),
            JacksonStation(name="b", service_rate=1.0, servers=4, routes={"a": 0.5}),
        )
    )
    assert (first.throughput, second.throughput) == pytest.approx((2.0, 2.0))
    assert first.mean_number == pytest.approx(2.0)
    assert second.mean_sojourn == pytest.approx(1.0 + erlang_c_mean_wait(2.0, 1.0, 4))


def test_a_station_may_feed_itself() -> None:
    """Feedback of a third raises the rate by half: load 3/4 gives 3 customers."""
    (only,) = jackson_network(
        (JacksonStation(name="a", service_rate=2.0, arrival_rate=1.0, routes={"a": 1 / 3}),)
    )
    assert only.throughput == pytest.approx(1.5)
    assert only.mean_number == pytest.approx(3.0)


def test_nobody_waits_at_a_delay() -> None:
    """An infinite-server station holds its offered load, however much comes."""
    (walk, unused) = jackson_network(
        (
            JacksonStation(name="walk", service_rate=0.5, servers=None, arrival_rate=30.0),
            JacksonStation(name="unused", service_rate=1.0),
        )
    )
    assert (walk.mean_number, walk.mean_sojourn, walk.utilisation) == pytest.approx((60, 2, 0))
    assert (unused.throughput, unused.mean_number, unused.mean_sojourn) == (0, 0, 0)


def test_customers_in_system_obey_little_s_law() -> None:
    """Means over stations add up to the arrival rate times the time from entry to exit."""
    stations = jackson_network(
        (
            JacksonStation(
                name="triage",
                service_rate=1.0,
                servers=3,
                arrival_rate=2.0,
                routes={"x-ray": 0.4, "doctor": 0.6},
            ),
            JacksonStation(name="x-ray", service_rate=0.9, routes={"doctor": 1.0}),
            JacksonStation(name="doctor", service_rate=0.5, servers=6, routes={"x-ray": 0.02}),
        )
    )
    visits = [station.throughput / 2.0 for station in stations]
    stay = sum(v * station.mean_sojourn for v, station in zip(visits, stations, strict=True))
    assert sum(station.mean_number for station in stations) == pytest.approx(2.0 * stay)
    assert visits[1] == pytest.approx(0.4 + 0.02 * visits[2])
    assert visits[2] == pytest.approx(0.6 + visits[1])


def test_the_station_that_cannot_keep_up_is_named() -> None:
    """In a network of many only one may be short of servers."""
    stations = (
        JacksonStation(name="a", service_rate=2.0, arrival_rate=1.0, routes={"triage": 1.0}),
        JacksonStation(name="triage", service_rate=1 / 2.14, servers=2),
    )
    message = "utilisation 1.07 at station 'triage': add a server or lower arrival_rate"
    with pytest.raises(UnstableSystem, match=message):
        jackson_network(stations)


def test_a_network_that_nobody_can_leave_is_refused() -> None:
    """Its traffic equations have no solution, or a negative one."""
    stations = (
        JacksonStation(name="a", service_rate=2.0, arrival_rate=1.0, routes={"b": 0.5}),
        JacksonStation(name="b", service_rate=2.0, routes={"c": 1.0}),
        JacksonStation(name="c", service_rate=2.0, routes={"b": 1.0}),
    )
    with pytest.raises(InvalidSystem, match="who reaches station 'b' never leaves"):
        jackson_network(stations)


def test_routes_to_nowhere_and_too_much_probability_are_refused() -> None:
    """A misspelt name would lose customers, and too much probability would make some."""
    with pytest.raises(InvalidSystem, match="routes to 'docter'; did you mean 'doctor'"):
        jackson_network(
            (
                JacksonStation(name="triage", service_rate=1.0, routes={"docter": 1.0}),
                JacksonStation(name="doctor", service_rate=1.0),
            )
        )
    with pytest.raises(InvalidSystem, match=r"station 'a' add up to 1\.1"):
        JacksonStation(name="a", service_rate=1.0, routes={"b": 0.6, "c": 0.5})
    with pytest.raises(InvalidSystem, match=r"station 'a' are \{'b': -0\.1\}"):
        JacksonStation(name="a", service_rate=1.0, routes={"b": -0.1})
    with pytest.raises(InvalidSystem, match="each its own name"):
        jackson_network((JacksonStation(name="a", service_rate=1.0),) * 2)
