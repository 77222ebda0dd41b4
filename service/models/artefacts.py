"""The files of versions: safetensors and a manifest, checked before they are kept."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any, Literal

from service.scenarios.catalogue import Catalogue
from sim.errors import SurrogymError
from surrogates.errors import TamperedArtefact
from surrogates.storage import MANIFEST, WEIGHTS, Artefact, load_artefact, load_surrogate
from training.policies import NetworkPolicy

Kind = Literal["policy", "surrogate"]
FILES = (MANIFEST, WEIGHTS)
_NOT_LINEAGE = ("kind", "schema", "sha256", "seal", "settings")


class InvalidModel(SurrogymError):
    """Files that are no model, or not the model that they are said to be."""


def check(folder: Path, kind: Kind, system: str, catalogue: Catalogue) -> Artefact:
    """Load a model as whoever uses it will, so that nothing is kept that cannot be used.

    Nothing but safetensors and JSON is read, whatever the files are called. Raises InvalidModel,
    or TamperedArtefact for files that are not what was saved.
    """
    stray = sorted(path.name for path in folder.iterdir() if path.name not in FILES)
    if stray:
        raise InvalidModel(f"{', '.join(stray)[:200]}: a model is {MANIFEST} and {WEIGHTS} alone")
    description = catalogue.find(system).description
    artefact = load_artefact(folder, kind=kind)
    told = artefact.manifest.get("system")
    if told != description.name:
        raise InvalidModel(
            f"the manifest is of system {str(told)[:64]!r}, not of {description.name!r}: say the "
            "system that it was made for"
        )
    if kind == "policy":
        policy_of(artefact)
    else:
        load_surrogate(folder, description)
    return artefact


def policy_of(artefact: Artefact) -> NetworkPolicy:
    """The policy that an artefact holds; raises InconsistentNetwork where its layers do not fit."""
    name = str(artefact.manifest.get("name", "policy"))[:100]
    return NetworkPolicy.from_tensors(artefact.tensors, name=name)


def digest_of(folder: Path) -> str:
    """SHA-256 over the files: one for each version, wherever it is."""
    total = hashlib.sha256()
    for name in FILES:
        with (folder / name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def lineage_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Where a model comes from, of what its manifest tells."""
    return {name: value for name, value in manifest.items() if name not in _NOT_LINEAGE}


def size_of(folder: Path) -> int:
    """Bytes of its files."""
    return sum((folder / name).stat().st_size for name in FILES)


def put_in_place(fresh: Path, folder: Path) -> None:
    """Rename checked files to where their version keeps them; what a kill left there goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(folder)


def copy_of(folder: Path, fresh: Path) -> None:
    """Copy the files of a model, and nothing else, into a new folder."""
    fresh.mkdir(parents=True)
    try:
        for name in FILES:
            shutil.copyfile(folder / name, fresh / name)
    except OSError as error:
        raise TamperedArtefact(
            f"{folder}: cannot be read ({error.strerror}): a model is {MANIFEST} and {WEIGHTS}"
        ) from error
