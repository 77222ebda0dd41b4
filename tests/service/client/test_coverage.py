"""The typed client against the service's description: every operation has its method."""

from __future__ import annotations

import inspect
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from service.app import create_app
from service.client import Client, client
from service.models.artefacts import FILES
from service.settings import Settings
from sim.errors import SurrogymError

_NOT_IN_THE_CLIENT = {
    "livez_livez_get": "asked by whatever keeps the process alive",
    "readyz_readyz_get": "asked by whatever sends it requests",
    "metrics_metrics_get": "asked by Prometheus, in its own format",
    "reset_v1_sessions__session_id__reset_post": "envs.remote, with its step ids",
    "step_v1_sessions__session_id__step_post": "envs.remote, with its step ids",
}
_MADE_OF_OTHERS = {"wait", "send_days", "close"}
"""Methods that ask nothing that others do not."""
_MOST_REQUESTS = 3
"""Of one method."""


class _Enough(Exception):
    """A method that would ask on for ever."""


class Recorder:
    """A transport that answers what the description promises, and knows what was asked."""

    def __init__(self, described: dict[str, Any]) -> None:
        self.described, self.left = described, 0
        self.asked: set[str] = set()
        self.unknown: list[str] = []
        self.address, self.patience_seconds = "http://nowhere", 0.0

    def request(self, method: str, path: str, **_: Any) -> httpx2.Response:
        if self.left == 0:
            raise _Enough
        self.left -= 1
        for template, operations in self.described["paths"].items():
            operation = operations.get(method.lower())
            if operation and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                self.asked.add(operation["operationId"])
                return self._answer(operation)
        self.unknown.append(f"{method} {path}")
        raise _Enough

    def items(self, path: str, **_: Any) -> Iterator[dict[str, Any]]:
        yield from self.request("GET", path).json()["items"]

    @contextmanager
    def stream(self, path: str, **_: Any) -> Iterator[httpx2.Response]:
        yield self.request("GET", path)

    def _answer(self, operation: dict[str, Any]) -> httpx2.Response:
        status = min(operation["responses"])
        content = operation["responses"][status].get("content", {}).get("application/json")
        if content is None:
            return httpx2.Response(int(status), text="")
        return httpx2.Response(int(status), json=self._instance(content["schema"]))

    def _instance(self, schema: dict[str, Any]) -> Any:
        """The plainest value of a schema."""
        if "$ref" in schema:
            return self._instance(self.described["components"]["schemas"][schema["$ref"][21:]])
        for given in ("const", "default"):
            if given in schema:
                return schema[given]
        if "enum" in schema:
            return schema["enum"][0]
        if "anyOf" in schema:
            return self._instance(schema["anyOf"][-1])
        if schema.get("type") == "object":
            properties = schema.get("properties", {})
            return {name: self._instance(properties[name]) for name in schema.get("required", ())}
        if schema.get("type") == "array":
            return [self._instance(schema["items"])] * max(1, schema.get("minItems", 0))
        if schema.get("format") == "date-time":
            return "2026-01-05T08:00:00Z"
        return {"string": "some", "integer": 1, "number": 1.0, "boolean": False}.get(
            schema.get("type", "null")
        )


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    """One that knows the description of today's service."""
    return Recorder(create_app(Settings(data=tmp_path / "data")).openapi())


def test_the_client_reaches_every_operation(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has no method is done by hand, wrongly; and a method must ask what is there to ask."""
    for name in FILES:
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(client, "Transport", lambda *_, **__: recorder)
    whole = Client("http://nowhere", "a key")
    parts = [whole, *(part for part in vars(whole).values() if part is not recorder)]
    for method in (method for part in parts for method in _methods(part)):
        recorder.left = _MOST_REQUESTS
        with suppress(_Enough, SurrogymError):
            answer = method(**_arguments(method, tmp_path))
            deque(answer if isinstance(answer, Iterator) else ())
    operations = {
        operation["operationId"]
        for methods in recorder.described["paths"].values()
        for operation in methods.values()
    }
    assert recorder.unknown == []
    assert operations - recorder.asked == set(_NOT_IN_THE_CLIENT)


def _methods(part: object) -> Iterator[Callable[..., Any]]:
    for name, method in inspect.getmembers(part, inspect.ismethod):
        if not name.startswith("_") and name not in _MADE_OF_OTHERS:
            yield method


def _arguments(method: Callable[..., Any], folder: Path) -> dict[str, Any]:
    """Something for all that has to be given."""
    return {
        each.name: _argument(str(each.annotation), folder)
        for each in inspect.signature(method).parameters.values()
        if each.default is each.empty
        and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    }


def _argument(annotation: str, folder: Path) -> Any:
    plain = {
        "str": "some", "int": 1, "Kind": "policy", "Path": folder, "np.ndarray": np.zeros((1, 3)),
        "datetime": datetime(2026, 1, 5, tzinfo=UTC), "Mapping[str, Any]": {},
        "Sequence[Mapping[str, Any]]": [{}],
    }  # fmt: skip
    return None if annotation.endswith("| None") else plain[annotation]
