"""The files by which a team runs the service name things that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings

_DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_LINTERS = {
    "Dockerfile": ("hadolint", "--no-color"),
    "compose.yaml": ("check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
}


def _compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((_DEPLOY / "compose.yaml").read_text())
    return read


def _complaints(file: Path) -> str:
    program, *options = _LINTERS[file.name]
    command = [str(Path(sys.executable).parent / program), *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("name", _LINTERS)
def test_linters_find_nothing_wrong(name: str) -> None:
    """No engine builds or starts these here, so that a slip would first be met by an operator."""
    assert _complaints(_DEPLOY / name) == ""


@pytest.mark.parametrize(
    ("name", "right", "wrong", "told"),
    [
        ("Dockerfile", "WORKDIR /home/surrogym", "WORKDIR home/surrogym", "DL3000"),
        ("compose.yaml", "healthcheck:", "healthchecks:", "healthchecks"),
    ],
)
def test_linters_find_a_slip(name: str, right: str, wrong: str, told: str, tmp_path: Path) -> None:
    """Else their silence would say nothing."""
    slipped = tmp_path / name
    slipped.write_text((_DEPLOY / name).read_text().replace(right, wrong, 1))
    assert told in _complaints(slipped)


def test_every_setting_that_is_named_exists() -> None:
    """A variable with a slip in its name would be ignored in silence."""
    text = "".join((_DEPLOY / name).read_text() for name in ("Dockerfile", "compose.yaml"))
    named = set(re.findall(r"SURROGYM_([A-Z_]+)", text))
    assert named
    assert named <= {name.upper() for name in Settings.model_fields}


def test_every_secret_is_asked_for_and_none_is_given() -> None:
    """A default secret is one that everybody knows."""
    text = (_DEPLOY / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    offered = dict(
        line.split("=", 1)
        for line in (_DEPLOY / "example.env").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    assert asked == set(offered)
    assert set(offered.values()) == {""}


def test_nothing_but_the_proxy_of_the_machine_reaches_the_service() -> None:
    """Ports are bound to loopback until an operator decides otherwise, Ray's not at all."""
    services = _compose()["services"]
    assert services["service"]["ports"] == ["127.0.0.1:8000:8000"]
    assert [name for name, each in services.items() if "ports" in each] == ["service"]


def test_the_image_holds_every_package() -> None:
    """The layer of dependencies is built from stand-ins, which must be all packages there are."""
    text = (_DEPLOY / "Dockerfile").read_text()
    listed = re.search(r"RUN mkdir ([a-z ]+) ", text)
    assert listed
    root = _DEPLOY.parent
    packages = {path.parent.name for path in root.glob("*/py.typed")}
    assert set(listed.group(1).split()) == packages
