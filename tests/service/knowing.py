"""Hooks of schemathesis: what it asks for is often there, and what it sends often fits.

Left alone it makes up names and bodies, so that hardly anything is made and nothing can be done
with it. What is known before comes from a file (`Known`), identifiers from the answers; what is
lacking is made by a request of our own.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import schemathesis

VARIABLE = "SURROGYM_TEST_KNOWN"
"""Environment variable with the path of what is known."""
_OFTEN = 0.8
_ENOUGH = 8
"""Of one sort: more would only be more to do."""
_ENDLESS = "/v1/training-jobs/{job_id}/events"
"""Of a job that is over this ends, of one that waits it does not."""
_LATER = ("/v1/monitors/{monitor_id}/shadow", "/v1/training-jobs/{job_id}/logs")
"""What a new resource does not have yet."""
_MAKERS = {
    "session_id": "/v1/sessions",
    "snapshot_id": "/v1/sessions/{session_id}/snapshot",
    "job_id": "/v1/training-jobs",
    "monitor_id": "/v1/monitors",
    "schedule_id": "/v1/schedules",
    "run_id": "/v1/schedules/{schedule_id}/runs",
    "webhook_id": "/v1/webhooks",
    "key_id": "/v1/keys",
}
"""A POST to each answers with such an identifier."""
_WITHIN = {"monitor_id": ("schedule_id", "run_id"), "schedule_id": ("run_id",)}
"""What is gone with what it is of."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What there is in a service, and what it takes."""

    address: str
    key: str
    ended: str
    """A job that is over."""
    values: dict[str, list[Any]]
    """Of parameters in paths, by their names; by name and path where a name has two meanings."""
    headers: dict[str, dict[str, str]]
    """By operation, as in `POST /v1/monitors`."""
    bodies: dict[str, list[Any]]
    """By operation; `<name>` stands for an identifier of that name."""

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass
class Memory:
    """What is known, and what was made since."""

    known: Known
    random: Random = field(default_factory=lambda: Random(20261127))
    made: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.known.key}"}
        self._client = httpx2.Client(base_url=self.known.address, headers=headers, timeout=60.0)

    def fit(self, case: Any) -> None:
        """Let a request ask for what is there, and send what is taken, more often than not."""
        path: str = case.operation.path
        given: dict[str, Any] = case.path_parameters or {}
        if path == _ENDLESS:
            given["job_id"] = self.known.ended
        elif self._is_often():
            for name, value in given.items():
                there = self._there(path, name)
                if there and value not in there:
                    given[name] = self.random.choice(there)
        operation = f"{case.method.upper()} {path}"
        if operation in self.known.bodies and self._is_often() and not self._has_enough(path):
            case.body = self._body(operation)
            case.media_type = "application/json"
            case.headers = {**(case.headers or {}), **self.known.headers.get(operation, {})}

    def heed(self, case: Any, response: Any) -> None:
        """Note what was made, and forget what is gone: deleted, or with that which it was of."""
        path, method, is_met = case.operation.path, case.method.upper(), response.status_code < 300
        if path not in _LATER and (response.status_code == 404 or (is_met and method == "DELETE")):
            for name, value in (case.path_parameters or {}).items():
                if value in self.made.get(name, []):
                    self.made[name].remove(value)
                    for within in _WITHIN.get(name, ()):
                        self.made.pop(within, None)
        elif is_met and method == "POST" and path in _MAKERS.values():
            self._note(path, response.json())

    def _there(self, path: str, name: str) -> list[Any]:
        known = self.known.values.get(f"{name} {path}", self.known.values.get(name, []))
        if name in _MAKERS and not self.made.get(name):
            self._make(name)
        return known + self.made.get(name, [])

    def _make(self, name: str) -> None:
        path = _MAKERS[name]
        if name == "snapshot_id":
            # Of one that was reset, which others may not be.
            self._make("session_id")
        filled = re.sub("{(.*?)}", lambda found: self._there(path, found[1])[-1], path)
        answer = self._client.post(filled, json=self._body(f"POST {path}"))
        assert answer.is_success, answer.text
        self._note(path, answer.json())
        if name == "session_id":
            self._client.post(f"{filled}/{answer.json()['id']}/reset", json={})

    def _note(self, path: str, told: dict[str, Any]) -> None:
        (name,) = (name for name, maker in _MAKERS.items() if maker == path)
        # A new key is told with its identifier as the middle of three parts.
        identifier = told["id"] if "id" in told else told["key"].split("_")[1]
        self.made.setdefault(name, []).append(identifier)

    def _body(self, operation: str) -> Any:
        text = json.dumps(self.random.choice(self.known.bodies.get(operation, [None])))
        return json.loads(
            re.sub("<(.*?)>", lambda found: self.random.choice(self._there("", found[1])), text)
        )

    def _has_enough(self, path: str) -> bool:
        return any(
            maker == path and len(self.made.get(name, [])) >= _ENOUGH
            for name, maker in _MAKERS.items()
        )

    def _is_often(self) -> bool:
        return self.random.random() < _OFTEN


if VARIABLE in os.environ:
    _memory = Memory(Known(**json.loads(Path(os.environ[VARIABLE]).read_text())))

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
        """Called by schemathesis."""
        _memory.fit(case)

    @schemathesis.hook
    def after_call(context: Any, case: Any, response: Any) -> None:
        """Called by schemathesis."""
        _memory.heed(case, response)

    @schemathesis.hook
    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
        """Called by schemathesis, which takes what may come to a resource for a part of it."""
        is_lack = type(failure).__name__ == "EnsureResourceAvailability"
        return not (is_lack and case.operation.path in _LATER)
