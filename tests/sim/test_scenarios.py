"""The bundled scenarios, and each part of the vocabulary that a scenario file may use."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from sim.arrivals import PoissonArrivals
from sim.checks.load import mean_load
from sim.contract import assert_contract
from sim.epoch import Epoch
from sim.output import mean_interval
from sim.scenario import SimulatorRecipe, bundled_scenarios, load_scenario
from sim.simulator import ServiceSystem, Simulator
from sim.system import MEASURES, System

STAND_IN = PoissonArrivals(rate=2.0)
"""In place of volumes that would have to be learnt first."""


def _every_version() -> Iterator[str]:
    for name in bundled_scenarios():
        yield name
        yield from (f"{name}:{variant}" for variant in load_scenario(name).variants)


VERSIONS = tuple(_every_version())


@cache
def _recipe(name: str) -> SimulatorRecipe:
    scenario = load_scenario(name)
    return SimulatorRecipe(
        scenario=scenario, arrivals=STAND_IN if scenario.volumes is not None else None
    )


def _run(simulator: Simulator, seed: int) -> Iterator[tuple[np.ndarray, Epoch]]:
    """(state before, epoch) of an episode under random decisions."""
    random = np.random.default_rng(seed)
    decisions = simulator.describe().decisions
    state, is_last = simulator.reset(seed), False
    while not is_last:
        epoch = simulator.advance(decisions[random.integers(len(decisions))])
        yield state, epoch
        state, is_last = epoch.state, epoch.is_last


# What is bundled


def test_every_kind_of_system_that_is_promised_is_bundled() -> None:
    """The README and the studies name these."""
    assert set(bundled_scenarios()) >= {
        "autoscaling",
        "bank",
        "callbacks",
        "clinic",
        "criss_cross",
        "emergency",
        "five_class",
        "hospital_overflow",
        "input_switch",
        "n_model",
        "reentrant",
        "tandem",
    }
    assert load_scenario("criss_cross").variants == ("IL", "BL", "IM", "BM", "IH", "BH")
    assert load_scenario("reentrant").variants == ("L3", "L4", "L5")


@pytest.mark.parametrize("name", VERSIONS)
def test_a_bundled_scenario_explains_itself(name: str) -> None:
    """A reader learns from the file what it is, what may be decided and what it costs."""
    scenario = _recipe(name).scenario
    description = _recipe(name).system.describe()
    assert len(scenario.summary.split()) >= 40
    assert scenario.costs.outputs
    assert scenario.costs.unit
    assert description.levers
    assert all(len(lever.levels) >= 2 for lever in description.levers)
    assert len(description.decisions) <= 243


@pytest.mark.parametrize("name", bundled_scenarios())
def test_a_bundled_scenario_keeps_the_contract(name: str) -> None:
    """Whatever is decided at random: whole counts, balanced flows, the same again by the seed."""
    assert_contract(_recipe(name), epochs=10, repeated=4)


@pytest.mark.parametrize("name", VERSIONS)
def test_customers_are_where_the_flows_have_put_them(name: str) -> None:
    """Nobody appears and nobody is lost: each stock is what it was, plus inflows, less outflows."""
    recipe = _recipe(name)
    description = recipe.system.describe()
    stocks = [stock.name for stock in description.stocks]
    balance = np.array(
        [[(f.target == s) - (f.source == s) for f in description.flows] for s in stocks], float
    )
    came = np.zeros(len(description.flows))
    for before, epoch in islice(_run(recipe(), seed=5), 300):
        flows = epoch.outputs[: len(description.flows)]
        after = before[: len(stocks)] + balance @ flows
        assert np.array_equal(after, epoch.state[: len(stocks)])
        assert (after >= 0).all()
        came += flows
    used = {f.name for f, n in zip(description.flows, came, strict=True) if n > 0}
    assert {f"{name}_arrivals" for name in recipe.system.arrivals} <= used


def _by_events(system: System, events: int) -> System:
    """The same system with a decision after every event and every measure."""
    return replace(system, boundaries=(), events=events, measures=tuple(MEASURES))


@pytest.mark.parametrize("name", VERSIONS)
def test_minutes_are_customers_times_time(name: str) -> None:
    """Between two events nobody moves, so what is measured there is a count times a duration.

    That is Little's law on a path: the engine sums moments of leaving less moments of entering,
    and the counts come from the queues themselves. The decision stays the same, for another one
    may seat people at the moment at which it is taken.
    """
    system = _by_events(_recipe(name).system, events=300)
    simulator = ServiceSystem(system)
    description = system.describe()
    names = [stock.name for stock in description.stocks]
    outputs = description.output_names
    state, is_last = simulator.reset(11), False
    decision = description.decisions[len(description.decisions) // 2]
    while not is_last:
        epoch = simulator.advance(decision)
        held = dict(zip(names, state * epoch.duration, strict=False))
        measured = dict(zip(outputs, epoch.outputs, strict=True))
        for c in system.classes:
            served = [t.name for t in system.teams if t.serves == c.name]
            wait, busy = held[f"{c.name}_waiting"], [held[f"{name}_busy"] for name in served]
            minutes = [measured[f"{name}_busy_minutes"] for name in served]
            assert measured[f"{c.name}_wait"] == pytest.approx(wait, abs=1e-6)
            assert minutes == pytest.approx(busy, abs=1e-6)
            assert measured[f"{c.name}_present"] == pytest.approx(wait + sum(busy), abs=1e-6)
        state, is_last = epoch.state, epoch.is_last


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("criss_cross:IL", 0.3),
        ("criss_cross:BL", 0.3),
        ("criss_cross:IM", 0.6),
        ("criss_cross:BM", 0.6),
        ("criss_cross:IH", 0.9),
        ("criss_cross:BH", 0.9),
        ("five_class", 0.9),
        ("input_switch", 0.9),
        ("n_model", 0.95),
        *((f"reentrant{line}", 0.9) for line in ("", ":L3", ":L4", ":L5")),
    ],
)
def test_networks_of_the_literature_have_their_loads(name: str, load: float) -> None:
    """The static planning problem gives the load by arithmetic, and the sources state it."""
    assert mean_load(_recipe(name).system).utilisation == pytest.approx(load)


@pytest.mark.parametrize(
    ("name", "pool", "decision"),
    [
        ("autoscaling:dedicated", "workers", {"servers": 8.0}),
        ("callbacks", "agents", {"put_through": 1.0, "on_callbacks": 0.1}),
        ("clinic", "doctors", {"at_laboratory": 0.4, "at_pharmacy": 0.34, "doctors_first": 1.0}),
        ("emergency", "bays", {"next_in_bays": 0.0, "fast_track_rooms": 1.0}),
        ("hospital_overflow", "medical_ward", {"orthopaedic_lends": 0.1}),
        ("tandem", "machine_1", {"admit": 1.0, "hurry": 1.0}),
    ],
)
def test_a_bundled_scenario_is_busy_but_not_lost(
    name: str, pool: str, decision: dict[str, float]
) -> None:
    """With hands idle half the time any rule will do; with too few no rule will.

    The load of a busy pool under a fair decision, in the second half of two episodes.
    """
    system = replace(_recipe(name).system, measures=("busy", "on"))
    description = system.describe()
    level = {lever.name: lever.levels[0] for lever in description.levers} | decision
    fixed = np.array([level[lever] for lever in description.lever_names])
    served = [f"{team.name}_busy_minutes" for team in system.teams if team.pool == pool]
    names, totals = description.output_names, np.zeros(len(description.output_names))
    simulator = ServiceSystem(system)
    for seed in range(2):
        simulator.reset(seed)
        day = [simulator.advance(fixed).outputs for _ in range(description.epochs)]
        totals += sum(day[len(day) // 2 :])
    minutes = dict(zip(names, totals.tolist(), strict=True))
    busy = sum(minutes[output] for output in served)
    assert 0.75 <= busy / minutes[f"{pool}_on_minutes"] <= 0.98


def test_the_five_classes_cost_what_priority_queues_cost() -> None:
    """Under c-mu with preemption the first k classes are an M/M/1 queue that sees nobody else.

    At half the load, where a short run tells enough: 16 runs after a warm-up, a 99.9% interval, at
    most 15% of the cost (2.07) either way, which shuts out first come first served (2.45).
    """
    recipe = _recipe("five_class")
    # One decision for ever needs no epochs but for the warm-up.
    simulator = ServiceSystem(replace(recipe.system, events=0, boundaries=(0.0, 50.0, 1050.0)))
    description, prices = simulator.describe(), recipe.scenario.costs.outputs
    weights = np.array([prices.get(output, 0.0) for output in description.output_names])
    costs = []
    for seed in range(16):
        simulator.reset(seed, {"arrival_scale": 0.5})
        simulator.advance(description.decisions[0])
        costs.append(weights @ simulator.advance(description.decisions[0]).outputs / 1000.0)
    loads = 0.09 * np.arange(1, 6)
    # Each class costs 1 more than the next, so that costs add up to those of the first k classes.
    exact = float((loads / (1 - loads)).sum())
    interval = mean_interval(costs, confidence=0.999)
    assert interval.low <= exact <= interval.high
    assert interval.high - interval.low <= 0.3 * exact


# Each part of the vocabulary

WORKSHOP = """
name = "workshop"
summary = "Repairs."
measures = ["wait", "present", "busy", "on", "overtime"]

