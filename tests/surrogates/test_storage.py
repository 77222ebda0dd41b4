import dataclasses
import hashlib
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as format_safetensors

from sim.description import SystemDescription
from sim.provenance import commit
from surrogates.dataset import Transitions, read_transitions, write_transitions
from surrogates.dataset_file import DatasetFile
from surrogates.errors import TamperedArtefact
from surrogates.families import FAMILIES
from surrogates.flow import FlowSettings, FlowSurrogate
from surrogates.interface import Surrogate
from surrogates.storage import (
    MANIFEST,
    SCHEMA,
    WEIGHTS,
    fingerprint,
    load_artefact,
    load_as_learnt,
    load_support,
    load_surrogate,
    save_artefact,
    save_surrogate,
)
from tests.surrogates.conftest import SMALL_SETTINGS

TENSORS = {"slope": np.arange(6.0).reshape(2, 3), "count": np.array([7])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole artefact."""
    saved = tmp_path / "model"
    save_artefact(saved, TENSORS, {"kind": "policy", "system": "bank", "seeds": [1, 2]})
    return saved


def reseal(folder: Path, **changes: Any) -> None:
    """Change the manifest as somebody would who knows how it is sealed."""
    manifest = {**json.loads((folder / MANIFEST).read_text()), **changes}
    manifest.pop("seal")
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    manifest["seal"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def replace_weights(folder: Path, content: bytes) -> None:
    """Put other weights in the folder, with a manifest that vouches for them."""
    (folder / WEIGHTS).write_bytes(content)
    reseal(folder, sha256=hashlib.sha256(content).hexdigest())


def test_what_is_loaded_is_what_was_saved(folder: Path) -> None:
    """Names, shapes, types and values must all survive, and the lineage with them."""
    artefact = load_artefact(folder, kind="policy", system="bank")
    assert artefact.tensors.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        assert artefact.tensors[name].dtype == values.dtype
        assert np.array_equal(artefact.tensors[name], values)
    assert artefact.manifest["seeds"] == [1, 2]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_is_the_same_after_storage(
    family: str, fitted: dict[str, Surrogate], description: SystemDescription, tmp_path: Path
) -> None:
    """Scores in the manifest are of the surrogate in the folder only if it draws the same."""
    saved = fitted[family]
    save_surrogate(tmp_path / "surrogate", saved, {"seeds": [3]})
    loaded, manifest = load_surrogate(tmp_path / "surrogate", description)
    states = np.stack([description.initial_state(day=1)] * 8)
    decisions = np.stack([description.decisions[5]] * 8)
    parameters = np.stack([description.nominal] * 8)
    first, second = (
        s.sample(states, decisions, parameters, np.random.default_rng(0)) for s in (saved, loaded)
    )
    assert np.array_equal(first.outputs, second.outputs)
    assert manifest["family"] == loaded.name == family
    assert manifest["parameter_box"]["arrival_scale"] == [0.8, 1.25]


def test_every_artefact_says_by_which_code_it_was_made(folder: Path, tmp_path: Path) -> None:
    """Nobody thinks of it when saving, and everybody when a mistake has been found."""
    assert load_artefact(folder, kind="policy").manifest["commit"] == commit()
    save_artefact(tmp_path / "told", TENSORS, {"kind": "policy", "commit": "abc"})
    assert load_artefact(tmp_path / "told", kind="policy").manifest["commit"] == "abc"


def test_a_surrogate_says_what_is_known_of_its_lineage_and_what_is_not(
    fitted: dict[str, Surrogate], description: SystemDescription, tmp_path: Path
) -> None:
    """A fact that is left out cannot be told from one under another name."""
    save_surrogate(tmp_path / "surrogate", fitted["mean"], {"seed": 3, "run": "mine"})
    _, manifest = load_surrogate(tmp_path / "surrogate", description)
    told = {name: manifest[name] for name in ("commit", "data", "scores", "seed", "run")}
    assert told == {
        "commit": commit(), "data": None, "scores": None, "seed": 3, "run": "mine"
    }  # fmt: skip


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
@pytest.mark.parametrize("place", [0.0, 0.1, 0.35, 0.5, 0.77, 0.999])
def test_one_flipped_bit_is_refused(folder: Path, name: str, place: float) -> None:
    """Bits rot and transfers break anywhere: in the header, the numbers or the manifest."""
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(TamperedArtefact):
        load_artefact(folder, kind="policy", system="bank")


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        (b'"schema": 1', b'"schema":  1'),
        (b'"schema": 1', b'"schema": 9, "schema": 1'),
        (b"0.5", b"0.50"),
        (b"0.30000000000000004", b"0.30000000000000003"),
        (b'"bank"', b'"b\\u0061nk"'),
        (b"}\n", b"}"),
    ],
)
def test_bytes_that_say_the_same_are_refused(
    tmp_path: Path, written: bytes, changed: bytes
) -> None:
    """Whoever reads the manifest with other tools may be told something else by them.

    Of a name that is given twice, some take the first value and some the last.
    """
    folder = tmp_path / "model"
    scores = {"crps": 0.5, "coverage": 0.1 + 0.2}
    save_artefact(folder, TENSORS, {"kind": "policy", "system": "bank", "scores": scores})
    content = (folder / MANIFEST).read_bytes()
    assert written in content
    (folder / MANIFEST).write_bytes(content.replace(written, changed))
    with pytest.raises(TamperedArtefact, match="its seal is broken"):
        load_artefact(folder, kind="policy")


def test_numbers_that_name_facts_come_back_as_text(tmp_path: Path) -> None:
    """JSON has no other names; 10 comes after 2 and "10" before it, so the seal must not mind."""
    save_artefact(tmp_path / "model", TENSORS, {"kind": "policy", "days": {2: "tue", 10: "wed"}})
    artefact = load_artefact(tmp_path / "model", kind="policy")
    assert artefact.manifest["days"] == {"2": "tue", "10": "wed"}


def test_a_truncated_file_is_refused(folder: Path) -> None:
    """A copy that ran out of disk leaves the beginning only."""
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:-1])
    with pytest.raises(TamperedArtefact, match="the file was changed"):
        load_artefact(folder, kind="policy")


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    """Half an artefact is none, and the message must say which half."""
    (folder / name).unlink()
    with pytest.raises(TamperedArtefact, match=f"{name}: cannot be read"):
        load_artefact(folder, kind="policy")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A mistyped path is the commonest mistake of all."""
    with pytest.raises(TamperedArtefact, match="an artefact is a folder with"):
        load_artefact(tmp_path / "nowhere", kind="policy")


@pytest.mark.parametrize("content", ["[]", "{}", "not json", '{"schema": "1"}', "[" * 100_000])
def test_a_manifest_of_something_else_is_refused(folder: Path, content: str) -> None:
    """Other tools write manifest.json too."""
    (folder / MANIFEST).write_text(content)
    with pytest.raises(TamperedArtefact, match=r"no manifest of ours|not JSON"):
        load_artefact(folder, kind="policy")


def test_a_newer_schema_is_refused_with_the_way_out(folder: Path) -> None:
    """What a later release means by its fields this one cannot know."""
    reseal(folder, schema=SCHEMA + 1)
    with pytest.raises(TamperedArtefact, match=r"reads up to 1: upgrade"):
        load_artefact(folder, kind="policy")


@pytest.mark.parametrize("schema", [0, -5])
def test_a_schema_before_the_first_is_refused(folder: Path, schema: int) -> None:
    """No release wrote it, so nobody knows what its fields mean."""
    reseal(folder, schema=schema)
    with pytest.raises(TamperedArtefact, match=f"schema {schema}, the first was 1"):
        load_artefact(folder, kind="policy")


@pytest.mark.parametrize("schema", [True, 1.0, "1", None])
def test_a_schema_that_is_no_whole_number_is_refused(folder: Path, schema: object) -> None:
    """Python takes true for 1, and so it would be read as the first schema."""
    reseal(folder, schema=schema)
    with pytest.raises(TamperedArtefact, match="no manifest of ours"):
        load_artefact(folder, kind="policy")


def test_another_kind_is_refused(folder: Path) -> None:
    """A policy's arrays would be nonsense in a surrogate."""
    with pytest.raises(TamperedArtefact, match="kind is 'policy', needed is 'surrogate'"):
        load_artefact(folder, kind="surrogate")


def test_another_system_is_refused(folder: Path) -> None:
    """Two systems may have equal shapes, so only the name can tell them apart."""
    with pytest.raises(TamperedArtefact, match="system is 'bank', needed is 'clinic'"):
        load_artefact(folder, kind="policy", system="clinic")


def test_a_renamed_pickle_is_refused_unread(folder: Path, tmp_path: Path) -> None:
    """Unpickling runs code, so even with a manifest that vouches for it none may be opened."""
    trap = tmp_path / "sprung"
    replace_weights(folder, pickle.dumps(_Trap(trap)))
    with pytest.raises(TamperedArtefact, match="no safetensors file"):
        load_artefact(folder, kind="policy")
    assert not trap.exists()


class _Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_weights_are_refused_on_both_ways(folder: Path, value: float) -> None:
    """A diverged fit answers NaN to everything, long after anybody knows why."""
    broken = {"slope": np.array([1.0, value])}
    with pytest.raises(TamperedArtefact, match="'slope' holds a non-finite number"):
        save_artefact(folder, broken, {"kind": "policy"})
    replace_weights(folder, format_safetensors(broken))
    with pytest.raises(TamperedArtefact, match="'slope' holds a non-finite number"):
        load_artefact(folder, kind="policy")


def test_a_refused_save_leaves_the_old_artefact_and_nothing_else(folder: Path) -> None:
    """Whoever reads while another writes must find a whole artefact, old or new."""
    with pytest.raises(TamperedArtefact, match="non-finite number: leave it out"):
        save_artefact(folder, TENSORS, {"kind": "policy", "scores": {"crps": float("nan")}})
    with pytest.raises(TypeError):
        save_artefact(folder, TENSORS, {"kind": "policy", "commit": object()})
    assert load_artefact(folder, kind="policy").manifest["seeds"] == [1, 2]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_crash_while_writing_leaves_the_old_artefact_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk fails between the two files, the moment at which half a folder would show."""

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("surrogates.storage.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_artefact(folder, TENSORS, {"kind": "policy", "seeds": [9]})
    monkeypatch.undo()
    assert load_artefact(folder, kind="policy").manifest["seeds"] == [1, 2]
    assert list(folder.parent.iterdir()) == [folder]


def test_saving_again_replaces_the_artefact(folder: Path) -> None:
    """A refit goes under the same name, and nothing of the old may stay behind."""
    (folder / "leftover").touch()
    save_artefact(folder, {"slope": np.ones(2)}, {"kind": "policy", "seeds": [9]})
    artefact = load_artefact(folder, kind="policy")
    assert artefact.tensors.keys() == {"slope"}
    assert sorted(f.name for f in folder.iterdir()) == [MANIFEST, WEIGHTS]
    assert list(folder.parent.iterdir()) == [folder]


class _Killed(BaseException):
    """The end of a process, which nothing may handle."""


def test_a_writer_killed_between_two_renames_leaves_the_old_artefact(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two folders cannot change places at once there is a moment in which none has the name.

    The next save is to leave the new artefact and nothing else.
    """
    rename = Path.rename

    def until_killed(path: Path, target: Path) -> Path:
        if target == folder:
            raise _Killed
        return rename(path, target)

    monkeypatch.setattr("surrogates.storage._exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", until_killed)
    with pytest.raises(_Killed):
        save_artefact(folder, TENSORS, {"kind": "policy", "seeds": [9]})
    assert not folder.exists()
    assert load_artefact(folder, kind="policy").manifest["seeds"] == [1, 2]
    monkeypatch.setattr(Path, "rename", rename)
    for seed in (10, 11):
        save_artefact(folder, TENSORS, {"kind": "policy", "seeds": [seed]})
        assert load_artefact(folder, kind="policy").manifest["seeds"] == [seed]
        assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has renameat2")
def test_a_replaced_artefact_never_lacks_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads at any moment must find it, so nothing may be renamed away first."""

    def refuse(path: Path, _: Path) -> Path:
        raise AssertionError(f"{path} is renamed")

    monkeypatch.setattr(Path, "rename", refuse)
    save_artefact(folder, TENSORS, {"kind": "policy", "seeds": [9]})
    assert load_artefact(folder, kind="policy").manifest["seeds"] == [9]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_reader_that_meets_a_replacement_half_way_reads_the_new_artefact(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the manifest of the one and the weights of the other, which nobody has changed."""
    replaced = [False]

    def slowly(at: Path, name: str) -> bytes:
        if name == WEIGHTS and not replaced[0]:
            replaced[0] = True
            save_artefact(folder, {"slope": np.ones(2)}, {"kind": "policy", "seeds": [9]})
        return (at / name).read_bytes()

    monkeypatch.setattr("surrogates.storage._read", slowly)
    artefact = load_artefact(folder, kind="policy")
    assert artefact.manifest["seeds"] == [9]
    assert artefact.tensors.keys() == {"slope"}


def test_a_surrogate_of_a_changed_system_is_refused(
    fitted: dict[str, Surrogate], description: SystemDescription, tmp_path: Path
) -> None:
    """A class renamed since the fit keeps the shapes and changes the meaning of a column."""
    save_surrogate(tmp_path / "surrogate", fitted["mean"], {})
    lever = dataclasses.replace(description.levers[0], name="on_cases")
    teams = tuple(
        dataclasses.replace(t, lever="on_cases") if t.lever == description.levers[0].name else t
        for t in description.teams
    )
    changed = dataclasses.replace(description, levers=(lever, *description.levers[1:]), teams=teams)
    with pytest.raises(TamperedArtefact, match="lever_names"):
        load_surrogate(tmp_path / "surrogate", changed)


def test_a_surrogate_of_other_parameters_is_refused(
    fitted: dict[str, Surrogate], description: SystemDescription, tmp_path: Path
) -> None:
    """Two parameters that changed places would be taken for each other, number for number."""
    save_surrogate(tmp_path / "surrogate", fitted["ensemble"], {})
    swapped = dataclasses.replace(description, parameters=description.parameters[::-1])
    with pytest.raises(TamperedArtefact, match="parameters are arrival_scale, handle_time_scale"):
        load_surrogate(tmp_path / "surrogate", swapped)


@pytest.mark.parametrize("family", ["ensemble", "flow", "gp", "quantile", "trees"])
def test_the_settings_of_the_fit_are_kept_and_told(
    family: str, fitted: dict[str, Surrogate], description: SystemDescription, tmp_path: Path
) -> None:
    """A saved surrogate learns on as it was fitted, not by defaults.

    Whoever reads a score wants to know of which network it is, without our code.
    """
    save_surrogate(tmp_path / "surrogate", fitted[family], {})
    loaded, _ = load_surrogate(tmp_path / "surrogate", description)
    settings: Any = SMALL_SETTINGS[family]
    assert getattr(loaded, "settings", None) == settings
    manifest = json.loads((tmp_path / "surrogate" / MANIFEST).read_text())
    assert manifest["settings"] == dataclasses.asdict(settings)


def test_a_flow_of_an_older_release_learns_on_by_defaults(
    fitted: dict[str, Surrogate], description: SystemDescription
) -> None:
    """It was saved without its settings; what it believes is all there."""
    flow = fitted["flow"]
    assert isinstance(flow, FlowSurrogate)
    tensors = {k: v for k, v in flow.to_tensors().items() if not k.startswith("settings.")}
    assert FlowSurrogate.from_tensors(tensors, description).settings == FlowSettings()


def test_a_surrogate_without_one_of_its_arrays_is_refused(
    description: SystemDescription, fitted: dict[str, Surrogate], tmp_path: Path
) -> None:
    """The message must name the array, not leave a KeyError to whoever asked."""
    save_surrogate(tmp_path / "surrogate", fitted["mean"], {})
    replace_weights(tmp_path / "surrogate", format_safetensors({"mean": np.zeros(3)}))
    with pytest.raises(TamperedArtefact, match="lacks the array 'deviation'"):
        load_surrogate(tmp_path / "surrogate", description)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_arrays_that_an_older_release_shaped_otherwise_are_refused(
    family: str, fitted: dict[str, Surrogate], description: SystemDescription, tmp_path: Path
) -> None:
    """A release that sees one number less has narrower arrays under the same names.

    Whoever loads them must be told to fit again, not be left with an error of some library in the
    midst of a training.
    """
    save_surrogate(tmp_path / "surrogate", fitted[family], {})
    tensors = load_artefact(tmp_path / "surrogate", kind="surrogate").tensors
    narrower = {
        name: np.ascontiguousarray(values[..., :-1]) if values.ndim > 1 else values
        for name, values in tensors.items()
    }
    assert any(values.ndim > 1 for values in tensors.values()) or family in ("mean", "fluid")
    if family in ("mean", "fluid"):
        narrower = {name: np.atleast_1d(values)[..., :-1] for name, values in tensors.items()}
    replace_weights(tmp_path / "surrogate", format_safetensors(narrower))
    with pytest.raises(TamperedArtefact, match="fit"):
        load_surrogate(tmp_path / "surrogate", description)


def test_an_unknown_family_is_refused_with_the_known_ones(
    description: SystemDescription, fitted: dict[str, Surrogate], tmp_path: Path
) -> None:
    """A plug-in's surrogate is no reason for a stack trace."""
    save_surrogate(tmp_path / "surrogate", fitted["mean"], {})
    reseal(tmp_path / "surrogate", family="oracle")
    with pytest.raises(TamperedArtefact, match="unknown family 'oracle'; known: bootstrap"):
        load_surrogate(tmp_path / "surrogate", description)


def test_a_place_may_be_given_as_text(
    fitted: dict[str, Surrogate],
    transitions: Transitions,
    description: SystemDescription,
    tmp_path: Path,
) -> None:
    """Notebooks and command lines have text, and it names a folder as well as a Path does."""
    folder, rows = str(tmp_path / "surrogate"), str(tmp_path / "rows.parquet")
    save_surrogate(folder, fitted["mean"], {})
    assert load_surrogate(folder, description)[0].name == "mean"
    assert load_as_learnt(folder, description).name == "mean"
    assert load_support(folder, description) is None
    write_transitions(rows, transitions, description, {})
    assert len(read_transitions(rows, description)[0]) == len(transitions)
    assert fingerprint(rows) == fingerprint(Path(rows))
    assert DatasetFile(path=rows, description=description).read()[1] == -1


def test_fingerprint_is_the_sha256_of_the_file(tmp_path: Path) -> None:
    """Anybody must be able to check the lineage with their own tools."""
    (tmp_path / "data").write_bytes(b"transitions")
    assert fingerprint(tmp_path / "data") == hashlib.sha256(b"transitions").hexdigest()
