"""The service: steps beside OpenEnv and a bare echo, decisions, idle sessions."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.clients import (
    Talk,
    begin,
    latencies,
    post,
    post_to_echo,
    post_to_ours,
    seconds_of,
    talk_to_openenv,
    talk_to_ours,
)
from benchmarks.figures import INFORMATION, Figure, median_figure
from benchmarks.rows import Measurement, Row, Setting
from benchmarks.servers import KEY, SURROGATE, Server, echo_server, openenv_server, our_service
from envs.registration import scenario_problem
from envs.remote import RemoteVectorEnv
from service.client import Client
from service.jobs.subject import subject_of
from sim.streams import stream
from surrogates.collect import run_episodes
from surrogates.design import plan_episodes
from surrogates.families import fit_family
from surrogates.storage import save_artefact, save_surrogate
from training.policies import NetworkPolicy

_OURS, _OPENENV, _ECHO = "ours", "openenv", "echo"
_IDLE_GOAL_MIB = 200
_NETWORK = "criss_cross"
_UNDER_WAY = 3
"""Batches that are asked for before the first is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The same environment behind each server, and the same client for all of them.

    Single steps are those of a network that is decided at every event, whose own step takes a
    fifth of a millisecond, so that servers are timed and not a simulator; batches and idle sessions
    are of the clinic on its flow surrogate. Client and servers share the machine's cores: rates are
    to be read as ratios. OpenEnv has one process and steps in threads, ours steps in a second
    process, as each does by itself.
    """

    turns: int = 25
    """Rounds of steps: many and short, for the machine's speed changes from second to second."""
    steps: int = 1000
    """In a round of one session, which begins an episode: one takes longer to begin than a step."""
    steps_of_each: int = 100
    """In a round of several."""
    crowd: int = 64
    """Sessions at once."""
    posting: int = 8
    """Clients of REST at once."""
    batch: int = 8192
    """Environments in one msgpack message."""
    batches: int = 100
    idle: int = 256
    rounds: int = 7
    per_second: float = 200.0
    seconds: float = 5.0
    """Of asking for decisions in a round."""

    @classmethod
    def quick(cls) -> Serving:
        """Moments of each."""
        return cls(
            turns=1,
            steps=60,
            steps_of_each=20,
            crowd=4,
            posting=2,
            batch=64,
            batches=3,
            idle=4,
            rounds=1,
            per_second=50.0,
            seconds=1.0,
        )

    def measure(self) -> Iterator[Measurement]:
        """All servers up, by turns."""
        with clinic_artefacts() as (surrogate, policy), our_service(surrogate) as ours:
            with openenv_server(_NETWORK) as peer:
                for count in (1, self.crowd):
                    mine = [talk_to_ours(ours, _NETWORK) for _ in range(count)]
                    theirs = [talk_to_openenv(peer) for _ in range(count)]
                    yield from self._by_turns("sessions", {_OURS: mine, _OPENENV: theirs})
            with echo_server() as echo:
                for count in (1, self.posting):
                    mine = [post_to_ours(ours, _NETWORK) for _ in range(count)]
                    echoes = [post_to_echo(echo) for _ in range(count)]
                    yield from self._by_turns("rest", {_OURS: mine, _ECHO: echoes})
            yield from self._batches(ours)
            yield from self._decisions(ours, policy)
            yield self._idle(ours)

    def _by_turns(self, what: str, talks: dict[str, list[Talk]]) -> Iterator[Measurement]:
        """Rounds in which each server is asked after the other."""
        count = len(talks[_OURS])
        steps = self.steps if count == 1 else self.steps_of_each
        for number in range(self.turns + 1):
            seconds = {who: seconds_of(crowd, steps) for who, crowd in talks.items()}
            if number:
                # The first round warms all up.
                yield self._measurement(what, seconds, count * steps, n=count)
        for crowd in talks.values():
            for talk in crowd:
                talk.close()

    def _batches(self, ours: Server) -> Iterator[Measurement]:
        batch = RemoteVectorEnv(
            ours.address, "clinic", self.batch, key=KEY, world=SURROGATE, seed=3
        )
        batch.reset()
        count = int(batch.single_action_space.n)  # type: ignore[attr-defined]
        actions = stream(1, "actions").integers(count, size=(self.batches, self.batch))
        batch.step(actions[0])
        for _ in range(self.rounds):
            began = time.perf_counter()
            for number, chosen in enumerate(actions):
                batch.send(chosen)
                if number >= _UNDER_WAY:
                    batch.receive()
            for _ in range(min(_UNDER_WAY, len(actions))):
                batch.receive()
            took = {_OURS: time.perf_counter() - began}
            yield self._measurement("msgpack", took, self.batches * self.batch, n=self.batch)
        batch.close()

    def _decisions(self, ours: Server, policy: Path) -> Iterator[Measurement]:
        with Client(ours.address, KEY) as client:
            client.models.upload("clinic-policy", policy, kind="policy", system="clinic")
            client.models.move("clinic-policy", "champion", 1, "the first", seen=None)
        width = len(scenario_problem("clinic").observation.names)
        body = json.dumps({"observations": [[0.0] * width]}).encode()
        path = "/v1/policies/clinic-policy@champion/act"
        asyncio.run(latencies(ours, path, body, per_second=50.0, seconds=1.0))
        for _ in range(self.rounds):
            found = asyncio.run(
                latencies(ours, path, body, per_second=self.per_second, seconds=self.seconds)
            )
            p50, p99 = 1000 * np.percentile(found, (50, 99))
            yield Measurement(
                settings={"what": "act", "per_second": self.per_second, "requests": len(found)},
                seconds={_OURS: float(found.sum())},
                answers={_OURS: {"p50_milliseconds": float(p50), "p99_milliseconds": float(p99)}},
            )

    def _idle(self, ours: Server) -> Measurement:
        """Memory of sessions that wait; one is there before, and with it all that they share."""
        _begun(ours, 1)
        before = ours.private_mib()
        began = time.perf_counter()
        _begun(ours, self.idle)
        took = time.perf_counter() - began
        return Measurement(
            settings={"what": "idle", "n": self.idle},
            seconds={_OURS: took},
            answers={_OURS: {"before_mib": before, "mib": ours.private_mib() - before}},
        )

    def _measurement(
        self, what: str, seconds: dict[str, float], steps: int, **settings: Setting
    ) -> Measurement:
        return Measurement(
            settings={"what": what, **settings},
            seconds=seconds,
            answers={who: {"steps": float(steps)} for who in seconds},
        )

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """Ratios within rounds, and what has no peer."""
        talks = [row for row in rows if row.has(what="sessions")]
        one = [row for row in talks if row.settings["n"] == 1]
        many = [row for row in talks if row.settings["n"] != 1]
        rest = [row for row in rows if row.has(what="rest")]
        one_post = [row for row in rest if row.settings.get("n", 1) == 1]
        posts = [row for row in rest if row.settings.get("n", 1) != 1]
        packed = [row for row in rows if row.has(what="msgpack")]
        act = [row.measurement.answers[_OURS] for row in rows if row.has(what="act")]
        idle = [row.measurement.answers[_OURS]["mib"] for row in rows if row.has(what="idle")]
        return [
            _rate("served_json_steps_per_second", one, INFORMATION),
            _ratio("served_vs_openenv", one, _OPENENV, ">= 2"),
            _rate("served_json_steps_per_second_64", many, INFORMATION),
            _ratio("served_vs_openenv_64", many, _OPENENV, ">= 3"),
            _ratio("served_rest_vs_echo", one_post, _ECHO, ">= 0.8"),
            # Runs before eight clients asked at once have no such rows.
            *([_ratio("served_rest_vs_echo_8", posts, _ECHO, ">= 0.8")] if posts else []),
            _rate("served_msgpack_env_steps_per_second", packed, ">= 500000"),
            median_figure(
                "act_p99_milliseconds", [one["p99_milliseconds"] for one in act],
                unit="ms", goal="<= 10",
            ),
            median_figure(
                "idle_sessions_mib", idle, unit="MiB", goal=f"<= {_IDLE_GOAL_MIB}"
            ),
        ]  # fmt: skip