[day]
minutes = 240

[epochs]
minutes = 20

[arrivals]
repair = { process = "poisson", rate = 1.0 }

[[classes]]
name = "repair"
service = { distribution = "exponential", mean = 1.8 }
#repair

[pools]
#pools

[[teams]]
name = "smiths"
pool = "smiths"
serves = "repair"
#team

#sections

[costs.outputs]
repair_wait = 1.0
"""
SMITHS = "[pools.smiths]\nservers = 2\n"


def _workshop(tmp_path: Path, **pieces: str) -> SimulatorRecipe:
    """A small shop with text put in where its file has a mark, or in place of a line."""
    text = WORKSHOP
    for mark, piece in ({"pools": SMITHS} | pieces).items():
        text = text.replace(f"#{mark}", piece)
    if "arrivals" in pieces:
        text = text.replace('{ process = "poisson", rate = 1.0 }', pieces["arrivals"])
    if "service" in pieces:
        text = text.replace('{ distribution = "exponential", mean = 1.8 }', pieces["service"])
    path = tmp_path / "workshop.toml"
    path.write_text(text, encoding="utf-8")
    return SimulatorRecipe(scenario=load_scenario(str(path)))


def _class(name: str, **keys: str) -> str:
    return "\n".join(
        [f'[[classes]]\nname = "{name}"', *(f"{k} = {v}" for k, v in keys.items()), ""]
    )


def _team(name: str, pool: str, serves: str) -> str:
    return f'[[teams]]\nname = "{name}"\npool = "{pool}"\nserves = "{serves}"\n'


def _totals(recipe: SimulatorRecipe, seed: int = 1) -> dict[str, float]:
    """The outputs of a day under random decisions; the contract must hold as well."""
    assert_contract(recipe, epochs=8, repeated=3)
    names = recipe().describe().output_names
    total = sum(epoch.outputs for _, epoch in _run(recipe(), seed))
    return dict(zip(names, np.asarray(total).tolist(), strict=True))


SHORT = '{ distribution = "exponential", mean = 0.2 }'


@pytest.mark.parametrize(
    ("low", "high", "process"),
    [
        (79, 80, """{ process = "renewal",
            interval = { distribution = "deterministic", mean = 3 } }"""),
        (120, 420, """{ process = "markov_modulated", rates = [0.2, 2.0],
            generator = [[-0.1, 0.1], [0.1, -0.1]] }"""),
        (180, 300, """{ process = "sinusoidal", mean_rate = 1, amplitude = 0.9, period = 60 }"""),
        (180, 300, """{ process = "time_varying", rates = [0.0, 2.0], slot_minutes = 20 }"""),
        (120, 380, """{ process = "doubly_stochastic",
            profile = [[10, 10, 20, 20, 30, 30, 30, 30, 20, 20, 10, 10]],
            day_sd = 0.1, slot_sd = 0.2, persistence = 0.5, slot_minutes = 20 }"""),
        (80, 330, """{ process = "batch",
            of = { process = "poisson", rate = 0.2 }, sizes = 4.0 }"""),
    ],
)  # fmt: skip
def test_every_process_of_arrivals_can_be_named(
    tmp_path: Path, low: int, high: int, process: str
) -> None:
    """As many come in four hours as the process says, within four standard deviations."""
    totals = _totals(_workshop(tmp_path, arrivals=" ".join(process.split())))
    assert low <= totals["repair_arrivals"] <= high


def test_batches_come_whole(tmp_path: Path) -> None:
    """Customers of a batch come at one moment, so no epoch can part them."""
    batches = '{ process = "batch", of = { process = "poisson", rate = 0.3 }, sizes = [0, 0, 1.0] }'
    simulator = _workshop(tmp_path, arrivals=batches)()
    came = simulator.describe().output_names.index("repair_arrivals")
    counts = [epoch.outputs[came] for _, epoch in _run(simulator, seed=1)]
    assert sum(counts) > 0
    assert not any(count % 3 for count in counts)


def test_recorded_customers_come_again(tmp_path: Path) -> None:
    """A user's own log is a process of arrivals, one timestamp a customer."""
    stamps = ["2024-03-04 00:00:30", "2024-03-04 00:21:00", "2024-03-04 03:59:00"]
    log = tmp_path / "log.csv"
    log.write_text("came\n" + "\n".join(stamps) + "\n", encoding="utf-8")
    recorded = (
        f'{{ process = "recorded", file = "{log.as_posix()}", time_column = "came", '
        'opening = "00:00", slots = 12, slot_minutes = 20 }'
    )
    simulator = _workshop(tmp_path, arrivals=recorded)()
    came = simulator.describe().output_names.index("repair_arrivals")
    counts = [epoch.outputs[came] for _, epoch in _run(simulator, seed=1)]
    assert counts == [1, 1, *([0] * 9), 1]


