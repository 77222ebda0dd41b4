import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from sim.errors import InvalidSystem
from sim.scenario import (
    SimulatorRecipe,
    bundled_scenarios,
    load_scenario,
    runs_own_code,
    summary_of,
)
from sim.system import System

BANK = (resources.files("sim") / "scenarios" / "bank.toml").read_text("utf-8")


def _edited(tmp_path: Path, *edits: tuple[str, str]) -> Path:
    """The bundled file after regular-expression edits, each of which must apply once."""
    text = BANK
    for pattern, replacement in edits:
        text, applied = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
        assert applied == 1, pattern
    path = tmp_path / "centre.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _message(path: Path) -> str:
    with pytest.raises(InvalidSystem) as caught:
        load_scenario(str(path))
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


def _system(name: str) -> System:
    template = load_scenario(name).template
    assert template is not None
    return template


def test_what_runs_a_users_code_is_known_without_running_it(tmp_path: Path) -> None:
    """A file's variants count too, as reading the file builds them; the module need not exist."""
    own = tmp_path / "own.toml"
    for text in ('simulator = "no.such:Thing"', '[variants.new]\nsimulator = "no.such:Thing"'):
        own.write_text(f'summary = "Of my own."\n{text}', encoding="utf-8")
        assert runs_own_code(str(own))
        assert summary_of(str(own)) == "Of my own."
    assert not any(map(runs_own_code, bundled_scenarios()))
    assert not runs_own_code(str(_edited(tmp_path)))
    assert runs_own_code("no.such:Thing")
    with pytest.raises(InvalidSystem, match="no scenario"):
        runs_own_code("nobody")


def test_the_bundled_bank_is_whole() -> None:
    """It is what the demonstration runs: epochs of half an hour and a last one of 35 minutes."""
    assert "bank" in bundled_scenarios()
    bank = load_scenario("bank")
    assert bank.template is not None
    assert bank.volumes is not None
    boundaries = bank.template.boundaries
    assert len(boundaries) == 29
    assert (boundaries[0], boundaries[-2], boundaries[-1]) == (0.0, 810.0, 845.0)
    assert bank.volumes.fit_to < bank.volumes.live_from
    assert set(bank.template.rosters) == {"tier1", "tier2"}
    assert bank.template.rosters["tier1"][0] == 80


def test_a_copy_of_a_bundled_scenario_is_the_same_scenario(tmp_path: Path) -> None:
    """Users begin with a copy, so path and name must lead to the same scenario."""
    copied, bundled = load_scenario(str(_edited(tmp_path))), load_scenario("bank")
    assert copied == bundled


def test_a_shift_begins_with_its_epoch() -> None:
    """Until 08:00, two epochs, tier 1 has 80 agents on duty, and 150 from then."""
    assert _system("bank").rosters["tier1"][:3].tolist() == [80.0, 80.0, 150.0]


