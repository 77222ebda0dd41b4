"""Models: immutable versions, aliases with a history, promotion on evidence, decisions."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from service.clock import HandClock
from service.database import Database
from service.jobs.tables import ArtefactRow, JobRow
from service.models.artefacts import FILES
from service.models.operations import Evidence, Models
from service.models.repository import Move
from surrogates.storage import save_artefact
from tests.service.conftest import InProcess, StartInProcess
from training.policies import NetworkPolicy

SYSTEM = "clinic"


def policy(seed: int = 1, features: int = 3, decisions: int = 4) -> NetworkPolicy:
    random = np.random.default_rng(seed)
    return NetworkPolicy(
        name="made by hand",
        weights=(
            random.normal(size=(8, features)).astype(np.float32),
            random.normal(size=(decisions, 8)).astype(np.float32),
        ),
        biases=(np.zeros(8, dtype=np.float32), np.zeros(decisions, dtype=np.float32)),
    )


def saved(folder: Path, seed: int = 1, **facts: Any) -> Path:
    made = policy(seed)
    manifest = {"kind": "policy", "system": SYSTEM, "name": made.name, "seed": seed, **facts}
    save_artefact(folder, made.to_tensors(), manifest)
    return folder


def upload(service: InProcess, folder: Path, name: str = "front-desk", **given: Any) -> Any:
    files = {
        "manifest": ("m", (folder / FILES[0]).read_bytes()),
        "weights": ("w", (folder / FILES[1]).read_bytes()),
    }
    return service.client.post(
        f"/v1/models/{name}/versions",
        data={"kind": "policy", "system": SYSTEM} | given.pop("data", {}),
        files=files | given.pop("files", {}),
        **given,
    )


@pytest.fixture
def two(service: InProcess, tmp_path: Path) -> InProcess:
    """A service with two versions of a model, the first of which is champion."""
    for seed in (1, 2):
        assert upload(service, saved(tmp_path / str(seed), seed)).status_code == 201
    answer = service.client.put(
        "/v1/models/front-desk/aliases/champion",
        json={"version": 1, "reason": "the first"},
        headers={"If-None-Match": "*"},
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    return service


def gated(
    database: Database,
    champion: str,
    name: str = "front-desk",
    version: int = 2,
    *,
    high: float = -0.05,
    **row: Any,
) -> str:
    """A stored job whose gate held a version against a champion, by that one's folder."""
    outcome = {"evidence": {"value": -0.1, "low": -0.2, "high": high, "count": 50}}
    now = datetime(2030, 1, 1, tzinfo=UTC)
    counts = dict.fromkeys(
        ("cores", "generation", "attempts", "crashes", "losses", "last_event", "token"), 0
    )
    made = {
        "id": "job-1", "owner": "operator", "kind": "retrain", "state": "done", "spec": {},
        "spec_digest": "", "inputs": {"policy": champion}, "outcome": outcome, "progress": 1.0,
        "created_at": now, "queued_at": now, "ended_at": now,
    } | counts | row  # fmt: skip
    with database.begin() as session:
        session.add(JobRow(**made))
        session.flush()
        session.add(
            ArtefactRow(
                job_id=made["id"], name="policy", kind="policy", folder="x", files=[], facts={},
                published={"name": name, "version": version},
            )
        )  # fmt: skip
    return str(made["id"])


def test_a_version_comes_back_byte_for_byte(service: InProcess, tmp_path: Path) -> None:
    """What was measured is what is served."""
    folder = saved(tmp_path / "p")
    answer = upload(service, folder)
    assert answer.status_code == 201, answer.text
    assert answer.json()["lineage"]["seed"] == 1
    for name in FILES:
        got = service.client.get(f"{answer.headers['location']}/files/{name}")
        assert got.content == (folder / name).read_bytes()