@pytest.mark.parametrize(
    "service",
    [
        '{ distribution = "deterministic", mean = 1.8 }',
        '{ distribution = "erlang", mean = 1.8, phases = 3 }',
        '{ distribution = "hyperexponential", mean = 1.8, scv = 2.0 }',
        '{ distribution = "phase_type", initial = [1, 0], generator = [[-1, 0.8], [0, -1]] }',
        '{ distribution = "weibull", mean = 1.8, shape = 1.5 }',
        '{ distribution = "gamma", mean = 1.8, scv = 0.5 }',
        '{ distribution = "lognormal", mean = 1.8, scv = 0.5 }',
        '{ distribution = "empirical", values = [0.5, 1.2, 2.4, 3.1] }',
        '{ distribution = "scipy", family = "invgauss", parameters = { mu = 0.9, scale = 2.0 } }',
    ],
)
def test_every_distribution_can_be_named(tmp_path: Path, service: str) -> None:
    """All have a mean of 1.8 minutes, so that two smiths work about nine minutes in ten.

    240 services: the interval is four standard errors of a mean with scv 2, and the last jobs.
    """
    totals = _totals(_workshop(tmp_path, service=service))
    assert totals["smiths_busy_minutes"] / totals["smiths_started"] == pytest.approx(1.8, rel=0.4)


