"""A simulator of the user's own is found by `module:Class` or by the name it is installed under."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from sim.errors import InvalidSystem
from sim.plugins import _Folder, build_simulator, has_module, installed_simulators
from sim.scenario import SimulatorRecipe, load_scenario

TILL = """
    from sim.epoch import Quantity
    from tests.sim.faulty import DESCRIPTION, Till

    class Shop(Till):
        '''A shop with tills.'''

        costs = {"wait": 0.5}

        def __init__(self, minutes=10.0):
            self.minutes = minutes

    class Uncosted(Till):
        pass

    class Halfway:
        def describe(self):
            return DESCRIPTION

    class Undescribed(Till):
        costs = {"wait": 0.5}

        def describe(self):
            return {"name": "till"}

    class Stumbling(Till):
        costs = {"wait": 0.5}

        def describe(self):
            return self.nothing

    def build_shop():
        return Shop(minutes=10.0)

    build_shop.costs = Shop.costs

    def build_halfway():
        return Halfway()

    build_halfway.costs = Shop.costs
    tills = 3
"""
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module where Python is run; it is forgotten afterwards."""
    names: list[str] = []

    def written(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(dedent(text))
        names.append(name)
        return path

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    yield written
    for name in names:
        sys.modules.pop(name, None)


def test_a_class_is_found_where_python_is_run(write: Write) -> None:
    """A user begins with one file, not with a package."""
    write("shop_here", TILL)
    scenario = load_scenario("shop_here:Shop")
    assert (scenario.name, scenario.summary) == ("shop", "A shop with tills.")
    assert scenario.costs.outputs == {"wait": 0.5}
    assert SimulatorRecipe(scenario=scenario)().describe().name == "till"


def test_a_module_may_have_the_name_of_a_bundled_scenario(write: Write) -> None:
    """Nobody who calls a file clinic.py thinks of our clinic; its variants still come first."""
    write("tandem", TILL)
    assert load_scenario("tandem:Shop").simulator == "tandem:Shop"
    write("reentrant", TILL)
    variant = load_scenario("reentrant").variants[0]
    assert load_scenario(f"reentrant:{variant}").simulator is None


def test_an_unknown_variant_is_told_where_there_is_no_such_module(write: Write) -> None:
    """A misspelt variant is the likelier mistake."""
    with pytest.raises(InvalidSystem, match="no variant 'Shop'"):
        load_scenario("criss_cross:Shop")


def test_a_function_that_builds_one_will_do(write: Write) -> None:
    """What a simulator needs to be built is its author's business."""
    write("shop_built", TILL)
    assert build_simulator("shop_built:build_shop", {}).describe().name == "till"


def test_options_of_a_scenario_file_reach_the_class(write: Write, tmp_path: Path) -> None:
    """One adapter serves several variants of a model."""
    write("shop_options", TILL)
    path = tmp_path / "long.toml"
    path.write_text(
        'name = "long"\nsummary = "Long epochs."\nsimulator = "shop_options:Shop"\n'
        "[options]\nminutes = 12.5\n[costs.outputs]\nwait = 1.0\n"
    )
    built = SimulatorRecipe(scenario=load_scenario(str(path)))()
    assert getattr(built, "minutes") == 12.5  # noqa: B009


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("nowhere:Shop", "no module 'nowhere': run from the folder that has nowhere, or install"),
        ("shop_faults:Schop", "no class or function 'Schop'; did you mean 'Shop'?"),
        ("shop_faults:tills", "no class or function 'tills'"),
        ("shop_faults:Halfway", "shop_faults:Halfway lacks reset, advance"),
        ("shop_faults:build_halfway", "shop_faults:build_halfway lacks reset, advance"),
        ("shop_faults:Undescribed", "describe() gave dict: give a sim.Description"),
        (
            "shop_faults:Stumbling",
            "cannot be built: AttributeError: 'Stumbling' object has no attribute 'nothing' (",
        ),
        ("shop_faults:Uncosted", "what does an epoch cost? Give the class `costs`"),
        ("shop_broken:Shop", "cannot import 'shop_broken': SyntaxError"),
        ("shop_needy:Shop", "no module 'not_installed_here': install not_installed_here"),
        ("shop_faults:", "no simulator 'shop_faults:'"),
    ],
)
def test_what_cannot_be_a_simulator_is_refused_with_the_way_out(
    reference: str, says: str, write: Write
) -> None:
    """The message is all that a user of the command sees of our code and of theirs."""
    write("shop_faults", TILL)
    write("shop_broken", "class Shop(:")
    write("shop_needy", "import not_installed_here")
    with pytest.raises(InvalidSystem) as caught:
        load_scenario(reference)
    assert says in str(caught.value)


