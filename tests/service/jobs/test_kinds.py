"""Each kind of job on a small clinic, one standing on what the others have made."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from service.jobs.doing import do, workers
from service.jobs.folders import AttemptFolder
from service.jobs.kinds.table import KIND_TABLE
from service.jobs.notes import Notes
from service.jobs.results import Made, Result, digest_of, read_result
from service.jobs.specs import KINDS, SPEC, BaseSpec, inputs_of
from service.jobs.subject import subject_of
from service.models import artefacts
from sim.errors import SurrogymError
from sim.provenance import commit
from surrogates.collect import run_episodes
from surrogates.design import PlannedEpisode
from surrogates.errors import InvalidDataset
from surrogates.storage import load_artefact, load_as_learnt
from training.forms import TransitionsForm

TINY = {"hidden": [16], "num_envs": 32, "rollout_length": 8, "num_epochs": 2}


@dataclass
class Bench:
    """Does jobs in this process, as their own processes would."""

    data: Path
    made: dict[str, Result] = field(default_factory=dict)
    said: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def do(self, name: str, again: bool = False, **spec: Any) -> dict[str, Any]:
        """Do a job under a name, by which others may call for what it makes; its outcome."""
        whole = {"scenario": "clinic", **spec}
        checked = SPEC.validate_python(whole)
        checked.check()
        folder = AttemptFolder(path=self.data / name / ("second" if again else "first"))
        folder.path.mkdir(parents=True)
        order = {
            "job": name,
            "spec": json.loads(checked.model_dump_json()),
            "system": "clinic",
            "inputs": {field: str(self._input(each)) for field, each in inputs_of(checked)},
            "work": str(self.data / name / "work"),
            "data": str(self.data),
        }
        with patch("service.jobs.doing.Notes", partial(Notes, every_seconds=0.0)):
            do(folder, order)
        result = read_result(folder.result)
        assert result is not None
        self.made[name] = result
        lines = folder.notes.read_text().splitlines()
        self.said[name] = [json.loads(line) for line in lines]
        shares = [share for _, share in self.shares(name)]
        assert shares == sorted(shares), "progress never falls"
        assert shares[-1] == pytest.approx(1.0), "whatever it did not need counts as done"
        return result.summary

    def shares(self, name: str) -> list[tuple[str | None, float]]:
        """What a job said of its progress: in which step, and how much of the whole."""
        told = [line["payload"] for line in self.said[name] if line["kind"] == "progress"]
        return [(each["step"], each["share"]) for each in told]

    def moves_within(self, name: str) -> set[str]:
        """Steps of a job whose progress was told before they were finished."""
        found = set[str]()
        under_way = set[str]()
        for line in self.said[name]:
            step = line["payload"].get("step")
            if line["kind"] == "step":
                found |= under_way & {step}
            elif line["kind"] == "progress" and step is not None:
                under_way.add(step)
        return found

    def _input(self, asked: Any) -> Path:
        made = next(each for each in self.made[asked.job].artefacts if each.name == asked.artefact)
        return self.data / made.folder

    def lay(self, name: str, artefact: str, folder: str) -> None:
        """Take a folder for what a job has made."""
        made = Made(name=artefact, kind=artefact, folder=folder, files=(), facts={})
        self.made[name] = Result(summary={}, artefacts=(made,))

    def names(self, name: str) -> set[str]:
        return {each.name for each in self.made[name].artefacts}


def of(job: str, artefact: str) -> dict[str, str]:
    return {"job": job, "artefact": artefact}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """With transitions and a fitted surrogate."""
    bench = Bench(data=tmp_path_factory.mktemp("bench"))
    bench.do("collected", kind="collect", episodes=40)
    bench.do("fitted", kind="fit", transitions=of("collected", "transitions"))
    return bench


def test_every_kind_has_a_spec_and_does_something() -> None:
    """A kind in one table alone would be refused by the other."""
    assert set(KIND_TABLE) == set(KINDS)
    for name in KINDS:
        with pytest.raises(ValueError, match=name):
            SPEC.validate_python({"kind": name, "scenario": "clinic", "nonsense": 1})


def test_a_collection_is_the_same_however_often_it_was_interrupted(bench: Bench) -> None:
    """Batches that were finished are read back, and the whole is what it would have been."""
    first = bench.made["collected"].artefacts[0]
    assert bench.made["collected"].summary["episodes"] == 40
    steps = [line["payload"] for line in bench.said["collected"] if line["kind"] == "step"]
    assert [step["was_there"] for step in steps] == [False] * 3
    assert bench.moves_within("collected") == {"collect/000", "collect/001", "collect/002"}
    bench.do("collected", again=True, kind="collect", episodes=40)
    steps = [line["payload"] for line in bench.said["collected"] if line["kind"] == "step"]
    assert [step["was_there"] for step in steps] == [True] * 3
    again = bench.made["collected"].artefacts[0]
    assert again.files == first.files


def test_progress_rises_within_steps_and_says_how_long(bench: Bench) -> None:
    """A person decides by it whether to wait; of every kind of job here it rises to one."""
    assert bench.moves_within("fitted") == {"fit"}
    told = [line["payload"] for line in bench.said["fitted"] if line["kind"] == "progress"]
    assert all(each["seconds_left"] >= 0 for each in told if each["share"] > 0.01)


def test_a_fit_says_how_good_it_is_and_where_it_has_been(bench: Bench) -> None:
    """Nobody should train on a surrogate that nobody has looked at."""
    summary = bench.made["fitted"].summary
    assert summary["family"] == "flow"
    assert summary["scores"]["standardised_crps"] > 0
    (made,) = bench.made["fitted"].artefacts
    artefact = load_artefact(bench.data / made.folder, kind="surrogate")
    assert artefact.manifest["support"] is not None
    assert artefact.manifest["job"] == "fitted"


def test_what_is_made_says_by_which_code_and_from_which_data(bench: Bench) -> None:
    """Else nobody can make it again, nor tell what a mistake in the data has reached."""
    (collected,), (fitted,) = bench.made["collected"].artefacts, bench.made["fitted"].artefacts
    assert collected.facts["commit"] == fitted.facts["commit"] == commit()
    assert collected.facts["inputs"] == {}
    hashes = [bytes.fromhex(file["sha256"]) for file in collected.files]
    digest = hashlib.sha256(b"".join(hashes)).hexdigest()
    assert fitted.facts["inputs"] == {"transitions": digest}
    manifest = load_artefact(bench.data / fitted.folder, kind="surrogate").manifest
    assert {name: manifest[name] for name in ("commit", "data", "inputs")} == {
        "commit": commit(),
        "data": digest,
        "inputs": {"transitions": digest},
    }
    version = artefacts.digest_of(bench.data / fitted.folder)
    assert digest_of(bench.data / fitted.folder) == version


def test_rules_are_compared_on_the_same_episodes(bench: Bench) -> None:
    """Paired: the same seeds for everybody, so that luck is nobody's."""
    found = bench.do(
        "ruled", kind="evaluate", episodes=6, surrogate=of("fitted", "surrogate"), seed=3
    )
    assert found["episodes"] == 6
    assert "linear rule" in found["costs"]
    assert found["against_reference"]
    costs = json.loads(
        (bench.data / bench.made["ruled"].artefacts[0].folder / "costs.json").read_text()
    )
    assert {len(each) for each in costs.values()} == {6}