@pytest.mark.parametrize("order", ["first_come", "last_come", "shortest_first"])
def test_every_order_of_service_can_be_named(tmp_path: Path, order: str) -> None:
    """Whoever is next, the smiths have the same work to do."""
    totals = _totals(_workshop(tmp_path, repair=f'order = "{order}"'))
    assert totals["repair_arrivals"] >= totals["smiths_finished"] > 150


def test_the_shortest_first_wait_least(tmp_path: Path) -> None:
    """Serving short jobs first makes many wait a little less and few wait much longer."""
    waits = {
        order: _totals(_workshop(tmp_path, repair=f'order = "{order}"'), seed=2)["repair_wait"]
        for order in ("first_come", "shortest_first")
    }
    assert waits["shortest_first"] < waits["first_come"]


def test_impatient_customers_try_again_from_an_orbit(tmp_path: Path) -> None:
    """An orbit is a class whose servers never run out: everybody there is on the way back."""
    orbit = _class("orbit", service='{ distribution = "exponential", mean = 10.0 }')
    recipe = _workshop(
        tmp_path,
        repair='patience = { distribution = "exponential", mean = 1.0 }\n'
        "abandonment_routes = { orbit = 0.8 }\n\n" + orbit + "routes = { repair = 1.0 }",
        pools='home = "unlimited"\n' + SMITHS,
        team=_team("resting", "home", "orbit"),
    )
    totals = _totals(recipe)
    assert totals["orbit_wait"] == 0
    assert totals["repair_abandoned_to_orbit"] == totals["resting_started"] > 0
    assert totals["resting_to_repair"] > 0