def test_a_model_tells_by_which_code_and_from_which_data_it_is(
    service: InProcess, tmp_path: Path
) -> None:
    """To whoever asks the API, and to whoever looks at the page."""
    origin: dict[str, Any] = {"commit": "0123456789ab", "inputs": {"transitions": "0f" * 32}}
    lineage = upload(service, saved(tmp_path / "p", **origin)).json()["lineage"]
    assert {name: lineage[name] for name in origin} == origin
    page = service.client.get("/models/front-desk").text
    assert "0123456789ab" in page
    assert "0f" * 32 in page


def test_the_same_files_are_the_same_version(service: InProcess, tmp_path: Path) -> None:
    """Whoever did not hear the answer may ask again."""
    folder = saved(tmp_path / "p")
    assert [upload(service, folder).json()["version"] for _ in range(3)] == [1, 1, 1]
    assert upload(service, saved(tmp_path / "q", 2)).json()["version"] == 2
    listed = service.client.get("/v1/models/front-desk/versions", params={"limit": 1}).json()
    assert [v["version"] for v in listed["items"]] == [2]
    rest = service.client.get(
        "/v1/models/front-desk/versions", params={"cursor": listed["next_cursor"]}
    ).json()
    assert [v["version"] for v in rest["items"]] == [1]
    assert rest["next_cursor"] is None


class _Hostile:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def _zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return packed.getvalue()


def test_nothing_that_is_uploaded_is_ever_run(service: InProcess, tmp_path: Path) -> None:
    """Pickles in every disguise, as weights and as manifest, and skops where no skops belongs."""
    trap = tmp_path / "sprung"
    bomb = pickle.dumps(_Hostile(trap))
    manifest = (saved(tmp_path / "p") / FILES[0]).read_bytes()
    nested = json.dumps({"a": 1}).encode()[:-1] + b',"b":' + b"[" * 5000 + b"]" * 5000 + b"}"
    hostile = [
        {"weights": ("w", bomb)},
        {"weights": ("w", _zipped(bomb))},
        {"manifest": ("m", bomb)},
        {"manifest": ("m", nested)},
        {"weights": ("w", b"\xff" * 8 + b"{}")},
        {"weights": ("w", save({"policy.0.weight": np.zeros((2, 2), dtype=np.float32)}))},
        {"manifest": ("m", b"[]")},
        {"manifest": ("m", manifest.replace(b'"seed": 1', b'"seed": 2'))},
        {"manifest": ("m", b"")},
    ]
    for files in hostile:
        answer = upload(service, tmp_path / "p", files=files)
        assert answer.status_code == 422, (files, answer.text)
        assert str(service.settings.data) not in answer.text
    for data in ({"kind": "surrogate"}, {"system": "../../etc/passwd"}, {"system": "os:system"}):
        assert upload(service, tmp_path / "p", data=data).status_code == 422
    assert not trap.exists()
    assert service.client.get("/v1/models").json()["items"] == []
    assert not list((service.settings.data / "models").glob("front-desk*"))


def test_a_policy_whose_layers_do_not_fit_is_refused(service: InProcess, tmp_path: Path) -> None:
    """It would fail at its first decision, in production."""
    broken = policy().to_tensors() | {"policy.1.weight": np.zeros((4, 5), dtype=np.float32)}
    save_artefact(tmp_path / "p", broken, {"kind": "policy", "system": SYSTEM, "name": "x"})
    assert upload(service, tmp_path / "p").status_code == 422