def test_several_faults_are_all_listed(tmp_path: Path) -> None:
    """Mending a file one message at a time is tedious."""
    message = _message(
        _edited(
            tmp_path,
            (r"^slots = 169", "slots = 0"),
            (r'^serves = "call"', 'servs = "call"'),
            (r"^minutes = 30", 'minutes = "half an hour"'),
        )
    )
    assert "volumes.slots = 0" in message
    assert "epochs.minutes = 'half an hour'" in message
    assert "teams.0.servs: unknown key; did you mean 'serves'?" in message
    assert "teams.0.serves: missing" in message


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"^opening =", "openning =", "volumes.openning: unknown key; did you mean 'opening'?"),
        (r"^\[epochs\]", "[epoch]", "epoch: unknown key; did you mean 'epochs'?"),
        (r"distribution = \"lognormal\", mean", 'distribution = "lognormal", maen', "'mean'?"),
        (r"low = 0\.8\b", "lo = 0.8", "did you mean 'low'?"),
        (r"^at_close|^\[costs\.at_close\]", "[costs.at_closing]", "did you mean 'at_close'?"),
    ],
)
def test_a_misspelt_key_suggests_the_near_one(
    tmp_path: Path, pattern: str, replacement: str, message: str
) -> None:
    """A key that is silently ignored changes a result without a word."""
    assert message in _message(_edited(tmp_path, (pattern, replacement)))


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r'\["07:00", 80\]', '["07:00", -4]', "pools.tier1.shifts.0.1: -4 servers: a whole number"),
        (r'\["07:00", 80\]', '["07:00", 8.5]', "pools.tier1.shifts.0.1: 8.5 servers"),
        (r'\["07:00", 80\]', '["07:00", "all"]', "pools.tier1.shifts.0.1: 'all' servers"),
        (r'\["07:00", 80\]', '["7 am", 80]', "shifts.0.0: '7 am' is no time of day: write HH:MM"),
        (r'\["07:00", 80\]', '["25:00", 80]', "'25:00' is no time of day"),
        (r'\["07:00", 80\]', "[-5, 80]", "-5: write a time of day, HH:MM, or minutes after"),
        (r'\["07:00", 80\]', '["07:30", 80]', "pools.tier1: shifts from 07:30, 08:00"),
        (r'\["19:00", 100\]', '["22:00", 100]', "begin before close (845 minutes later)"),
        (r'\["08:00", 150\]', '["06:00", 150]', "must begin at opening (07:00), follow in order"),
        (r"^tier1 = .*$", 'tier1 = "many"', "pools.tier1.servers: 'many' servers"),
        (r"^opening = .*$", 'opening = "7:00"', "volumes.opening: '7:00' is no time of day"),
        (r"^minutes = 30", "minutes = 0", "epochs.minutes = 0"),
        (r"^minutes = 30", "minutes = 7", "epochs.minutes = 7: a multiple of volumes.slot_minutes"),
        (r"^minutes = 30", "minutes = 900", "epochs.minutes = 900"),
        (r"^fit_to = .*$", "fit_to = 2002-01-01", "fit_from 2003-03-01 is after fit_to"),
        (r"^live_to = .*$", "live_to = 2002-01-01", "live_from 2003-07-01 is after live_to"),
        (r"^fit_to = .*$", 'fit_to = "June"', "volumes.fit_to = 'June'"),
        (
            r'exponential", mean = 4\.0',
            'exponential", mean = 0',
            "classes.0.patience: mean is 0.0: give",
        ),
        (
            r'exponential", mean = 4\.0',
            'exponential", mean = nan',
            "classes.0.patience: mean is nan: give",
        ),
        (
            r'exponential", mean = 4\.0',
            'exponential", mean = inf',
            "classes.0.patience: mean is inf: give",
        ),
        (r"mean = 3\.7", "mean = -3.7", "classes.0.service: mean is -3.7: give"),
        (
            r'"lognormal", mean = 3\.7',
            '"normal", mean = 3.7',
            "distribution: unknown 'normal'; did you",
        ),
        (r"mean = 3\.7, scv = 1\.0", "mean = 3.7", "classes.0.service: scv: missing; give"),
        (r"mean = 4\.0", "mean = 4.0, scv = 2.0", "classes.0.patience: scv: unknown key"),
        (r"escalation = 0\.09", "escalation = 0.9", "route probabilities sum to 1.05"),
        (r"escalation = 0\.09", "escalation = -0.1", "classes.0.routes.escalation = -0.1"),
        (r"escalation = 0\.09", "escalation = nan", "classes.0.routes.escalation = nan"),
        (
            r"escalation = 0\.09",
            "escalated = 0.09",
            "class 'call' routes to unknown class 'escalated'; did you mean 'escalation'?",
        ),
        (
            r'^serves = "escalation"',
            'serves = "escalations"',
            "team 'tier2_escalations' serves unknown class 'escalations'; did you mean 'escala",
        ),
        (
            r'^pool = "tier2"',
            'pool = "tier3"',
            "team 'tier2_escalations' is of unknown pool 'tier3'; did you mean 'tier",
        ),
        (
            r'^lever = "on_phones"',
            'lever = "on_phone"',
            "team 'tier2_calls' has unknown lever 'on_phone'; did you mean 'on_phones'?",
        ),
        (r'^lever = "on_phones"', "", "lever 'on_phones' decides nothing: name it in a team"),
        (
            r'^(serves = "escalation")',
            r'\1\nlever = "on_phones"',
            "exactly one team without a lever",
        ),
        (r'^name = "tier1_cases"', 'name = "tier1_calls"', "team 'tier1_calls' is given twice"),
        (r'^name = "follow_up"', 'name = "call"', "class 'call' is given twice"),
        (r'^serves = "follow_up"', 'serves = "call"', "class 'follow_up' is served by no team"),
        (r"^speed = 0\.8", "speed = -0.8", "teams.3.speed = -0.8"),
        (r"^speed = 0\.8", "speed = inf", "teams.3.speed = inf"),
        (r"0\.28, 0\.40\]", "0.28, 1.40]", "lever 'on_follow_ups' offers 1.4"),
        (r"0\.28, 0\.40\]", "0.28, -0.4]", "lever 'on_follow_ups' offers -0.4"),
        (r"0\.28, 0\.40\]", "0.28, 0.28]", "each level once"),
        (r"^levels = \[0\.0, 0\.15.*$", "levels = []", "lever 'on_phones' has no levels"),
        (
            r"^staff_scale",
            "staf_scale",
            "unknown parameter 'staf_scale'; did you mean 'staff_scale'?",
        ),
        (
            r"low = 0\.8,",
            "low = 1.1,",
            "parameter 'arrival_scale': nominal 1.0 outside [1.1, 1.25]",
        ),
        (r"low = 0\.8,", "low = 0,", "parameters.arrival_scale.low = 0"),
        (
            r"^call_abandoned",
            "call_abandon",
            "costs.outputs.call_abandon: unknown; did you mean 'call_abandoned'?",
        ),
        (r"^call_abandoned = 5\.0", "call_abandoned = nan", "costs.outputs.call_abandoned = nan"),
        (
            r"^follow_up_waiting",
            "follow_up_waitin",
            "costs.at_close.follow_up_waitin: unknown; did you mean 'follow_up_waiting'?",
        ),
        (r"^(parameters = \{ )handle", r"\1handel", "change.parameters.handel_time_scale: unknown"),
        (r"handle_time_scale = 1\.20", "handle_time_scale = -1", "handle_time_scale = -1"),
        (r'^name = "bank"', "name = ", "not valid TOML"),
        (r'^name = "bank"', "", "name: missing"),
    ],
)
def test_an_impossible_value_is_refused_with_one_clear_message(
    tmp_path: Path, pattern: str, replacement: str, message: str
) -> None:
    """The message has the place and the value, or else the file must be searched by eye."""
    text = _message(_edited(tmp_path, (pattern, replacement)))
    assert message in text
    # The file, the fault, and what follows from it where a name leads nowhere.
    assert len(text.splitlines()) <= 4


