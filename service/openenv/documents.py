"""What an environment says of itself in the words of OpenEnv 0.10."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

Document = dict[str, Any]
_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_NUMBERS = {"type": "array", "items": {"type": "number"}}

ACTION: Document = {
    "title": "Action",
    "type": "object",
    "properties": {
        "action": {"description": "A number, or a row of numbers, of the action space"},
        "metadata": {"type": "object"},
    },
    "required": ["action"],
    "additionalProperties": False,
}
OBSERVATION: Document = {
    "title": "Observation",
    "type": "object",
    "properties": {
        "values": _NUMBERS,
        "terminated": _FLAG,
        "truncated": _FLAG,
        "metadata": {
            "type": "object",
            "properties": {
                "cost": {"type": "number"},
                "duration": {"type": "number", "description": "Minutes"},
                "action_mask": {"type": "array", "items": _FLAG},
            },
        },
    },
    "required": ["values"],
}
STATE: Document = {
    "title": "State",
    "type": "object",
    "properties": {
        "episode_id": {"anyOf": [_TEXT, {"type": "null"}]},
        "step_count": {"type": "integer", "minimum": 0},
    },
    "required": ["step_count"],
}
RESET: Document = {
    "title": "Reset",
    "type": "object",
    "description": "Beside these, what `POST /v1/sessions` takes: `world`, `parameters` and so on",
    "properties": {"seed": {"type": "integer", "minimum": 0}, "episode_id": _TEXT},
}
RESULT: Document = {
    "title": "Result",
    "type": "object",
    "properties": {
        "observation": OBSERVATION,
        "reward": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "done": _FLAG,
        "metadata": {"type": "object"},
    },
    "required": ["observation", "reward", "done"],
}


def openapi(name: str) -> Document:
    """Of one environment; OpenEnv's validator looks for it beside its other paths."""
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Surrogym: {name}", "version": version("surrogym")},
        "paths": {
            "/health": {"get": _operation("Whether it is up", {"type": "object"})},
            "/metadata": {"get": _operation("Name and description", {"type": "object"})},
            "/schema": {"get": _operation("Schemas of all messages", {"type": "object"})},
            "/reset": {"post": _operation("A first observation", RESULT, RESET)},
            "/step": {"post": _operation("One step of a fresh episode", RESULT, ACTION)},
            "/state": {"get": _operation("Of no episode: those are on /ws", STATE)},
            "/mcp": {"post": _operation("JSON-RPC", {"type": "object"}, {"type": "object"})},
        },
    }


def _operation(summary: str, answer: Document, body: Document | None = None) -> Document:
    told: Document = {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": _content(answer)}},
    }
    if body is not None:
        told["requestBody"] = {"content": _content(body)}
    return told


def _content(schema: Document) -> Document:
    return {"application/json": {"schema": schema}}
