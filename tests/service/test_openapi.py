"""The whole API against its own description: requests that follow from it, valid and not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from service.jobs.examples import EXAMPLES
from service.jobs.specs import KINDS, SPEC, BaseSpec
from service.settings import Settings
from tests.service.clinic import SYSTEM, Clinic, sketched
from tests.service.conftest import KEY, Served
from tests.service.databases import url_of
from tests.service.jobs.conftest import until
from tests.service.knowing import VARIABLE, Known

_CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance", "response_headers_conformance", "use_after_free",
    "ensure_resource_availability", "ignored_auth", "missing_required_header",
)  # fmt: skip
_FEW = 6
"""Operations that need not be met: an upload wants files, an acknowledgement an alarm, and for the
others it is a matter of chance."""
_ROOT = Path(__file__).parents[2]
_EXAMPLES = int(os.environ.get("SURROGYM_OPENAPI_EXAMPLES", "5"))
"""Of each operation in each phase; a hundred find what a few do not, in a quarter of an hour."""


def test_every_body_has_an_example_that_is_taken(tmp_path: Path) -> None:
    """People copy examples: what is not there is guessed, and what is wrong costs an hour."""
    described = create_app(Settings(data=tmp_path)).openapi()
    bodies = list(_bodies(described))
    assert len(bodies) > 20
    for body in bodies:
        assert body.examples, body.path
        for example in body.examples:
            schema = {**body.schema, "components": described["components"]}
            jsonschema_rs.validate(schema, example, validate_formats=True)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_job_has_an_example_that_contradicts_nothing(kind: str) -> None:
    """What a schema cannot say is checked too, as it is when a job is submitted."""
    spec: BaseSpec = SPEC.validate_python({"kind": kind, **EXAMPLES[kind]})
    spec.check()


@dataclass(frozen=True, kw_only=True)
class Body:
    """What an operation is sent."""

    path: str
    schema: dict[str, Any]
    examples: list[Any]


def _bodies(described: dict[str, Any]) -> Iterator[Body]:
    schemas = described["components"]["schemas"]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            for told in operation.get("requestBody", {}).get("content", {}).values():
                schema = told["schema"]
                named = [schemas[name] for name in _names(schema)]
                examples = [each["value"] for each in told.get("examples", {}).values()]
                examples += [told["example"]] if "example" in told else []
                examples += [each for one in named for each in one.get("examples", [])]
                yield Body(path=f"{method} {path}", schema=schema, examples=examples)


def _names(schema: dict[str, Any]) -> list[str]:
    """Of the schemas that a body may be of."""
    among = [schema, *schema.get("anyOf", [])]
    return [each["$ref"].rpartition("/")[2] for each in among if "$ref" in each]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_service_does_what_its_description_says(
    kind: str, clinic: Clinic, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever is sent: no failure on our side, and no answer that the description does not have.

    Operations are called in sequences in which later ones use what earlier ones made, and once
    also alone with all that the description allows and forbids, which no database has a part in.
    """
    served = Served(
        data=tmp_path / "data",
        environment={
            "SURROGYM_KEY": KEY,
            "SURROGYM_DATABASE_URL": url_of(kind, tmp_path, request),
            "SURROGYM_LIMITS__FAILURES_PER_MINUTE": "1000000",
        },
    )
    with closing(served):
        known = stocked(served.start(), clinic)
        served.stop()
        # Jobs are taken and steered from now on, but not done: that is tested elsewhere.
        served.environment["SURROGYM_JOBS__CORES"] = "0"
        served.start()
        if kind == "sqlite":
            explore(served, "examples,coverage", _EXAMPLES)
        explore(served, "fuzzing,stateful", 2 * _EXAMPLES, known)
        assert "unforeseen" not in served.log()
        answers = told(served.client().get("/metrics").text)
        # A key that is lost on the way would leave nothing of the service to be seen.
        assert 401 not in {status for statuses in answers.values() for status in statuses}
        if kind == "sqlite":
            described = served.client().get("/v1/openapi.json").json()["paths"]
            operations = {
                f"{way.upper()} {path}" for path, ways in described.items() for way in ways
            }
            met = {each for each, statuses in answers.items() if min(statuses) < 300}
            assert len(operations - met) <= _FEW, operations - met


def explore(served: Served, phases: str, examples: int, known: Known | None = None) -> None:
    """Send what schemathesis makes of the description, and find nothing but what it says."""
    folder = served.data.parent
    environment = dict(os.environ)
    if known is not None:
        known.write(folder / "known.json")
        environment |= {
            VARIABLE: str(folder / "known.json"),
            "SCHEMATHESIS_HOOKS": "tests.service.knowing",
            "PYTHONPATH": str(_ROOT),
        }
    found = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis", "run",
            f"{served.address}/v1/openapi.json", "--header", f"Authorization: Bearer {KEY}",
            "--phases", phases, "--checks", ",".join(_CHECKS), "--max-examples", str(examples),
            "--seed", "20261126", "--generation-deterministic", "--workers", "1", "--no-color",
            "--request-timeout", "60",
        ],
        env=environment, capture_output=True, text=True, cwd=folder, check=False,
    )  # fmt: skip
    print(found.stdout)
    assert found.returncode == 0


