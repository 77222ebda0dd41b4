"""Registering what a job has made, before it counts as done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from service.errors import as_problem
from service.jobs.leases import Claim, End
from service.jobs.registry import ModelKind, Registry
from service.jobs.states import AttemptState


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Hands artefacts to the registry of models."""

    registry: Registry
    data: Path

    def publish(self, claim: Claim, end: End) -> End:
        """Register what the spec asks for.

        Where that is refused, the job has failed, with its artefacts kept.
        """
        names: dict[str, str] = claim.spec["publish"]
        if end.result is None or not names:
            return end
        published: dict[str, dict[str, Any]] = {}
        try:
            for artefact, name in names.items():
                version = self._register(claim, end, artefact, name)
                published[artefact] = {"name": name, "version": version}
        except Exception as error:
            structlog.get_logger("surrogym.jobs").error(
                "not registered", job_id=claim.job_id, exc_info=error
            )
            reason = f"it is made, but was not registered: {as_problem(error).detail}"
            return replace(end, state=AttemptState.REFUSED, reason=reason, published=published)
        return replace(end, published=published)

    def _register(self, claim: Claim, end: End, artefact: str, name: str) -> int:
        assert end.result is not None
        made = next((each for each in end.result.artefacts if each.name == artefact), None)
        if made is None:
            raise LookupError(f"the job makes no {artefact!r}")
        version = self.registry.register(
            name=name,
            kind=_model_kind(made.kind),
            system=claim.spec["scenario"],
            folder=self.data / made.folder,
            owner=claim.owner,
            lineage={"job": claim.job_id, "artefact": artefact},
        )
        return version.version


def _model_kind(kind: str) -> ModelKind:
    if kind == "policy":
        return "policy"
    if kind == "surrogate":
        return "surrogate"
    raise LookupError(f"{kind} are no models")