def test_routes_that_sum_to_one_are_accepted(tmp_path: Path) -> None:
    """.1 + .2 + .7 is a hair above 1 in some orders, which is no fault of the file's."""
    path = _edited(
        tmp_path,
        (r"escalation = 0\.09, follow_up = 0\.15", "escalation = 0.7, follow_up = 0.3"),
    )
    assert sum(r.probability for r in _system(str(path)).classes[0].routes) == 1.0


@pytest.mark.parametrize("name", ["banc", "", "no/such/file.toml"])
def test_an_unknown_scenario_names_those_that_exist(name: str) -> None:
    """The list is short, and a path may have been meant."""
    with pytest.raises(InvalidSystem, match=r"bank.*or give the path of a TOML file"):
        load_scenario(name)


SHOP = """
name = "shop"
summary = "A counter, a workshop and a warehouse."

[day]
opening = "22:00"
minutes = 300

[epochs]
minutes = 45

[arrivals]
counter = { process = "poisson", rate = 1.0 }

[[classes]]
name = "counter"
service = { distribution = "exponential", mean = 2.0 }
routes = { workshop = 0.5 }

[[classes]]
name = "workshop"
service = { distribution = "gamma", mean = 5.0, scv = 0.5 }

[pools]
clerks = [["22:00", 3], ["00:30", 2]]
smiths = 4

[[teams]]
name = "clerks"
pool = "clerks"
serves = "counter"

[[teams]]
name = "smiths"
pool = "smiths"
serves = "workshop"

[costs.outputs]
counter_wait = 1.0

[variants.busy]
arrivals.counter.rate = 1.5
pools.smiths = 6

[variants.regular.arrivals.counter]
process = "renewal"
interval = { distribution = "deterministic", mean = 1.0 }

[variants.one_stage]
classes = [{ name = "counter", service = { distribution = "exponential", mean = 2.0 } }]
teams = [
  { name = "clerks", pool = "clerks", serves = "counter" },
  { name = "smiths", pool = "smiths", serves = "counter" },
]
"""