def test_who_balks_is_called_back(tmp_path: Path) -> None:
    """Everybody who finds three waiting turns away and leaves a number."""
    callback = _class("callback", service='{ distribution = "exponential", mean = 1.0 }')
    recipe = _workshop(
        tmp_path,
        repair="balking = [{ waiting = 3, share = 1.0 }]\n"
        "rejection_routes = { callback = 1.0 }\n\n" + callback,
        team=_team("smiths_calling", "smiths", "callback"),
    )
    totals = _totals(recipe)
    assert totals["repair_rejected"] == 0
    assert totals["repair_rejected_to_callback"] >= totals["smiths_calling_started"] > 0
    waiting = recipe().describe().state_names.index("repair_waiting")
    assert max(epoch.state[waiting] for _, epoch in _run(recipe(), seed=1)) <= 3


def test_customers_join_the_shortest_queue(tmp_path: Path) -> None:
    """Each comes to the emptier bench, so that two benches never differ by much in who came."""
    other = _class("other", service='{ distribution = "exponential", mean = 1.8 }')
    text = WORKSHOP.replace("repair = { process", "door = { process")
    benches = (
        '[[dispatchers]]\nname = "door"\nto = ["repair", "other"]\nrule = "shortest"\n\n'
        + _team("others", "smiths", "other")
    )
    for mark, piece in (("repair", other), ("pools", SMITHS), ("team", benches)):
        text = text.replace(f"#{mark}", piece)
    path = tmp_path / "benches.toml"
    path.write_text(text, encoding="utf-8")
    recipe = SimulatorRecipe(scenario=load_scenario(str(path)))
    totals = _totals(recipe)
    assert totals["repair_arrivals"] > 0.3 * totals["other_arrivals"] > 0
    names = recipe().describe().state_names
    both = [names.index("repair_waiting"), names.index("other_waiting")]
    assert all(abs(np.diff(e.state[both])) <= 6 for _, e in _run(recipe(), seed=1))


@pytest.mark.parametrize("rule", ["shortest", "round_robin", "decision"])
def test_every_rule_of_a_dispatcher_can_be_named(tmp_path: Path, rule: str) -> None:
    """Whichever it is, somebody is sent to either class."""
    other = _class("other", service=SHORT)
    decided = 'lever = "where"\n\n[[levers]]\nname = "where"\n' if rule == "decision" else ""
    recipe = _workshop(
        tmp_path,
        repair="routes = { next = 1.0 }\n\n" + other + "\n" + _class("third", service=SHORT),
        team=_team("others", "smiths", "other") + "\n" + _team("thirds", "smiths", "third"),
        sections=f'[[dispatchers]]\nname = "next"\nto = ["other", "third"]\nrule = "{rule}"\n'
        + decided,
    )
    totals = _totals(recipe)
    assert totals["smiths_to_other"] > 0
    assert totals["smiths_to_third"] > 0


