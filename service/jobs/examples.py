"""A spec of each kind of job, as documentation shows them."""

from __future__ import annotations

from typing import Any

_TRANSITIONS = {"job": "job-019ac2a1b2c3d4e5f6a7b8c9", "artefact": "transitions"}
_TELEMETRY = {"job": "job-019ac2a1b2c3d4e5f6a7b8ca", "artefact": "transitions"}
_SURROGATE, _POLICY = {"model": "clinic-flow@champion"}, {"model": "clinic-policy@champion"}

EXAMPLES: dict[str, dict[str, Any]] = {
    "collect": {"scenario": "clinic", "episodes": 200, "seed": 1, "cores": 2},
    "fit": {
        "scenario": "clinic", "family": "flow", "transitions": _TRANSITIONS,
        "publish": {"surrogate": "clinic-flow"},
    },
    "train": {
        "scenario": "clinic", "surrogate": _SURROGATE, "budget": {"seconds": 120},
        "publish": {"policy": "clinic-policy"},
    },
    "fine_tune": {
        "scenario": "clinic", "policy": _POLICY, "budget": {"steps": 20_000},
        "publish": {"policy": "clinic-policy"},
    },
    "evaluate": {"scenario": "clinic", "policies": {"in-charge": _POLICY}, "episodes": 40},
    "calibrate": {
        "scenario": "clinic", "surrogate": _SURROGATE, "policy": _POLICY, "telemetry": _TELEMETRY,
        "structure_points": 60,
    },
    "retrain": {
        "scenario": "clinic", "change": "objective", "policy": _POLICY, "surrogate": _SURROGATE,
        "transitions": _TRANSITIONS, "costs": {"registration_wait": 2.0},
        "publish": {"policy": "clinic-policy"},
    },
    "pipeline": {
        "scenario": "clinic", "episodes": 200, "rounds": 3, "budget": {"seconds": 300},
        "publish": {"policy": "clinic-policy", "surrogate": "clinic-flow"},
    },
}  # fmt: skip
"""By kind, without it."""


def openapi_examples() -> dict[str, Any]:
    """The same as OpenAPI takes them."""
    return {kind: {"value": {"kind": kind, **spec}} for kind, spec in EXAMPLES.items()}