def _shop(tmp_path: Path, *edits: tuple[str, str]) -> Path:
    """The file of a small shop with pieces of its text replaced, each of which must be there."""
    text = SHOP
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_shift_may_begin_after_midnight_and_within_an_epoch(tmp_path: Path) -> None:
    """A night has one opening; half past midnight is 150 minutes after ten, in the fourth epoch."""
    shop = _system(str(_shop(tmp_path)))
    assert shop.boundaries == (0.0, 45.0, 90.0, 135.0, 180.0, 225.0, 300.0)
    assert shop.rosters["clerks"].tolist() == pytest.approx([3.0, 3.0, 3.0, 2 + 1 / 3, 2.0, 2.0])


def test_faults_of_several_tables_are_told_together(tmp_path: Path) -> None:
    """Whoever writes a file mends it in one go, whichever tables the faults are in."""
    message = _message(
        _shop(
            tmp_path,
            ("rate = 1.0", "rat = 1.0"),
            ('"exponential", mean = 2.0 }\nroutes', '"exponentiel", mean = 2.0 }\nroutes'),
            ("smiths = 4", "smiths = { servers = 4, setup = { distribution = 'gamma' } }"),
            ("counter_wait = 1.0", "counter_wait = nan"),
            ('serves = "workshop"', 'serves = "workshop"\nspeed = 0'),
        )
    )
    for fault in (
        "arrivals.counter: rat: unknown key; did you mean 'rate'?",
        "arrivals.counter: rate: missing",
        "classes.0.service: distribution: unknown 'exponentiel'; did you mean 'exponential'?",
        "pools.smiths.setup: mean: missing",
        "pools.smiths.setup: scv: missing",
        "costs.outputs.counter_wait = nan",
        "teams.1.speed = 0",
    ):
        assert fault in message


def test_faults_within_the_parts_are_told_together(tmp_path: Path) -> None:
    """Each part is made on its own, so that one that cannot be made does not hide the next."""
    message = _message(
        _shop(
            tmp_path,
            ('"00:30", 2', '"21:00", 2'),
            ("smiths = 4", "smiths = { servers = 4, order = 'first' }"),
            ("routes = { workshop = 0.5 }", "routes = { workshop = 0.5, counter = 0.6 }"),
            ("minutes = 45", "minutes = 450"),
        )
    )
    for fault in (
        "pools.clerks: shifts from 22:00, 21:00",
        "pool 'smiths': a lever `order` and the `orders` it picks from go together",
        "class 'counter': route probabilities sum to 1.1",
        "epochs.minutes = 450: at most the whole day (300)",
    ):
        assert fault in message


