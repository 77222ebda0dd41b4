import re
from importlib import resources
from pathlib import Path

import pytest

from sim.errors import InvalidSystem
from sim.scenario import bundled_scenarios, load_scenario

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


def test_the_bundled_bank_is_whole() -> None:
    """It is what the demonstration runs: epochs of half an hour and a last one of 35 minutes."""
    assert "bank" in bundled_scenarios()
    bank = load_scenario("bank")
    assert len(bank.boundaries) == 29
    assert (bank.boundaries[0], bank.boundaries[-2], bank.boundaries[-1]) == (0.0, 810.0, 845.0)
    assert bank.volumes.fit_to < bank.volumes.live_from
    assert set(bank.rosters) == {"tier1", "tier2"}
    assert bank.rosters["tier1"][0] == 80


def test_a_copy_of_a_bundled_scenario_is_the_same_scenario(tmp_path: Path) -> None:
    """Users begin with a copy, so path and name must lead to the same system."""
    copied, bundled = load_scenario(str(_edited(tmp_path))), load_scenario("bank")
    assert copied.classes == bundled.classes
    assert copied.teams == bundled.teams
    assert copied.costs == bundled.costs


def test_a_shift_begins_with_its_epoch() -> None:
    """Until 08:00, two epochs, tier 1 has 80 agents on duty, and 150 from then."""
    assert load_scenario("bank").rosters["tier1"][:3].tolist() == [80.0, 80.0, 150.0]


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
        (r'\["07:00", 80\]', '["07:00", 0]', "roster of 'tier1' has 0 agents in epoch 1"),
        (r'\["07:00", 80\]', '["07:00", -4]', "roster of 'tier1' has -4 agents in epoch 1"),
        (r'\["07:00", 80\]', '["7 am", 80]', "'7 am' is no time of day"),
        (r'\["07:00", 80\]', '["25:00", 80]', "'25:00' is no time of day"),
        (r'\["07:00", 80\]', '["07:00", 8.5]', "pools.tier1.0.1 = 8.5"),
        (r'\["07:00", 80\]', '["07:30", 80]', "pools.tier1: shifts must begin at 07:00"),
        (r'\["08:00", 150\]', '["08:10", 150]', "the shift at 08:10 begins with no epoch"),
        (r'\["19:00", 100\]', '["22:00", 100]', "the shift at 22:00 begins with no epoch"),
        (r'\["08:00", 150\]', '["06:00", 150]', "shifts must begin at 07:00 and follow in order"),
        (r"^opening = .*$", 'opening = "7:00"', "volumes.opening = '7:00'"),
        (r"^minutes = 30", "minutes = 0", "epochs.minutes = 0"),
        (r"^minutes = 30", "minutes = 7", "epochs.minutes = 7: a multiple of volumes.slot_minutes"),
        (r"^minutes = 30", "minutes = 900", "epochs.minutes = 900"),
        (r"^fit_to = .*$", "fit_to = 2002-01-01", "fit_from 2003-03-01 is after fit_to"),
        (r"^live_to = .*$", "live_to = 2002-01-01", "live_from 2003-07-01 is after live_to"),
        (r"^fit_to = .*$", 'fit_to = "June"', "volumes.fit_to = 'June'"),
        (r'exponential", mean = 4\.0', 'exponential", mean = 0', "classes.0.patience.mean = 0"),
        (r'exponential", mean = 4\.0', 'exponential", mean = nan', "classes.0.patience.mean = nan"),
        (r'exponential", mean = 4\.0', 'exponential", mean = inf', "classes.0.patience.mean = inf"),
        (r"mean = 3\.7", "mean = -3.7", "classes.0.service.mean = -3.7"),
        (r'"lognormal", mean = 3\.7', '"normal", mean = 3.7', "service.distribution = 'normal'"),
        (r"mean = 3\.7, scv = 1\.0", "mean = 3.7", "classes.0.service: lognormal needs an scv"),
        (r"mean = 4\.0", "mean = 4.0, scv = 2.0", "classes.0.patience: exponential needs no scv"),
        (r"escalation = 0\.09", "escalation = 0.9", "route probabilities sum to 1.05"),
        (r"escalation = 0\.09", "escalation = -0.1", "class 'call': route probabilities"),
        (r"escalation = 0\.09", "escalation = nan", "classes.0.routes.escalation = nan"),
        (
            r"escalation = 0\.09",
            "escalated = 0.09",
            "class 'call' routes to unknown class 'escalated'; did you mean 'escalation'?",
        ),
        (
            r"(?s)(name = \"follow_up\".*?scv = 0\.5 \})",
            r"\1\nroutes = { call = 0.5 }",
            "class 'follow_up' routes back to 'call'",
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
        (r'^lever = "on_phones"', "", "pool 'tier2': exactly one team without a lever"),
        (
            r'(?s)^lever = "on_phones"',
            'lever = "on_follow_ups"',
            "lever 'on_phones' moves no team",
        ),
        (r'^name = "tier1_cases"', 'name = "tier1_calls"', "team 'tier1_calls' is given twice"),
        (r'^name = "follow_up"', 'name = "call"', "class 'call' is given twice"),
        (r'^serves = "follow_up"', 'serves = "call"', "class 'follow_up' is served by no team"),
        (r"^speed = 0\.8", "speed = -0.8", "teams.3.speed = -0.8"),
        (r"^speed = 0\.8", "speed = inf", "teams.3.speed = inf"),
        (r"0\.28, 0\.40\]", "0.28, 1.40]", "lever 'on_follow_ups' offers 1.4"),
        (r"0\.28, 0\.40\]", "0.28, -0.4]", "lever 'on_follow_ups' offers -0.4"),
        (r"0\.28, 0\.40\]", "0.28, 0.28]", "each level once"),
        (r"^levels = \[0\.0, 0\.15.*$", "levels = [0.0]", "levers.1.levels"),
        (
            r"^staff_scale",
            "staf_scale",
            "parameters.staf_scale: unknown; did you mean 'staff_scale'?",
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
    assert len(text.splitlines()) <= 2


def test_routes_that_sum_to_one_are_accepted(tmp_path: Path) -> None:
    """.1 + .2 + .7 is a hair above 1 in some orders, which is no fault of the file's."""
    path = _edited(
        tmp_path,
        (r"escalation = 0\.09, follow_up = 0\.15", "escalation = 0.7, follow_up = 0.3"),
    )
    assert sum(r.probability for r in load_scenario(str(path)).classes[0].routes) == 1.0


@pytest.mark.parametrize("name", ["banc", "", "no/such/file.toml"])
def test_an_unknown_scenario_names_those_that_exist(name: str) -> None:
    """The list is short, and a path may have been meant."""
    with pytest.raises(InvalidSystem, match=r"bank.*or give the path of a TOML file"):
        load_scenario(name)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A folder or a picture given by mistake ends in a message, not in a trace."""
    (tmp_path / "picture.toml").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(InvalidSystem, match="cannot be read"):
        load_scenario(str(tmp_path / "picture.toml"))
    with pytest.raises(InvalidSystem, match="no scenario"):
        load_scenario(str(tmp_path))
