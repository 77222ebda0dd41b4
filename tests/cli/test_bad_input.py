"""What a user can get wrong ends in one message and exit code 2, and leaves nothing behind."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cli.app import main

SLOTS = 169
Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def surrogym(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command in this process; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["surrogym", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def volumes(days: int = 20) -> pd.DataFrame:
    """Four weeks of plausible counts from Monday 3 March 2003, as a user would hand them in."""
    dates = pd.bdate_range("2003-03-03", periods=days)
    clock = pd.to_timedelta(420 + 5 * np.arange(SLOTS), unit="min")
    times = np.array([day + minute for day in dates for minute in clock])
    counts = np.random.default_rng(1).poisson(50, size=len(times))
    return pd.DataFrame({"DateTime": times, "Calls": counts})


def spoil_gap(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(index=300)


def spoil_negative(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[7, "Calls"] = -3
    return frame


def spoil_nan(frame: pd.DataFrame) -> pd.DataFrame:
    frame["Calls"] = frame["Calls"].astype(float)
    frame.loc[8, "Calls"] = np.nan
    return frame


def spoil_text(frame: pd.DataFrame) -> pd.DataFrame:
    frame["Calls"] = frame["Calls"].astype(object)
    frame.loc[9, "Calls"] = "many"
    return frame


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_gap, "1 of 169 slots missing on 2003-03-04"),
        (spoil_negative, "-3"),
        (spoil_nan, "line 10: count '': give a whole number"),
        (spoil_text, "'many'"),
    ],
)
def test_faulty_volumes_are_refused_before_anything_is_written(
    spoil: Spoil,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run on wrong counts would only fail later, or worse, not fail."""
    path = tmp_path / "calls.csv"
    spoil(volumes()).to_csv(path, index=False)
    runs = tmp_path / "runs"
    code = surrogym(monkeypatch, "demo", "--runs", str(runs), "--volumes", str(path))
    message = capsys.readouterr().err
    assert code == 2
    assert says in message
    assert "Traceback" not in message
    assert not runs.exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("nowhere.csv", None, "no such file"),
        ("noise.parquet", b"\x00\x01garbage", "cannot be read"),
    ],
)
def test_missing_and_unreadable_volumes_are_named(
    name: str,
    content: bytes | None,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The path in the message is what the user has to look at."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    code = surrogym(monkeypatch, "demo", "--runs", str(tmp_path / "runs"), "--volumes", str(path))
    message = capsys.readouterr().err
    assert code == 2
    assert str(path) in message
    assert says in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("patience = {", "patiense = {", "did you mean 'patience'"),
        (
            'distribution = "exponential", mean = 4.0',
            'distribution = "exponential", mean = 0.0',
            "mean",
        ),
        (
            'tier2 = [["07:00", 24]',
            'tier2 = [["07:00", -1]',
            "-1 servers: a whole number, 0 or more",
        ),
        ("call_abandoned = 5.0", "call_abandond = 5.0", "did you mean 'call_abandoned'"),
        ('name = "bank"', 'name = "bank', "not valid TOML"),
        ("live_from = 2003-07-01", "live_from = 2003-06-30", "must be later than fit_to"),
        ("{ handle_time_scale = 1.20,", "{ arrival_scale = 1.20,", "recorded volumes are given"),
        ("{ handle_time_scale = 1.20,", "{ staff_scale = 0.90,", "rosters are seen"),
    ],
)
def test_faulty_scenarios_are_refused_with_the_way_out(
    old: str,
    new: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A misspelt key that is silently ignored would change the system behind the user's back."""
    text = (resources.files("sim") / "scenarios" / "bank.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    runs = tmp_path / "runs"
    code = surrogym(monkeypatch, "demo", "--runs", str(runs), "--scenario", str(path))
    message = capsys.readouterr().err
    assert code == 2
    assert says in message
    assert not runs.exists()


SIMULATORS = """
from tests.fakes import TinyQueue
from dataclasses import replace

class Idle(TinyQueue):
    def describe(self):
        return replace(super().describe(), levers=())

class Unpriced(TinyQueue):
    costs = None

class Wrong(TinyQueue):
    costs = {"wated": 1.0}

class Broken(TinyQueue):
    def advance(self, decision):
        epoch = super().advance(decision)
        return replace(epoch, outputs=epoch.outputs[:-1])
"""


@pytest.fixture
def simulators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's, in the folder where the command is run."""
    name = f"mine_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(SIMULATORS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2])])
    return name


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("Idle", "no levers: there is nothing to decide"),
        ("Unpriced", "what does an epoch cost?"),
        ("Wrong", "did you mean 'waited'"),
        ("Lost", "has no class or function 'Lost'"),
    ],
)
def test_faulty_simulators_are_refused_before_anything_is_written(
    kind: str,
    says: str,
    simulators: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A user's first try is seldom right, and must not cost more than a second."""
    runs = tmp_path / "runs"
    code = surrogym(monkeypatch, "demo", "--runs", str(runs), "--scenario", f"{simulators}:{kind}")
    message = capsys.readouterr().err
    assert code == 2
    assert says in message
    assert "Traceback" not in message
    assert not runs.exists()


def test_a_simulator_that_breaks_the_contract_is_stopped_at_the_second_stage(
    simulators: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Everything later relies on the contract, and would fail with a message of a library."""
    arguments = ("--runs", str(tmp_path / "runs"), "--run-id", "one")
    scenario = ("--scenario", f"{simulators}:Broken")
    assert surrogym(monkeypatch, "learn", *arguments, *scenario) == 0
    assert surrogym(monkeypatch, "simulate", *arguments) == 2
    message = capsys.readouterr().err
    assert "breaks its contract" in message
    assert not (tmp_path / "runs" / "one" / "simulate").exists()


def test_volumes_for_a_scenario_that_has_none_are_refused(
    simulators: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They would be read and then ignored."""
    scenario = ("--scenario", f"{simulators}:TinyQueue", "--volumes", "calls.csv")
    assert surrogym(monkeypatch, "demo", "--runs", str(tmp_path / "runs"), *scenario) == 2
    assert "says itself who comes" in capsys.readouterr().err


def test_a_misspelt_scenario_name_suggests_the_near_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names are typed by hand."""
    code = surrogym(monkeypatch, "demo", "--runs", str(tmp_path), "--scenario", "bamk")
    assert code == 2
    assert "did you mean 'bank'" in capsys.readouterr().err


def test_a_run_that_exists_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a run has found took minutes; only --resume may touch it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("rows")
    code = surrogym(monkeypatch, "demo", "--runs", str(tmp_path), "--run-id", "mine")
    assert code == 2
    assert "--resume" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious"]


def test_resuming_nothing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to go on with, and the user may be in the wrong folder."""
    code = surrogym(monkeypatch, "demo", "--runs", str(tmp_path), "--resume")
    assert code == 2
    assert "no run to resume" in capsys.readouterr().err


def test_a_stage_without_its_run_says_where_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stages stand on each other."""
    code = surrogym(monkeypatch, "fit", "--runs", str(tmp_path), "--run-id", "new")
    assert code == 2
    assert "surrogym learn --run-id new" in capsys.readouterr().err


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first stage is finished."""
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["surrogym", "learn", "--runs", str(runs), "--run-id", "one", "--quick"]
        )
        with pytest.raises(SystemExit) as stop:
            main()
    assert not stop.value.code
    return runs


def test_a_stage_prints_its_summary_as_json_and_nothing_else(
    learnt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts read standard output."""
    assert surrogym(monkeypatch, "learn", "--runs", str(learnt), "--run-id", "one", "--json") == 0
    captured = capsys.readouterr()
    assert 0.9 < json.loads(captured.out)["fit_dispersion_ratio"] < 1.1
    assert captured.err == ""


def test_a_tampered_artefact_is_refused_with_the_reason(
    learnt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One changed byte may be a broken disk or a hostile hand: neither may be learnt from."""
    weights = learnt / "one" / "learn" / "arrivals" / "weights.safetensors"
    sound = weights.read_bytes()
    try:
        weights.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        code = surrogym(monkeypatch, "simulate", "--runs", str(learnt), "--run-id", "one")
    finally:
        weights.write_bytes(sound)
    assert code == 2
    assert "SHA-256" in capsys.readouterr().err
    assert not (learnt / "one" / "simulate").exists()


def test_a_stage_before_its_turn_names_the_one_that_is_missing(
    learnt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user need not know the order by heart."""
    code = surrogym(monkeypatch, "report", "--runs", str(learnt), "--run-id", "one")
    assert code == 2
    assert "no finished stage 'simulate'" in capsys.readouterr().err


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file that this process writes grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writes fail beyond a few kilobytes, as on a disk that fills up while a stage is saved."""
    with files_of_at_most(4096):
        code = surrogym(monkeypatch, "learn", "--runs", str(tmp_path), "--run-id", "x", "--quick")
    assert code == 2
    told = capsys.readouterr().err
    assert "free space" in told
    assert "Traceback" not in told
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["run.json"]