def _begun(ours: Server, count: int) -> None:
    for number in range(count):
        session = begin(ours, env="clinic", world=SURROGATE, seed=number, num_envs=1)
        post(ours, f"/v1/sessions/{session}/reset", {})


def _rate(name: str, rows: Sequence[Row], goal: str) -> Figure:
    speeds = [row.measurement.answers[_OURS]["steps"] / row.seconds[_OURS] for row in rows]
    return median_figure(name, speeds, unit="1/s", goal=goal)


def _ratio(name: str, rows: Sequence[Row], other: str, goal: str) -> Figure:
    ratios = [row.seconds[other] / row.seconds[_OURS] for row in rows]
    return median_figure(name, ratios, unit="ratio", goal=goal)


@contextmanager
def clinic_artefacts() -> Iterator[tuple[Path, Path]]:
    """Folders of a surrogate of the clinic and of a policy of random weights."""
    subject = subject_of("clinic")
    description = subject.description
    seen = run_episodes(subject.recipe, plan_episodes(description, 40, seed=1))
    surrogate = fit_family("flow", seen, description, stream(1, "fit"))
    random = stream(1, "policy")
    sizes = (len(subject.plant.observation.names), 64, 64, len(description.decisions))
    policy = NetworkPolicy(
        name="random",
        weights=tuple(
            random.normal(size=(out, into)).astype(np.float32) / into
            for into, out in pairwise(sizes)
        ),
        biases=tuple(np.zeros(out, dtype=np.float32) for out in sizes[1:]),
    )
    with TemporaryDirectory(prefix="surrogym-benchmark-") as folder:
        root = Path(folder)
        save_surrogate(root / "surrogate", surrogate, {})
        facts = {"kind": "policy", "system": description.name, "name": policy.name}
        save_artefact(root / "policy", policy.to_tensors(), facts)
        yield root / "surrogate", root / "policy"