def test_costs_of_outputs_that_are_not_there_are_refused(write: Write) -> None:
    """A misspelt output would cost nothing, unnoticed."""
    write("shop_costs", TILL + "\n    Shop.costs = {'wiat': 1.0}\n")
    with pytest.raises(InvalidSystem, match=r"costs\.outputs\.wiat: unknown; did you mean 'wait'"):
        load_scenario("shop_costs:Shop")


def test_a_folder_named_like_one_of_ours_hides_nothing(write: Write) -> None:
    """Somebody's own `training.py` lies next to their adapter."""
    methods = "; ".join(f"{name} = print" for name in ("describe", "reset", "advance"))
    write("shop_beside", f"class Shop: {methods}")
    Path("training.py").write_text("raise RuntimeError('not this one')")
    program = (
        "from sim.plugins import find_simulator; find_simulator('shop_beside:Shop'); "
        "import training; print(training.__file__)"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": ""}, cwd=Path.cwd(),
    )  # fmt: skip
    assert ended.stdout.endswith("/training/__init__.py\n"), ended.stderr


PROJECT = """
    [build-system]
    requires = ["setuptools"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "tiny-shop"
    version = "0.1"

    [project.entry-points."surrogym.simulators"]
    tiny_shop = "tiny_shop_package:Shop"
    tiny_module = "tiny_shop_package"

    [tool.setuptools]
    py-modules = ["tiny_shop_package"]
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed a package that offers a simulator."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    (source / "pyproject.toml").write_text(dedent(PROJECT))
    (source / "tiny_shop_package.py").write_text(dedent(TILL))
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
        "--no-build-isolation", "--disable-pip-version-check", "--target", str(target), str(source),
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return target


def test_an_installed_package_offers_its_simulator_by_name(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague who installs it need not know where the class is."""
    assert "tiny_shop" not in installed_simulators()
    monkeypatch.syspath_prepend(str(installed))
    assert "tiny_shop" in installed_simulators()
    scenario = load_scenario("tiny_shop")
    assert scenario.simulator == "tiny_shop"
    assert SimulatorRecipe(scenario=scenario)().describe().name == "till"


def test_a_misspelt_installed_name_suggests_the_near_one(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are typed by hand."""
    monkeypatch.syspath_prepend(str(installed))
    with pytest.raises(InvalidSystem, match="did you mean 'tiny_shop'"):
        load_scenario("tiny_shpo")


def test_an_entry_point_that_names_no_class_is_told(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is the package's, and its author needs its value."""
    monkeypatch.syspath_prepend(str(installed))
    with pytest.raises(InvalidSystem, match="is 'tiny_shop_package': write module:Class"):
        load_scenario("tiny_module")


def test_what_lies_in_a_namespace_package_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages spread over folders have a path that is no list; imports of theirs pass by here."""
    (tmp_path / "spread_out").mkdir()
    (tmp_path / "spread_out" / "part.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    has_module("anything")
    assert importlib.import_module("spread_out.part").answer == 42
    (finder,) = [f for f in sys.meta_path if isinstance(f, _Folder)][:1]
    spread = importlib.import_module("spread_out").__path__
    assert finder.find_spec("spread_out.other", spread) is None
