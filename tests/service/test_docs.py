"""The service's page shows code that runs, in its order, as a reader would paste it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.client import Client
from service.jobs.specs import SPEC
from tests.service.clinic import SYSTEM, Clinic
from tests.service.conftest import KEY, InProcess, Served

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text()


def test_the_pages_code_runs(
    served: Served,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Against a service that has a policy and a surrogate of the clinic."""
    monkeypatch.setenv("SURROGYM_URL", served.address)
    monkeypatch.setenv("SURROGYM_KEY", KEY)
    with Client() as client:
        for kind in ("surrogate", "policy"):
            name = f"clinic-{kind}"
            client.models.upload(name, clinic.folder / kind, kind=kind, system=SYSTEM)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 7
    known: dict[str, object] = {}
    for block in blocks:
        told = block.replace("http://127.0.0.1:8000", served.address)
        exec(compile(told, "docs/service.md", "exec"), known)
    said = capsys.readouterr().out
    assert "done" in said
    assert re.search(r"^\[.*\] True$", said, flags=re.MULTILINE)
    opened = known["client"]
    assert isinstance(opened, Client)
    opened.close()


def test_the_pages_specs_are_specs() -> None:
    """Whoever fills in the job's id can send them."""
    specs = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    kinds = {SPEC.validate_json(spec.replace("job-...", "job-0")).kind for spec in specs}
    assert kinds == {"fit", "train"}


def test_the_metrics_to_watch_are_there(service: InProcess) -> None:
    """An alert on a name that nobody counts never comes."""
    page = (Path(__file__).parents[2] / "docs" / "running-the-service.md").read_text()
    names = set(re.findall(r"`(surrogym_[a-z_]+)[`{]", page))
    told = service.client.get("/metrics").text
    assert len(names) >= 7
    assert {name for name in names if f"# TYPE {name} " not in told} == set()