def test_servers_break_down(tmp_path: Path) -> None:
    """Two smiths who are ill a third of the time are not always both there."""
    ill = (
        'breakdown = { uptime = { distribution = "exponential", mean = 40.0 }, '
        'repair = { distribution = "gamma", mean = 20.0, scv = 0.5 } }'
    )
    recipe = _workshop(tmp_path, pools=SMITHS + ill)
    _totals(recipe)
    up = recipe().describe().state_names.index("smiths_up")
    seen = {float(epoch.state[up]) for _, epoch in _run(recipe(), seed=1)}
    assert min(seen) < 2
    assert seen <= {0.0, 1.0, 2.0}


def test_ordered_servers_take_a_set_up(tmp_path: Path) -> None:
    """Between the order and the first service somebody is starting."""
    recipe = _workshop(
        tmp_path,
        pools=SMITHS
        + 'staffing = "smiths"\nsetup = { distribution = "deterministic", mean = 25.0 }',
        sections='[[levers]]\nname = "smiths"\nlevels = [1, 4]',
    )
    _totals(recipe)
    starting = recipe().describe().state_names.index("smiths_starting")
    assert any(epoch.state[starting] > 0 for _, epoch in _run(recipe(), seed=1))


def test_servers_may_be_shared(tmp_path: Path) -> None:
    """Under processor sharing nobody waits: all are in service at once, each at a part of it."""
    totals = _totals(_workshop(tmp_path, pools=SMITHS + "shared = true"))
    assert totals["repair_wait"] == 0
    assert totals["smiths_finished"] > 150


RESUME, REPEAT = 'preemption = "resume"', 'preemption = "repeat"'


@pytest.mark.parametrize(
    ("picks", "preemption"),
    [
        *((picks, "") for picks in ("stay", "priority", "first_come", "longest_queue")),
        *((picks, rule) for picks in ("stay", "priority") for rule in (RESUME, REPEAT)),
    ],
)
def test_pools_pick_as_their_file_says(tmp_path: Path, picks: str, preemption: str) -> None:
    """Every way to choose the next customer can be named; nobody is interrupted unless it says."""
    rush = _class("rush", service='{ distribution = "exponential", mean = 0.5 }')
    recipe = _workshop(
        tmp_path,
        repair=rush,
        pools=SMITHS + f'picks = "{picks}"\n{preemption}',
        team=_team("smiths_rush", "smiths", "rush"),
        sections='[arrivals.rush]\nprocess = "poisson"\nrate = 0.3',
    )
    totals = _totals(recipe)
    assert totals["smiths_rush_started"] > 0
    assert ("smiths_interrupted" in totals) == bool(preemption)


@pytest.mark.parametrize("when_full", ["lose", "block"])
def test_a_full_room_loses_or_blocks(tmp_path: Path, when_full: str) -> None:
    """Either finished jobs are lost at the door of the store, or they stay with their smith."""
    store = _class("store", service='{ distribution = "exponential", mean = 6.0 }')
    recipe = _workshop(
        tmp_path,
        repair="routes = { store = 1.0 }\n\n" + store,
        pools="keepers = 2\n" + SMITHS,
        team=_team("keepers", "keepers", "store"),
        sections='[[rooms]]\nname = "shelf"\nplaces = 2\nclasses = ["store"]\n'
        f'when_full = "{when_full}"',
    )
    totals = _totals(recipe)
    assert (totals["store_rejected"] > 0) == (when_full == "lose")
    assert totals["store_wait"] == 0
