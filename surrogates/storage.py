"""Artefacts on disk: named arrays with a manifest that says what they are and where from.

An artefact is a folder of `weights.safetensors` and `manifest.json`. The manifest holds the
SHA-256 of the weights and a seal over itself, so that a changed byte anywhere is refused. The
hashes guard against accidents and mix-ups; against somebody who can rewrite the whole folder
only the folder's permissions do.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as format_safetensors

from sim.description import Description
from sim.errors import suggestion
from sim.provenance import commit
from sim.streams import stream
from surrogates.errors import TamperedArtefact
from surrogates.interface import Surrogate
from surrogates.support import Support

SCHEMA = 1
"""Version of the manifest that this release writes, and the newest it reads."""
WEIGHTS, MANIFEST = "weights.safetensors", "manifest.json"
_SUPPORT = "support."
"""Before the names of the arrays that say where a surrogate has been."""
_HERE, _RENAME_EXCHANGE = -100, 2
"""AT_FDCWD, and a flag of renameat2 (Linux)."""

Manifest = dict[str, Any]
"""A JSON object."""
_UNTOLD: Manifest = {"data": None, "scores": None, "seed": None}
"""What a surrogate's manifest says of its lineage where whoever saves it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """What a folder held, checked."""

    tensors: dict[str, np.ndarray]
    manifest: Manifest


@runtime_checkable
class SupportsStorage(Protocol):
    """A surrogate that can be written as named arrays."""

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        ...