def stocked(served: Served, clinic: Clinic) -> Known:
    """Models of a clinic, and a job that is done."""
    client = served.client()
    for name, kind in (("clinic-flow", "surrogate"), ("clinic-policy", "policy")):
        upload(client, name, kind, clinic.folder)
        for alias in ("champion", "challenger"):
            stand(client, name, alias, 1)
    # Of which nothing is champion, so that the first may become that without evidence.
    upload(client, "clinic-spare", "surrogate", clinic.folder)
    upload(client, "clinic-spare", "surrogate", sketched(served.data.parent / "sketched").folder)
    for version in (1, 2):
        stand(client, "clinic-spare", "challenger", version)
    order = {"kind": "collect", "scenario": SYSTEM, "episodes": 4}
    job = client.post("/v1/training-jobs", json=order).json()
    path = f"/v1/training-jobs/{job['id']}"
    until(lambda: client.get(path).json()["state"], lambda state: state == "done", 240.0)
    (made,) = client.get(f"{path}/artefacts").json()["items"]
    transitions = {"job": job["id"], "artefact": made["name"]}
    features = len(clinic.policy.weights[0][0])
    return Known(
        address=served.address,
        key=KEY,
        ended=job["id"],
        values={
            "job_id": [job["id"]],
            "name": ["clinic-flow", "clinic-policy"],
            "name /v1/scenarios/{name}": ["clinic", "bank"],
            "name /v1/training-jobs/{job_id}/artefacts/{name}": [made["name"]],
            "name /v1/training-jobs/{job_id}/artefacts/{name}/{file}": [made["name"]],
            "file": [made["files"][0]["name"]],
            "name /v1/models/{name}/promote": ["clinic-spare"],
            "name /v1/models/{name}/aliases/{alias}/rollback": ["clinic-spare"],
            "alias /v1/models/{name}/aliases/{alias}/rollback": ["challenger"],
            "version": [1],
            "alias": ["champion", "challenger"],
            "reference": ["clinic-policy@champion"],
        },
        headers={
            "PUT /v1/models/{name}/aliases/{alias}": {"If-Match": "*"},
            "POST /v1/models/{name}/aliases/{alias}/rollback": {"If-Match": "*"},
        },
        bodies={
            "POST /v1/sessions": [
                {"env": "clinic", "seed": 7},
                {"env": "clinic", "world": "clinic-flow@champion", "num_envs": 3, "seed": 7},
            ],
            "POST /v1/sessions/{session_id}/reset": [{}, {"seed": 7}],
            "POST /v1/sessions/{session_id}/step": [{"action": 3}, {"action": [0, 1, 2]}],
            "POST /v1/sessions/{session_id}/restore": [{"snapshot_id": "<snapshot_id>"}],
            "POST /v1/training-jobs": [{"kind": "collect", **EXAMPLES["collect"]}],
            "POST /v1/monitors": [
                {
                    "name": "front desk",
                    "system": "clinic",
                    "surrogate": "clinic-flow@champion",
                    "policy": "clinic-policy@champion",
                    "watch": {"detectors": ["residual cusum"], "in_control_days": 20},
                }
            ],
            "POST /v1/monitors/{monitor_id}/epochs": [
                {"epochs": day} for day in clinic.days(count=3)
            ],
            "POST /v1/monitors/{monitor_id}/acknowledge": [{"reason": "a holiday"}],
            "PUT /v1/monitors/{monitor_id}/shadow": [{"policy": "clinic-policy@challenger"}],
            "POST /v1/schedules": [
                {
                    "name": "keep it good",
                    "monitor": "<monitor_id>",
                    "on": {
                        "alarm": True,
                        "cron": {"expression": "0 3 * * 1", "time_zone": "Europe/London"},
                    },
                    "answer": {"budget": {"seconds": 300}, "transitions": transitions},
                }
            ],
            "PATCH /v1/schedules/{schedule_id}": [{"overlap": "queue"}],
            "PUT /v1/schedules/{schedule_id}/objective": [{"costs": {"registration_wait": 2.0}}],
            "POST /v1/schedules/{schedule_id}/backfill": [
                {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"}
            ],
            "PUT /v1/models/{name}/aliases/{alias}": [{"version": 1, "reason": "it is good"}],
            "POST /v1/models/{name}/aliases/{alias}/rollback": [{"reason": "it was not"}],
            "POST /v1/models/{name}/promote": [{"version": 1, "reason": "the first"}],
            "POST /v1/policies/{reference}/act": [{"observations": [[0.0] * features]}],
            "POST /v1/keys": [{"name": "night job", "owner": "planning", "scopes": ["train"]}],
            "POST /v1/webhooks": [
                {"url": "https://example.invalid/hooks", "events": ["monitor.alarm"]}
            ],
        },
    )


def upload(client: httpx2.Client, name: str, kind: str, folder: Path) -> None:
    """Add a version to a model."""
    files = {file.stem: (file.name, file.read_bytes()) for file in (folder / kind).iterdir()}
    made = client.post(
        f"/v1/models/{name}/versions", data={"kind": kind, "system": SYSTEM}, files=files
    )
    assert made.status_code == 201, made.text


def stand(client: httpx2.Client, name: str, alias: str, version: int) -> None:
    """Let an alias stand for a version."""
    moved = client.put(
        f"/v1/models/{name}/aliases/{alias}",
        json={"version": version, "reason": "so that there is one"},
        headers={"If-None-Match": "*"} if version == 1 else {"If-Match": "*"},
    )
    assert moved.status_code == 200, moved.text


def told(metrics: str) -> dict[str, set[int]]:
    """Statuses of the answers of each operation."""
    found: dict[str, set[int]] = {}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == "surrogym_http_requests_total":
                labels = sample.labels
                operation = f"{labels['method']} {labels['route']}"
                found.setdefault(operation, set()).add(int(labels["status"]))
    return found