def test_parameters_are_estimated_from_telemetry(bench: Bench) -> None:
    """Telemetry at the nominal parameters: the decision is that little has happened."""
    bench.do("lived", kind="collect", episodes=2, seed=9)
    found = bench.do(
        "estimated",
        kind="calibrate",
        surrogate=of("fitted", "surrogate"),
        telemetry=of("lived", "transitions"),
        in_control_days=10,
        refining_days=0,
        most_days_back=2,
    )
    assert found["calibration"]["estimates"]
    assert found["decision"]["reason"]
    assert (found["simulated_days"], found["unexplained"]) == (0, [])
    assert bench.names("estimated") == {"calibration"}
    assert bench.moves_within("estimated") == {"in control"}


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_parameters_are_followed_beyond_the_box(bench: Bench) -> None:
    """A third more customers, where a surrogate knows a fifth more at most."""
    subject = subject_of("clinic")
    description = subject.description
    plans = tuple(
        PlannedEpisode(seed=700 + day, parameters={"arrival_scale": 1.35}, behaviour="restless")
        for day in range(2)
    )
    lived = run_episodes(subject.recipe, plans)
    seen = np.tile(description.nominal, (len(lived), 1))
    lived = replace(lived, parameters=seen.astype(lived.parameters.dtype))
    (bench.data / "lived-there").mkdir()
    TransitionsForm(description=description).write(bench.data / "lived-there", lived)
    bench.lay("there", "transitions", "lived-there")
    estimating: dict[str, Any] = {"in_control_days": 10, "refining_days": 0, "most_days_back": 1}
    surrogate, telemetry = of("fitted", "surrogate"), of("there", "transitions")
    found = bench.do(
        "pushed", kind="calibrate", surrogate=surrogate, telemetry=telemetry,
        **estimating,
    )  # fmt: skip
    bench.do(
        "refined", kind="calibrate", surrogate=surrogate, telemetry=telemetry,
        **estimating | {"refining_days": 4},
    )  # fmt: skip
    assert bench.moves_within("refined") == {"in control", "find"}
    assert found["decision"]["change"] == "parameters outside the box"
    bench.do("someone", kind="train", surrogate=surrogate, ppo=TINY, budget={"steps": 512})
    done = bench.do(
        "followed", kind="retrain", change="outside", policy=of("someone", "policy"),
        surrogate=surrogate, transitions=of("collected", "transitions"), telemetry=telemetry,
        calibration=of("pushed", "calibration"), renewal_episodes=6, gate_episodes=4,
        ppo=TINY, budget={"steps": 512}, **estimating,
    )  # fmt: skip
    assert 1.25 < done["beliefs"]["arrival_scale"] < 1.5
    assert "calibration" in bench.names("followed")
    kept = next(each for each in bench.made["followed"].artefacts if each.name == "surrogate")
    learnt = load_as_learnt(bench.data / kept.folder, description)
    assert learnt.description.parameters[0].high > 1.25


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_policies_are_trained_tuned_judged_and_trained_again(bench: Bench) -> None:
    """The whole way of a policy, each stage on what the one before has made."""
    surrogate, budget = of("fitted", "surrogate"), {"steps": 512}
    ppo: dict[str, Any] = {"ppo": TINY, "budget": budget}
    trained = bench.do("trained", kind="train", surrogate=surrogate, **ppo)
    assert trained["steps"] >= 512
    assert any(line["kind"] == "point" for line in bench.said["trained"])
    policy = of("trained", "policy")
    off_policy = {"hidden": [16], "num_envs": 8, "rollout_length": 8, "learning_starts": 64}
    for algorithm in ("dqn", "sac"):
        bench.do(
            algorithm, kind="train", algorithm=algorithm, surrogate=surrogate, budget=budget,
            off_policy={**off_policy, "batch_size": 32, "updates_per_iteration": 2},
        )  # fmt: skip
    tuned = bench.do("tuned", kind="fine_tune", policy=policy, judge_episodes=4, **ppo)
    assert isinstance(tuned["is_improved"], bool)
    judged = bench.do(
        "judged", kind="evaluate", rules=False, episodes=4,
        policies={"a": policy, "b": of("dqn", "policy"), "c": of("tuned", "policy")},
    )  # fmt: skip
    assert set(judged["costs"]) == {"a", "b", "c"}
    again = bench.do(
        "again", kind="retrain", change="structure", policy=policy, surrogate=surrogate,
        transitions=of("collected", "transitions"), renewal_episodes=4, gate_episodes=4, **ppo,
    )  # fmt: skip
    assert again["challenger"] in ("re-trained 1", "trained anew 1")
    assert bench.names("again") == {"policy", "surrogate", "transitions", "comparison"}
    piped = bench.do(
        "piped", kind="pipeline", transitions=of("collected", "transitions"), rounds=1, visits=4,
        doublings=0, imagined=8, **ppo,
    )  # fmt: skip
    assert len(piped["rounds"]) == 1
    assert not piped["is_believed"]
    assert piped["reason"].startswith("4 visits leave open")
    assert bench.names("piped") == {"policy", "surrogate", "transitions"}
    assert bench.moves_within("again") == {
        "collect", "refit", "train", "train-fresh", "choose", "gate"
    }  # fmt: skip
    assert bench.moves_within("piped") == {"fit", "round-1/train", "round-1/visit"}
    for name in ("again", "piped"):
        made = {each.name: each for each in bench.made[name].artefacts}
        data = digest_of(bench.data / made["transitions"].folder)
        assert made["policy"].facts["data"] == made["surrogate"].facts["data"] == data