def test_a_name_belongs_to_whoever_used_it_first(two: InProcess, tmp_path: Path) -> None:
    """Else anybody could put his version where others look for theirs."""
    folder = saved(tmp_path / "theirs", 9)
    answer = upload(two, folder, headers=two.key("train", owner="other"))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("owner", "kind", "said"),
    [("other", "policy", (403, "forbidden")), ("operator", "surrogate", (409, "conflict"))],
)
def test_a_job_whose_model_would_not_be_registered_is_not_begun(
    two: InProcess, owner: str, kind: str, said: tuple[int, str]
) -> None:
    """A name of somebody else, or of a model of another kind: else one hears of it hours later."""
    spec = {"kind": "pipeline", "scenario": SYSTEM, "publish": {kind: "front-desk"}}
    answer = two.client.post("/v1/training-jobs", json=spec, headers=two.key("train", owner=owner))
    assert (answer.status_code, answer.json()["code"]) == said
    assert "another" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("name", "way_out"), [("front-desk", "/promote"), ("nothing", "GET /v1/models")]
)
def test_an_alias_that_is_not_there_says_what_to_do(
    two: InProcess, name: str, way_out: str
) -> None:
    """After a first training nothing is champion yet, and everybody asks for the champion."""
    asked = {"observations": [[0.0, 0.0, 0.0]]}
    for answer in (
        two.client.get(f"/v1/models/{name}/aliases/challenger"),
        two.client.post(f"/v1/policies/{name}@challenger/act", json=asked),
        two.client.post(f"/v1/models/{name}/aliases/challenger/rollback", json={"reason": "bad"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert way_out in answer.json()["detail"]


def test_an_alias_moves_only_for_those_who_saw_it_as_it_is(two: InProcess) -> None:
    """Two people at once: the second is told, and nothing of the first is lost."""
    url, order = "/v1/models/front-desk/aliases/champion", {"version": 2, "reason": "better"}
    assert two.client.put(url, json=order).status_code == 428
    assert two.client.put(url, json=order, headers={"If-Match": '"7"'}).status_code == 412
    assert two.client.put(url, json=order, headers={"If-None-Match": "*"}).status_code == 412
    moved = two.client.put(url, json=order, headers={"If-Match": '"1"'})
    assert (moved.json()["version"], moved.headers["etag"]) == (2, '"2"')
    assert two.client.put(url, json=order, headers={"If-Match": '"1"'}).status_code == 412
    absent = {"version": 3, "reason": "there is none"}
    assert two.client.put(url, json=absent, headers={"If-Match": "*"}).status_code == 404


def test_a_roll_back_is_one_call_and_the_history_keeps_all(two: InProcess) -> None:
    """Who, when, from what to what and why; nothing is ever taken out."""
    url = "/v1/models/front-desk"
    two.client.put(
        f"{url}/aliases/champion",
        json={"version": 2, "reason": "looked better"},
        headers={"If-Match": "*"},
    )
    back = two.client.post(f"{url}/aliases/champion/rollback", json={"reason": "queues grew"})
    assert back.json()["version"] == 1
    moves = two.client.get(f"{url}/history").json()["items"]
    assert [(m["from_version"], m["to_version"]) for m in moves] == [(2, 1), (1, 2), (None, 1)]
    assert moves[0]["reason"] == "rolled back: queues grew"
    assert all(m["actor"].startswith("operator") for m in moves)


def test_each_roll_back_goes_further_back_and_none_goes_forward(
    two: InProcess, tmp_path: Path
) -> None:
    """Whoever rolls back twice in an emergency must not be brought to what he has just left."""
    url = "/v1/models/front-desk/aliases/champion"
    upload(two, saved(tmp_path / "third", 3))
    upload(two, saved(tmp_path / "fourth", 4))

    def stand(version: int) -> None:
        order, tag = {"version": version, "reason": "better"}, {"If-Match": "*"}
        assert two.client.put(url, json=order, headers=tag).status_code == 200

    def roll_back() -> tuple[int, int]:
        told = two.client.post(f"{url}/rollback", json={"reason": "queues grew"}).json()
        assert told["version"] == told["to_version"]
        return told["from_version"], told["to_version"]

    stand(2)
    stand(3)
    stand(3)
    assert [roll_back(), roll_back()] == [(3, 2), (2, 1)]
    assert two.client.post(f"{url}/rollback", json={"reason": "again"}).status_code == 409
    stand(4)
    assert roll_back() == (4, 1)


def test_a_roll_back_of_what_one_saw_happens_once(two: InProcess) -> None:
    """A request that is sent again, or a second operator, must not go one step too far."""
    url, order = "/v1/models/front-desk/aliases/champion", {"version": 2, "reason": "better"}
    seen = two.client.put(url, json=order, headers={"If-Match": "*"}).headers["etag"]

    def roll_back() -> Any:
        wish, tag = {"reason": "queues grew"}, {"If-Match": seen}
        return two.client.post(f"{url}/rollback", json=wish, headers=tag)

    first = roll_back()
    assert (first.status_code, first.json()["to_version"]) == (200, 1)
    assert first.headers["etag"] != seen
    assert roll_back().json()["code"] == "precondition_failed"
    assert two.client.get(url).json()["version"] == 1


CHAMPION = "models/front-desk/1"


@pytest.mark.parametrize(
    ("job", "why", "is_told"),
    [
        (None, "no evidence", True),
        ({"high": 0.01}, "not certain", True),
        ({"champion": "models/front-desk/2"}, "against version 2", True),
        ({"champion": "models/other/1"}, "against version None", True),
        ({"champion": "made/job-0/policy"}, "against version None", True),
        ({"version": 1}, "not registered this version", False),
        ({"name": "other"}, "not registered this version", False),
        ({"kind": "evaluate"}, "only a retrain job", False),
        ({"state": "failed"}, "only a retrain job", False),
    ],
)
def test_a_promotion_without_good_evidence_changes_nothing(
    two: InProcess, job: dict[str, Any] | None, why: str, is_told: bool
) -> None:
    """Missing, uncertain or outdated evidence counts as failure, and the refusal is on record."""
    url = "/v1/models/front-desk"
    order: dict[str, Any] = {"version": 2, "reason": "re-trained"}
    if job is not None:
        given = {"champion": CHAMPION} | job
        order["job"] = gated(two.app.state.platform.database, **given)
    answer = two.client.post(f"{url}/promote", json=order)
    assert (answer.status_code, answer.json()["code"]) == (409, "promotion_refused")
    assert why in answer.json()["detail"]
    assert two.client.get(f"{url}/aliases/champion").json()["version"] == 1
    last = two.client.get(f"{url}/history").json()["items"][0]
    assert (last["is_moved"], last["to_version"]) == ((False, 2) if is_told else (True, 1))


def test_a_promotion_with_evidence_moves_the_champion(two: InProcess) -> None:
    """The evidence stays with the move, and names the job that measured it."""
    job = gated(two.app.state.platform.database, CHAMPION)
    order = {"version": 2, "reason": "re-trained", "job": job}
    answer = two.client.post("/v1/models/front-desk/promote", json=order)
    assert answer.json()["version"] == 2
    last = two.client.get("/v1/models/front-desk/history").json()["items"][0]
    assert last["evidence"] == {
        "job": job,
        "champion": 1,
        "relative_cost": {"low": -0.2, "value": -0.1, "high": -0.05},
        "episodes": 50,
    }


def test_nobody_brings_figures_along_or_takes_anothers_job(two: InProcess) -> None:
    """Or whoever may promote could promote anything; others' jobs are as if they were not."""
    figures = {"champion": 1, "relative_cost": {"low": -0.2, "value": -0.1, "high": -0.05}}
    order = {"version": 2, "reason": "re-trained", "evidence": figures | {"episodes": 50}}
    url = "/v1/models/front-desk/promote"
    assert two.client.post(url, json=order).status_code == 422
    job = gated(two.app.state.platform.database, CHAMPION)
    theirs = two.key("promote", owner="other")
    order = {"version": 2, "reason": "re-trained", "job": job}
    assert two.client.post(url, json=order, headers=theirs).status_code == 404
    assert two.client.get("/v1/models/front-desk/aliases/champion").json()["version"] == 1


def test_moves_and_what_follows_from_them_are_one_transaction(two: InProcess) -> None:
    """A webhook that is noted without its promotion, or the reverse, would be a lie."""
    models: Models = two.app.state.models

    def broken(*_: Any) -> None:
        raise RuntimeError("no room for the note")

    models.on_move.append(broken)
    wish = Move(version=2, actor="a", reason="r")
    good = Evidence(champion=1, low=-0.2, value=-0.1, high=-0.05, episodes=9)
    with pytest.raises(RuntimeError):
        models.promote("front-desk", wish, good)
    assert models.resolve("front-desk@champion").version == 1
    assert len(two.client.get("/v1/models/front-desk/history").json()["items"]) == 1


def test_a_served_policy_decides_as_the_policy_itself(two: InProcess) -> None:
    """Row for row, also where a mask forbids what it would like best."""
    rows = np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32)
    asked = {"observations": rows.tolist()}
    answer = two.client.post("/v1/policies/front-desk@champion/act", json=asked).json()
    best = policy(1).act(rows)
    assert answer["actions"] == best.tolist()
    assert (answer["version"], answer["memory"]) == (1, None)
    allowed = np.ones((50, 4), dtype=bool)
    allowed[np.arange(50), best] = False
    asked["allowed"] = allowed.tolist()
    masked = two.client.post("/v1/policies/front-desk@2/act", json=asked).json()
    assert masked["actions"] == policy(2).act(rows, allowed).tolist()


@pytest.mark.parametrize(
    "asked",
    [
        {"observations": [[1, 2]]},
        {"observations": []},
        {"observations": [[1, 2, "x"]]},
        {"observations": [[0, 0, 0]], "allowed": [[False] * 4]},
        {"observations": [[0, 0, 0]], "allowed": [[True] * 3]},
        {"observations": [[0, 0, 0]], "memory": [[0.0]]},
        {"observations": [[1e39, 0, 0]]},
        {"observations": [[0, -1e300, 0]]},
    ],
)
def test_observations_that_do_not_fit_are_refused(two: InProcess, asked: dict[str, Any]) -> None:
    """A decision from the wrong numbers would look like any other."""
    answer = two.client.post("/v1/policies/front-desk@champion/act", json=asked)
    assert answer.status_code == 422


def test_a_promotion_reaches_those_who_ask_by_alias(
    in_process: StartInProcess, tmp_path: Path
) -> None:
    """Within a second, which is for how long an alias is remembered."""
    service = in_process(HandClock())
    assert service.clock is not None
    for seed in (1, 2):
        upload(service, saved(tmp_path / str(seed), seed))
    for version, revision in ((1, "*"), (2, "*")):
        headers = {"If-Match": revision} if version == 2 else {"If-None-Match": revision}
        service.client.put(
            "/v1/models/front-desk/aliases/champion",
            json={"version": version, "reason": "r"},
            headers=headers,
        )
        asked = {"observations": [[0.0, 0.0, 0.0]]}
        service.clock.advance(2)
        answer = service.client.post("/v1/policies/front-desk@champion/act", json=asked)
        assert answer.json()["version"] == version


def test_only_what_the_operator_knows_can_be_asked_for(service: InProcess) -> None:
    """A name is never a path or a module, and a variant is found by its name."""
    names = [item["name"] for item in service.client.get("/v1/scenarios").json()["items"]]
    assert {"bank", "clinic"} <= set(names)
    clinic = service.client.get("/v1/scenarios/clinic").json()
    assert clinic["states"]
    assert clinic["levers"]
    for name in ("nobody", "os:system", "..%2Fclinic", "%2Fetc%2Fpasswd.toml", "x.toml:y"):
        assert service.client.get(f"/v1/scenarios/{name}").status_code == 404, name


def test_an_operator_adds_systems_as_files(service: InProcess) -> None:
    """A scenario file in the data folder has a name from then on."""
    from importlib import resources

    text = (resources.files("sim") / "scenarios" / "clinic.toml").read_text("utf-8")
    folder = service.settings.data / "scenarios"
    folder.mkdir()
    (folder / "ours.toml").write_text(text)
    told = service.client.get("/v1/scenarios/ours").json()
    assert told["levers"] == service.client.get("/v1/scenarios/clinic").json()["levers"]
