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

import jsonschema_rs
import pytest

from service.app import create_app
from service.jobs.examples import EXAMPLES
from service.jobs.specs import KINDS, SPEC, BaseSpec
from service.settings import Settings
from tests.service.conftest import KEY, Served

_CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance", "response_headers_conformance", "use_after_free",
    "ensure_resource_availability", "ignored_auth", "missing_required_header",
)  # fmt: skip
_EXAMPLES = os.environ.get("SURROGYM_OPENAPI_EXAMPLES", "5")
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


def test_the_service_does_what_its_description_says(tmp_path: Path) -> None:
    """Whatever is sent: no failure on our side, and no answer that the description does not have.

    Operations are called alone and in sequences in which later ones use what earlier ones made.
    """
    environment = {
        "SURROGYM_KEY": KEY,
        "SURROGYM_LIMITS__FAILURES_PER_MINUTE": "1000000",
        # Jobs are taken and steered, but not done: that is tested elsewhere.
        "SURROGYM_JOBS__CORES": "0",
    }
    with closing(Served(data=tmp_path / "data", environment=environment)) as served:
        served.start()
        found = subprocess.run(
            [
                Path(sys.executable).parent / "schemathesis", "run",
                f"{served.address}/v1/openapi.json", "--header", f"Authorization: Bearer {KEY}",
                "--checks", ",".join(_CHECKS), "--max-examples", _EXAMPLES, "--seed", "20261126",
                "--generation-deterministic", "--workers", "1", "--no-color",
            ],
            capture_output=True, text=True, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert found.returncode == 0, "\n".join(
            line[:400] for line in found.stdout.splitlines()[-120:]
        )
        assert "unforeseen" not in served.log()
        # A key that is lost on the way would leave nothing of the service to be seen.
        assert 'status="401"' not in served.client().get("/metrics").text
