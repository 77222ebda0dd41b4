"""The whole API against its own description: requests that follow from it, valid and not."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.service.conftest import KEY, Served

_CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance", "response_headers_conformance", "use_after_free",
    "ensure_resource_availability", "ignored_auth", "missing_required_header",
)  # fmt: skip
_EXAMPLES = os.environ.get("SURROGYM_OPENAPI_EXAMPLES", "5")
"""Of each operation in each phase; a hundred find what a few do not, in a quarter of an hour."""


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