def save_artefact(folder: str | Path, tensors: dict[str, np.ndarray], manifest: Manifest) -> None:
    """Write the arrays and the manifest as one folder, whole or not at all.

    The manifest must name its `kind`; schema, hash and seal are added, and the `commit` of the
    code that runs where it does not name another. A folder of that name is replaced. Raises
    TamperedArtefact for arrays that would be refused when loaded.
    """
    folder = Path(folder)
    if "kind" not in manifest:
        raise TamperedArtefact(f"{folder}: a manifest without a kind: name what is saved")
    _refuse_non_finite(folder, tensors)
    weights = format_safetensors({k: np.ascontiguousarray(v) for k, v in tensors.items()})
    facts = {
        **manifest,
        "commit": manifest.get("commit") or commit(),
        "schema": SCHEMA,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    # As it will be read: JSON turns the keys of objects into text, by which they are then sorted.
    facts = json.loads(json.dumps(facts))
    facts["seal"] = _seal(facts)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(fresh / WEIGHTS, weights)
        _write(fresh / MANIFEST, _format(facts))
        _sync_folder(fresh)
        _put_in_place(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def load_artefact(folder: str | Path, *, kind: str, system: str | None = None) -> Artefact:
    """Read an artefact of one kind, and of one system when it is named.

    Raises TamperedArtefact, with the reason and the way out, for anything but what was saved.
    """
    folder = Path(folder)
    try:
        return _load_artefact(_standing(folder), kind, system)
    except TamperedArtefact:
        # Where the folder was replaced between two reads, the new one is whole by now.
        return _load_artefact(_standing(folder), kind, system)


def _standing(folder: Path) -> Path:
    """The folder, or the one it was when its replacement was cut short."""
    aside = _aside(folder)
    return aside if aside.exists() and not folder.exists() else folder


def _load_artefact(folder: Path, kind: str, system: str | None) -> Artefact:
    manifest = _read_manifest(folder)
    _expect(folder, manifest, "kind", kind)
    if system is not None:
        _expect(folder, manifest, "system", system)
    weights = _read(folder, WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != manifest.get("sha256"):
        raise TamperedArtefact(
            f"{folder / WEIGHTS}: its SHA-256 is not the manifest's, the file was changed: "
            "restore the folder from where it came"
        )
    try:
        tensors = parse_safetensors(weights)
    except (SafetensorError, KeyError, ValueError) as error:
        raise TamperedArtefact(
            f"{folder / WEIGHTS}: no safetensors file ({error}), and nothing else is ever read: "
            "fit and save again"
        ) from error
    _refuse_non_finite(folder, tensors)
    return Artefact(tensors=tensors, manifest=manifest)


def save_surrogate(
    folder: str | Path, surrogate: Surrogate, lineage: Manifest, support: Support | None = None
) -> None:
    """Save a fitted surrogate with its lineage: whatever tells where it came from.

    The manifest has `data` (a fingerprint of what it was fitted to), `scores`, `seed` and `commit`
    under these names: null where the lineage lacks one, and this code's commit. Family, its
    settings, system, names of states and outputs and the parameter box are added, and where the
    surrogate has been; a support of None is stated too.
    """
    if not isinstance(surrogate, SupportsStorage):
        raise TamperedArtefact(f"surrogate {surrogate.name!r} has no to_tensors: cannot be saved")
    facts = {"kind": "surrogate", "family": surrogate.name, **_facts_of(surrogate.description)}
    settings = getattr(surrogate, "settings", None)
    if settings is not None:
        facts["settings"] = asdict(settings)
    known = {} if support is None else support.to_tensors()
    facts["support"] = None if support is None else support.to_record()
    tensors = surrogate.to_tensors() | {f"{_SUPPORT}{name}": a for name, a in known.items()}
    save_artefact(folder, tensors, {**_UNTOLD, **lineage, **facts})


def load_surrogate(folder: str | Path, description: Description) -> tuple[Surrogate, Manifest]:
    """Bring back a surrogate for the system described, with its manifest.

    Raises TamperedArtefact for another system's, for one whose names have changed since, and for
    arrays that an older release wrote in a way that this one cannot draw from.
    """
    # Brings torch along, which whoever keeps policies alone has no need of.
    from surrogates.families import LOADERS

    folder = Path(folder)
    artefact = _load_surrogate(folder, description)
    family = str(artefact.manifest.get("family"))
    if family not in LOADERS:
        raise TamperedArtefact(
            f"{folder}: of unknown family {family!r}{suggestion(family, LOADERS)}; "
            "upgrade, or fit again"
        )
    own = {k: a for k, a in artefact.tensors.items() if not k.startswith(_SUPPORT)}
    try:
        surrogate = LOADERS[family](own, description)
        _draw_once(surrogate)
    except TamperedArtefact:
        raise
    except KeyError as error:
        raise TamperedArtefact(
            f"{folder / WEIGHTS}: lacks the array {error} of family {family!r}: fit and save again"
        ) from error
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise TamperedArtefact(
            f"{folder / WEIGHTS}: its arrays make no {family!r} of this release "
            f"({type(error).__name__}), another one wrote them: fit and save again"
        ) from error
    return surrogate, artefact.manifest


def _draw_once(surrogate: Surrogate) -> None:
    """Arrays of other shapes may fit together and only fail when the first epoch is drawn."""
    description = surrogate.description
    surrogate.sample(
        surrogate.openings[:1],
        description.levels_of(np.zeros(1, dtype=int)),
        description.nominal[None],
        stream(0, "trial draw"),
    )


def load_as_learnt(folder: str | Path, description: Description) -> Surrogate:
    """A saved surrogate over the box that it has learnt, where that reaches beyond the system's.

    Raises TamperedArtefact as `load_surrogate`.
    """
    learnt = _load_surrogate(folder, description).manifest.get("parameter_box", {})
    wide = tuple(
        replace(p, low=min(p.low, low), high=max(p.high, high))
        for p in description.parameters
        for low, high in [learnt.get(p.name, (p.low, p.high))]
    )
    return load_surrogate(folder, replace(description, parameters=wide))[0]


def load_support(folder: str | Path, description: Description) -> Support | None:
    """Where a saved surrogate has been; None where that was not saved with it.

    Raises TamperedArtefact as `load_surrogate`, and where the arrays are not all there.
    """
    artefact = _load_surrogate(folder, description)
    arrays = artefact.tensors.items()
    known = {k.removeprefix(_SUPPORT): a for k, a in arrays if k.startswith(_SUPPORT)}
    if not known and artefact.manifest.get("support") is None:
        return None
    return Support.from_tensors(known, description)


def _load_surrogate(folder: str | Path, description: Description) -> Artefact:
    folder = Path(folder)
    artefact = load_artefact(folder, kind="surrogate", system=description.name)
    facts = _facts_of(description)
    for name in ("state_names", "output_names", "lever_names"):
        _expect(folder, artefact.manifest, name, facts[name])
    _expect_parameters(folder, artefact.manifest, description)
    return artefact


def fingerprint(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _facts_of(description: Description) -> Manifest:
    return {
        "system": description.name,
        "state_names": list(description.state_names),
        "output_names": list(description.output_names),
        "lever_names": list(description.lever_names),
        "parameter_names": [p.name for p in description.parameters],
        "parameter_box": {p.name: [p.low, p.high] for p in description.parameters},
    }


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    content = _read(folder, MANIFEST)
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TamperedArtefact(
            f"{path}: not JSON ({error}): restore the folder from where it came"
        ) from error
    # What is true in JSON is an int of Python too.
    if not isinstance(manifest, dict) or type(manifest.get("schema")) is not int:
        raise TamperedArtefact(f"{path}: no manifest of ours: give the folder of an artefact")
    schema = manifest["schema"]
    if schema > SCHEMA:
        raise TamperedArtefact(
            f"{path}: schema {schema}, this release reads up to {SCHEMA}: upgrade"
        )
    if schema < 1:
        raise TamperedArtefact(
            f"{path}: schema {schema}, the first was 1: restore the folder from where it came"
        )
    # The seal covers what the bytes say; that they are those that would be written covers the rest.
    if manifest.get("seal") != _seal(manifest) or content != _format(manifest):
        raise TamperedArtefact(
            f"{path}: its seal is broken, the manifest was changed: "
            "restore the folder from where it came"
        )
    return manifest


def _format(manifest: Manifest) -> bytes:
    """The one way in which a manifest is written."""
    return json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"


def _seal(manifest: Manifest) -> str:
    """SHA-256 of everything in the manifest but the seal."""
    content = {name: value for name, value in manifest.items() if name != "seal"}
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise TamperedArtefact(
            f"manifest of {manifest.get('kind')!r} holds a non-finite number: leave it out"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise TamperedArtefact(
            f"{folder / name}: cannot be read ({error.strerror}): "
            f"an artefact is a folder with {WEIGHTS} and {MANIFEST}"
        ) from error


def _expect(folder: Path, manifest: Manifest, name: str, wanted: object) -> None:
    found = manifest.get(name)
    if found != wanted:
        raise TamperedArtefact(
            f"{folder}: {name} is {found!r}, needed is {wanted!r}: "
            "give another folder, or fit again for this system"
        )


def _expect_parameters(folder: Path, manifest: Manifest, description: Description) -> None:
    """The same parameters by name; their box may have moved, which is for the support to judge."""
    wanted = [parameter.name for parameter in description.parameters]
    if "parameter_names" in manifest:
        fitted = list(manifest["parameter_names"])
    else:
        # Earlier releases told them without their order.
        fitted, wanted = sorted(manifest.get("parameter_box", {})), sorted(wanted)
    if fitted != wanted:
        raise TamperedArtefact(
            f"{folder}: parameters are {', '.join(fitted) or 'none'}, needed are "
            f"{', '.join(wanted) or 'none'}: give another folder, or fit again for this system"
        )


def _refuse_non_finite(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise TamperedArtefact(f"{folder}: array {name!r} holds a non-finite number: fit again")


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make renames and new names inside the folder last through a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put_in_place(fresh: Path, folder: Path) -> None:
    """Give the new folder its name; one that is there is removed afterwards.

    The two change places at once where the system can do that. Elsewhere the old one steps aside,
    where readers find it should the writer be killed before the new one has the name.
    """
    # mkdtemp is for its owner only; artefacts are shared.
    fresh.chmod(0o755)
    aside = _aside(folder)
    if not folder.exists():
        fresh.rename(folder)
    elif not _exchange(fresh, folder):
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
        try:
            fresh.rename(folder)
        except OSError:
            aside.rename(folder)
            raise
    _sync_folder(folder.parent)
    for old in (fresh, aside):
        shutil.rmtree(old, ignore_errors=True)


def _aside(folder: Path) -> Path:
    """Where a folder is while another takes its place."""
    return folder.parent / f".{folder.name}-old"


def _exchange(first: Path, second: Path) -> bool:
    """Let two folders change their names at once; False where system or disk cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    if rename(_HERE, names[0], _HERE, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(second))