def test_faults_between_the_parts_are_told_together(tmp_path: Path) -> None:
    """Names that lead nowhere are found once all parts are there, and then all of them."""
    message = _message(
        _shop(
            tmp_path,
            ("routes = { workshop = 0.5 }", "routes = { workshops = 0.5 }"),
            ('pool = "clerks"\nserves = "counter"', 'pool = "clerk"\nserves = "countr"'),
            (
                "[costs.outputs]",
                "[parameters]\narival_scale = { low = 0.5, high = 2 }\n[costs.outputs]",
            ),
        )
    )
    for fault in (
        "class 'counter' routes to unknown class 'workshops'; did you mean 'workshop'?",
        "unknown class 'countr'; did you mean 'counter'?",
        "unknown pool 'clerk'; did you mean 'clerks'?",
        "class 'counter' is served by no team",
        "unknown parameter 'arival_scale'; did you mean 'arrival_scale'?",
    ):
        assert fault in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('[day]\nopening = "22:00"\nminutes = 300\n', "", "events need none"),
        ("minutes = 45", "minutes = 45\nevents = 9", "epochs: give either minutes or events"),
        ("minutes = 45", "", "epochs: give either minutes or events"),
        ("minutes = 45", "events = 9", "events need none"),
        ('counter = { process = "poisson", rate = 1.0 }', "", "nobody comes"),
        ("smiths = 4", "smiths = { picks = 'stay' }", "pools.smiths: give either servers or"),
        ("smiths = 4", "smiths = { servers = 4, pick = 'stay' }", "did you mean 'picks'?"),
        (
            "smiths = 4",
            "smiths = { servers = 4, picks = 'fairly' }",
            "pools.smiths.picks = 'fairly'",
        ),
        (
            "smiths = 4",
            'smiths = { servers = "unlimited", staffing = "n" }',
            "pool 'smiths' is unlim",
        ),
        (
            "rate = 1.0 }",
            'rate = 1.0 }\ncounters = { process = "poisson", rate = 1 }',
            "'counters'",
        ),
        (
            'process = "poisson"',
            'process = "poison"',
            "process: unknown 'poison'; did you mean 'poi",
        ),
        (
            "[costs.outputs]",
            "[drift]\narrival_scale = { shape = 'steep' }\n[costs.outputs]",
            "'step'?",
        ),
        (
            "[costs.outputs]",
            "[drift]\narrival_scale = { shape = 'step', since = 3, to = 2 }\n[costs.outputs]",
            "drift.arrival_scale: unknown",
        ),
        (
            "[costs.outputs]",
            "[structural_change]\nfrom_episode = 3\nvariant = 'buzy'\n[costs.outputs]",
            "structural_change.variant.buzy: unknown; did you mean 'busy'?",
        ),
        (
            "[costs.outputs]",
            "[structural_change]\nfrom_episode = 3\nvariant = 'one_stage'\n[costs.outputs]",
            "structural_change: state component 'workshop_waiting' is gone after the change",
        ),
        ("rate = 1.5", "rate = 0", "variants.busy: arrivals.counter: rate is 0.0"),
        (
            "[variants.busy]",
            "[variants]\nquiet = 3\n[variants.busy]",
            "variants: a table of tables",
        ),
        (
            "[costs.outputs]",
            "[change]\non = 2003-08-18\nparameters = {}\n[costs.outputs]",
            "use drift",
        ),
    ],
)
def test_keys_without_volumes_are_checked_too(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """A system of the user's own is told apart from a plausible one by its file alone."""
    assert message in _message(_shop(tmp_path, (old, new)))


def test_a_variant_changes_tables_and_replaces_lists(tmp_path: Path) -> None:
    """A table keeps what the variant does not name; a list has no names, so it is given whole."""
    path = _shop(tmp_path)
    base, busy = load_scenario(str(path)), load_scenario(f"{path}:busy")
    assert base.variants == busy.variants == ("busy", "regular", "one_stage")
    assert busy.name == "shop:busy"
    assert _system(f"{path}:busy").arrivals["counter"].mean_rate == 1.5
    assert _system(f"{path}:busy").rosters["smiths"][0] == 6
    assert _system(f"{path}:busy").classes == _system(str(path)).classes
    assert [c.name for c in _system(f"{path}:one_stage").classes] == ["counter"]


def test_a_table_of_another_kind_is_replaced(tmp_path: Path) -> None:
    """A rate means nothing to regular arrivals, so it must not be left beside their interval."""
    assert _system(f"{_shop(tmp_path)}:regular").arrivals["counter"].mean_rate == 1.0


def test_an_unknown_variant_names_those_that_exist(tmp_path: Path) -> None:
    """The list is in the file that was found."""
    with pytest.raises(InvalidSystem, match=r"no variant 'bussy'; did you mean 'busy'\?"):
        load_scenario(f"{_shop(tmp_path)}:bussy")


COUNTER = """
import numpy as np
from sim import Description, Epoch, Lever, Quantity


class Counter:
    \"\"\"Counts to five.\"\"\"

    def __init__(self, step: float = 1.0) -> None:
        self.step, self.count = step, 0.0

    def describe(self) -> Description:
        return Description(
            name="counter",
            components=(Quantity(name="count", unit="counts"),),
            outputs=(Quantity(name="counted", unit="counts"),),
            levers=(Lever(name="go", levels=(0.0, 1.0), decides="value"),),
            epochs=5,
            boundaries=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
        )

    def reset(self, seed, parameters=None):
        self.count = 0.0
        return np.array([self.count])

    def advance(self, decision):
        self.count += self.step
        return Epoch(
            state=np.array([self.count]), outputs=np.array([self.step]), duration=1.0,
            is_last=self.count >= 5 * self.step,
        )
"""

OWN = """
name = "own"
summary = "A simulator of the user's own."
simulator = "shop_counter:Counter"
options = { step = 2.0 }

[costs.outputs]
counted = 3.0
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scenario file beside the module that it names."""
    (tmp_path / "shop_counter.py").write_text(COUNTER, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_a_file_may_name_a_simulator_of_the_users_own(own: Path) -> None:
    """The class gets the file's options, and the costs are the file's."""
    scenario = load_scenario(str(own))
    simulator = SimulatorRecipe(scenario=scenario)()
    simulator.reset(1)
    assert simulator.advance(np.array([1.0])).state.tolist() == [2.0]
    assert scenario.costs.outputs == {"counted": 3.0}
    with pytest.raises(InvalidSystem, match="'own' runs shop_counter:Counter: it has no system"):
        scenario.system()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("counted = 3.0", "counts = 3.0", "costs.outputs.counts: unknown; did you mean 'counted'?"),
        ("shop_counter:Counter", "shop_counter:Conter", "no class or function 'Conter'"),
        ("shop_counter:Counter", "shop_conter:Counter", "'shop_conter'"),
        ("[costs.outputs]", "[epochs]\nminutes = 3\n[costs.outputs]", "epochs: unknown key"),
        (
            "[costs.outputs]",
            "[drift]\nspeed = { shape = 'step', since = 3, to = 2 }\n[costs.outputs]",
            "drift.speed: unknown",
        ),
    ],
)
def test_a_file_around_a_simulator_is_checked_against_it(
    own: Path, old: str, new: str, message: str
) -> None:
    """What the file says of outputs and parameters must be what the simulator says of itself."""
    own.write_text(OWN.replace(old, new), encoding="utf-8")
    assert message in _message(own)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A folder or a picture given by mistake ends in a message, not in a trace."""
    (tmp_path / "picture.toml").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(InvalidSystem, match="cannot be read"):
        load_scenario(str(tmp_path / "picture.toml"))
    with pytest.raises(InvalidSystem, match="no scenario"):
        load_scenario(str(tmp_path))