def turn(seconds: float) -> tuple[float, float]:
    began = time.time()
    time.sleep(seconds)
    return began, time.time()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_gives_a_job_no_more_cores_than_it_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queue counts on it: whoever asked for one core must not take two that are free."""
    monkeypatch.setenv("RAY_ADDRESS", "joined already")
    with workers(1, needs_ray=False) as executor:
        turns = sorted(executor.map(turn, [0.2] * 4))
    assert all(before[1] <= after[0] for before, after in pairwise(turns))


def test_what_cannot_be_done_is_said_before_hours_of_work(bench: Bench) -> None:
    """A refusal has the reason, and is final."""
    with pytest.raises(InvalidDataset, match="nobody to evaluate"):
        bench.do("nobody", kind="evaluate", rules=False)
    with pytest.raises(SurrogymError, match="family"):
        bench.do("odd", kind="fit", family="odd", transitions=of("collected", "transitions"))


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "train", "surrogate": of("a", "b"), "budget": {}},
        {"kind": "pipeline", "budget": {}},
        {"kind": "train", "surrogate": of("a", "b"), "ppo": {"minibatch_size": 999_999}},
        {"kind": "retrain", "change": "inside", "policy": of("a", "b"), "surrogate": of("a", "b"),
         "transitions": of("a", "b"), "tuning_budget": {}},
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(spec: dict[str, Any]) -> None:
    """At submission, and not after the queue."""
    checked: BaseSpec = SPEC.validate_python({"scenario": "clinic", **spec})
    with pytest.raises(SurrogymError):
        checked.check()
