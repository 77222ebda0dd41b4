"""What a user reads who checks a scenario, or looks at what there is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from cli.app import main
from sim.contract import CLAUSES
from sim.scenario import bundled_scenarios

SHOP = """
    from tests.sim.faulty import Till, TooFast

    class Shop(Till):
        costs = {"wait": 0.5}

    class Hurried(TooFast):
        costs = {"wait": 0.5}
"""
LAWS = {"stability", "little", "utilisation", "same_arrivals"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder outside the checkout but for a simulator of the user's own."""
    (tmp_path / "own_shop.py").write_text(dedent(SHOP))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    # Tables are laid out for the terminal.
    monkeypatch.setenv("COLUMNS", "110")
    yield
    sys.modules.pop("own_shop", None)


def surrogym(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command in this process; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["surrogym", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_sound_simulator_of_ones_own_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has the same standing as a bundled one, in another process too."""
    assert surrogym(monkeypatch, "validate", "own_shop:Shop") == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "own_shop:Shop: sound, 20 hold, 1 not looked at" in told.out
    for clause in CLAUSES:
        assert clause.name.replace("_", " ") in told.out


def test_a_broken_simulator_is_told_what_to_mend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is what its author works with, and scripts need the exit code."""
    assert surrogym(monkeypatch, "validate", "own_shop:Hurried") == 2
    told = capsys.readouterr().out
    assert "epoch 1 lasted 12 minutes, 10 by the boundaries" in told
    assert "own_shop:Hurried: 1 of 21 checks fail" in told


def test_checks_are_printed_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts read standard output."""
    assert surrogym(monkeypatch, "validate", "own_shop:Hurried", "--json", "--seed", "5") == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["scenario"], told["seed"], told["passed"]) == ("own_shop:Hurried", 5, False)
    broken = [check for check in told["checks"] if check["outcome"] == "failed"]
    assert [check["name"] for check in broken] == ["time"]
    assert broken[0]["detail"].startswith("epoch 1 lasted 12 minutes")
    assert broken[0]["claim"].startswith("Time goes on")


@pytest.mark.parametrize("name", ["tandem", "criss_cross:IL"])
def test_a_bundled_scenario_keeps_contract_and_laws(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variant is a scenario like any other."""
    assert surrogym(monkeypatch, "validate", name, "--json") == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks.keys() == {clause.name for clause in CLAUSES} | LAWS
    assert checks["little"]["outcome"] == "passed"


def test_the_bank_is_checked_with_the_arrivals_learnt_from_its_volumes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until then it is no whole system."""
    assert surrogym(monkeypatch, "validate", "bank", "--json") == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    came = int(checks["same_arrivals"]["detail"].split()[0].replace(",", ""))
    assert 20_000 < came < 50_000


@pytest.mark.parametrize("command", ["validate", "scenarios"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tandm", "no scenario 'tandm'; did you mean 'tandem'?"),
        ("criss_cross:IN", "no variant 'IN'"),
        ("own_shop:Shp", "no class or function 'Shp'; did you mean 'Shop'?"),
        ("missing.toml", "no scenario 'missing.toml'"),
    ],
)
def test_a_name_that_is_not_known_is_refused_with_the_near_one(
    command: str,
    name: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Names are typed by hand."""
    assert surrogym(monkeypatch, command, name) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert says in told.err


def test_every_bundled_scenario_is_listed_with_what_it_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list is where a newcomer begins."""
    assert surrogym(monkeypatch, "scenarios") == 0
    told = capsys.readouterr().out
    for name in bundled_scenarios():
        assert f"\n{name}: " in f"\n{told}"
    assert "criss_cross: 3 classes, 1 lever; variants IL, BL, IM, BM, IH, BH" in told
    assert "bank: 3 classes, 2 levers\n  About 32,000 calls a day reach tier-1 agents.\n" in told
    assert surrogym(monkeypatch, "scenarios", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["bundled"]
    assert set(listed) == set(bundled_scenarios())
    assert listed["tandem"]["levers"] == 2


def test_one_scenario_is_explained_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever writes a policy or a cost needs every name, unit, level and box."""
    assert surrogym(monkeypatch, "scenarios", "bank") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "An episode has 28 decision epochs of 30 minutes, the longest 35.",
        "call_waiting customers",
        "call_wait customer minutes",
        "on_phones 0, 0.15, 0.3, 0.5 (share of the pool moved)",
        "patience_scale 0.5 to 1.4, nominal 1 (factor)",
        "Costs, in dollars for each",
        "escalation_abandoned 30",
        "follow_up_waiting 14",
    ):
        assert line in lines
    assert "the day will be is hidden: it only shows in the calls" in " ".join(lines)


def test_positions_are_explained_by_what_they_stand_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A level of 1 says nothing to somebody who has not read the file."""
    assert surrogym(monkeypatch, "scenarios", "reentrant") == 0
    told = capsys.readouterr().out
    assert "first_at_1  0 serve_3 before serve_2 before serve_1; 1 " in told
    assert "An episode has 2,000 decision epochs, each until the next event." in told


def test_ones_own_simulator_is_explained_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command, the same page."""
    assert surrogym(monkeypatch, "scenarios", "own_shop:Shop") == 0
    told = capsys.readouterr().out
    assert "tills  1, 2, 3 (servers ordered)" in told
    assert "rush  0.5 to 2, nominal 1 (factor)" in told
