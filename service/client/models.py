"""Models from Python: versions, aliases, decisions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from service.client.transport import Transport
from service.models.artefacts import FILES, Kind
from service.models.schemas import Alias, AliasMove, Answer, Model, RolledBack, Version
from training.journal import whole_folder


class ModelsClient:
    """The registry."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[Model]:
        """All models, by name."""
        return [Model.model_validate(item) for item in self._transport.items("/v1/models")]

    def get(self, name: str) -> Model:
        """One model: its newest version and its aliases."""
        return Model.model_validate(self._transport.request("GET", f"/v1/models/{name}").json())

    def versions(self, name: str) -> Sequence[Version]:
        """All versions of a model, the newest first."""
        found = self._transport.items(f"/v1/models/{name}/versions")
        return [Version.model_validate(item) for item in found]

    def version(self, name: str, version: int) -> Version:
        """One version: its files with their hashes, and where it comes from."""
        answer = self._transport.request("GET", f"/v1/models/{name}/versions/{version}")
        return Version.model_validate(answer.json())

    def upload(self, name: str, folder: Path, *, kind: Kind, system: str) -> Version:
        """Add a version from an artefact's folder; the same files are the same version."""
        manifest, weights = ((folder / each).read_bytes() for each in FILES)
        answer = self._transport.request(
            "POST",
            f"/v1/models/{name}/versions",
            may_repeat=True,
            data={"kind": kind, "system": system},
            files={"manifest": (FILES[0], manifest), "weights": (FILES[1], weights)},
        )
        return Version.model_validate(answer.json())

    def download(self, name: str, version: int, folder: Path) -> None:
        """Write the files of a version as a folder, whole or not at all.

        `surrogates.storage.load_artefact` checks them when they are used.
        """
        with whole_folder(folder) as partial:
            for each in FILES:
                path = f"/v1/models/{name}/versions/{version}/files/{each}"
                (partial / each).write_bytes(self._transport.request("GET", path).content)

    def alias(self, name: str, alias: str) -> Alias:
        """What an alias stands for."""
        answer = self._transport.request("GET", f"/v1/models/{name}/aliases/{alias}")
        return Alias.model_validate(answer.json())

    def move(
        self, name: str, alias: str, version: int, reason: str, *, seen: Alias | None
    ) -> Alias:
        """Let an alias stand for a version; `seen` is the alias as you saw it, None for a new one.

        Raises Refusal `precondition_failed` where somebody moved it in the meantime.
        """
        tag = {"If-None-Match": "*"} if seen is None else {"If-Match": f'"{seen.revision}"'}
        answer = self._transport.request(
            "PUT",
            f"/v1/models/{name}/aliases/{alias}",
            may_repeat=False,
            json={"version": version, "reason": reason},
            headers=tag,
        )
        return Alias.model_validate(answer.json())

    def promote(self, name: str, version: int, reason: str, job: str | None) -> Alias:
        """Make a version champion that a `retrain` job made, if the job's gate speaks for it.

        Raises Refusal `promotion_refused` otherwise, and without a job, but for a first champion.
        """
        told: dict[str, Any] = {"version": version, "reason": reason, "job": job}
        answer = self._transport.request("POST", f"/v1/models/{name}/promote", json=told)
        return Alias.model_validate(answer.json())

    def roll_back(
        self, name: str, alias: str, reason: str, *, seen: Alias | None = None
    ) -> RolledBack:
        """Let an alias stand for what it stood for before; once more goes further back.

        Raises Refusal `precondition_failed` where somebody moved it since it was `seen`.
        """
        path = f"/v1/models/{name}/aliases/{alias}/rollback"
        tag = {} if seen is None else {"If-Match": f'"{seen.revision}"'}
        answer = self._transport.request("POST", path, json={"reason": reason}, headers=tag)
        return RolledBack.model_validate(answer.json())

    def history(self, name: str) -> Sequence[AliasMove]:
        """Every move of the aliases of a model, and every refusal, the newest first."""
        found = self._transport.items(f"/v1/models/{name}/history")
        return [AliasMove.model_validate(item) for item in found]

    def act(
        self,
        reference: str,
        observations: np.ndarray,
        *,
        allowed: np.ndarray | None = None,
        memory: Sequence[Sequence[float]] | None = None,
    ) -> Answer:
        """Decide a batch of observations by `name@alias` or `name@version`."""
        asked: dict[str, Any] = {"observations": np.asarray(observations, dtype=float).tolist()}
        if allowed is not None:
            asked["allowed"] = np.asarray(allowed, dtype=bool).tolist()
        if memory is not None:
            asked["memory"] = memory
        path = f"/v1/policies/{reference}/act"
        answer = self._transport.request("POST", path, may_repeat=True, json=asked)
        return Answer.model_validate(answer.json())
