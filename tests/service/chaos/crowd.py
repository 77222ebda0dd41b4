"""Clients that go on through every kill, and know afterwards what the service has to know."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from envs.environment import Environment
from envs.registration import scenario_problem
from envs.vector import VectorEnvironment
from service.client.transport import NotReached, Refusal
from service.models.artefacts import Kind
from sim.streams import stream
from tests.service.chaos.victim import Victim
from tests.service.clinic import Clinic, order
from tests.service.jobs.conftest import until
from tests.service.jobs.light import OVERLAP, Plan

JOB_STEPS = 3
FOLDERS: tuple[Kind, ...] = ("surrogate", "policy")


class Member(ABC):
    """One client, in a thread of its own; what it asks is random, and the same each time."""

    pause_seconds = 0.05

    def __init__(self, victim: Victim, random: np.random.Generator) -> None:
        self.victim, self.random = victim, random
        self.transport, self.client = victim.transport(), victim.client()
        self.wrong: BaseException | None = None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what it is at; raises what went wrong."""
        self._ends.set()
        self._thread.join(120.0)
        assert not self._thread.is_alive()
        if self.wrong is not None:
            raise self.wrong

    def close(self) -> None:
        """Close its connections."""
        self._ends.set()
        self.transport.close()
        self.client.close()

    def _run(self) -> None:
        try:
            while not self._ends.is_set():
                self.act()
                self._ends.wait(self.pause_seconds)
        except BaseException as error:
            self.wrong = error

    @abstractmethod
    def act(self) -> None:
        """Ask for something, until it is answered."""

    @abstractmethod
    def check(self) -> None:
        """Hold the service to what it has answered."""


class Player(Member):
    """Steps a session, and its undisturbed twin here; repeats what it was answered before."""

    _MOST_REPEATED = 8

    def __init__(
        self, victim: Victim, random: np.random.Generator, num_envs: int | None = None
    ) -> None:
        super().__init__(victim, random)
        problem = scenario_problem("clinic")
        self._twin: Any = (
            Environment(problem)
            if num_envs is None
            else VectorEnvironment(problem, num_envs, "SameStep")
        )
        order = {"env": "clinic", "seed": 1, "num_envs": num_envs}
        made = self.transport.request("POST", "/v1/sessions", json=order)
        self.session: str = made.json()["id"]
        self._replies: list[dict[str, Any]] = []
        self._asked: list[tuple[str, dict[str, Any]]] = []
        self._is_over = True
        self.act()

    @property
    def steps(self) -> int:
        """That were answered."""
        return len(self._replies)

    def has_gone_on(self, before: int) -> bool:
        """Whether more was answered than before; raises what went wrong."""
        if self.wrong is not None:
            raise self.wrong
        return self.steps > before

    def act(self) -> None:
        """The next command, and now and then one of the last again."""
        number = self.steps + 1
        if self._is_over:
            what, told = "reset", {"step_id": number, "seed": number}
            wanted = self._twin.reset(seed=number)[:1]
        else:
            action = self._twin.action_space.sample()
            what, told = "step", {"step_id": number, "action": np.asarray(action).tolist()}
            wanted = self._twin.step(action)[:4]
        reply = self._ask(what, told)
        self._asked.append((what, told))
        self._replies.append(reply)
        self._hold(reply, wanted)
        if self.random.random() < 0.2:
            self.repeat(int(self.random.integers(1, self._MOST_REPEATED)))

    def repeat(self, count: int) -> None:
        """Ask the last commands again."""
        for asked, told in list(zip(self._asked, self._replies, strict=True))[-count:]:
            assert self._ask(*asked) == told

    def check(self) -> None:
        """It goes on, and its past is what it was."""
        self.repeat(self._MOST_REPEATED)
        for _ in range(3):
            self.act()

    def end(self) -> None:
        """Give its slot back."""
        self.transport.request("DELETE", f"/v1/sessions/{self.session}")

    def _ask(self, what: str, told: dict[str, Any]) -> dict[str, Any]:
        path = f"/v1/sessions/{self.session}/{what}"
        reply: dict[str, Any] = self.transport.request(
            "POST", path, may_repeat=True, json=told
        ).json()
        return reply

    def _hold(self, reply: dict[str, Any], wanted: tuple[Any, ...]) -> None:
        names = ("observation", "reward", "terminated", "truncated")[: len(wanted)]
        for name, value in zip(names, wanted, strict=True):
            kind = np.asarray(value).dtype
            np.testing.assert_array_equal(np.asarray(reply[name], dtype=kind), value, name)
        is_single = isinstance(self._twin, Environment)
        self._is_over = is_single and len(wanted) > 1 and bool(wanted[2] or wanted[3])


class Sensor(Member):
    """Sends the epochs of days: a few at a time, out of order, some twice."""

    def __init__(
        self, victim: Victim, random: np.random.Generator, monitor: str, day: list[dict[str, Any]]
    ) -> None:
        super().__init__(victim, random)
        self._monitor, self._day = monitor, day
        self._sent: list[dict[str, Any]] = []

    def act(self) -> None:
        """Some epochs that are new, some that are not."""
        begin = len(self._sent)
        fresh = [self._epoch(begin + n) for n in range(int(self.random.integers(1, 5)))]
        again = [self._sent[i] for i in self.random.integers(begin, size=2)] if begin else []
        batch = [*fresh, *again]
        told = self.client.monitors.send(
            self._monitor, [batch[i] for i in self.random.permutation(len(batch))]
        )
        assert not told.refused
        assert told.stored + told.duplicates == len(batch)
        self._sent += fresh

    def check(self) -> None:
        """Every epoch is there, once, as it was sent."""
        days = Counter(epoch["day"] for epoch in self._sent)
        assert {d.day: d.received for d in self.client.monitors.days(self._monitor)} == days
        told = self.client.monitors.send(self._monitor, self._sent)
        assert (told.stored, told.duplicates, told.refused) == (0, len(self._sent), [])

    def _epoch(self, number: int) -> dict[str, Any]:
        day, index = divmod(number, len(self._day))
        return self._day[index] | {"day": day}


class Submitter(Member):
    """Submits jobs, each by a key of its own, some twice."""

    pause_seconds = 2.0

    def __init__(self, victim: Victim, random: np.random.Generator) -> None:
        super().__init__(victim, random)
        self._jobs: dict[str, str] = {}

    def act(self) -> None:
        """A job; the answer to a repeat is the job that is there."""
        key = f"job-{len(self._jobs)}"
        title = Plan(steps=JOB_STEPS, pause=0.2).title()
        spec = {"kind": "collect", "scenario": "clinic", "title": title}
        for _ in range(1 + int(self.random.integers(2))):
            job = self.client.jobs.submit(spec, idempotency_key=key)
            assert self._jobs.setdefault(key, job.id) == job.id

    def check(self) -> None:
        """Every job is there once, is done, and did each of its steps once."""
        jobs = self.client.jobs
        listed = until(jobs.list, lambda found: all(job.state == "done" for job in found), 120.0)
        assert sorted(job.id for job in listed) == sorted(self._jobs.values())
        for job in listed:
            events = list(jobs.follow(job.id))
            done = Counter(
                event.payload["step"] for event in events
                if event.kind == "step" and not event.payload["was_there"]
            )  # fmt: skip
            # A kill between a step and its note leaves the step, which is then read back.
            assert set(done.values()) <= {1}
            assert len(jobs.artefacts(job.id)) == 1
            assert sum(e.kind == "state" and e.payload["state"] == "done" for e in events) == 1
        assert not (self.victim.data / OVERLAP).exists()


class Mover(Member):
    """Moves an alias to and fro; when an answer is lost it looks, as people do."""

    pause_seconds = 0.2

    def __init__(self, victim: Victim, random: np.random.Generator, model: str) -> None:
        super().__init__(victim, random)
        self._model, self._reasons = model, ["the first"]
        self.client.models.move(model, "live", 1, "the first", seen=None)

    def act(self) -> None:
        """One move, made once."""
        reason = f"move {len(self._reasons)}"
        version = 1 + len(self._reasons) % 2
        while True:
            seen = self.client.models.alias(self._model, "live")
            if seen.revision > len(self._reasons):
                assert seen.version == version
                break
            try:
                seen = self.client.models.move(self._model, "live", version, reason, seen=seen)
            except (NotReached, Refusal) as error:
                if isinstance(error, Refusal) and error.status != 503:
                    raise
                time.sleep(0.1)
        self._reasons.append(reason)

    def check(self) -> None:
        """The alias stands where it was last told to, and its history is what was done."""
        history = self.client.models.history(self._model)
        moves = [move.reason for move in history if move.alias == "live"]
        assert moves[::-1] == self._reasons
        alias = self.client.models.alias(self._model, "live")
        assert (alias.version, alias.revision) == (2 - len(self._reasons) % 2, len(self._reasons))


class Visitor(Member):
    """Begins sessions and ends them; what it lost sight of must end by itself."""

    pause_seconds = 0.3

    def act(self) -> None:
        """A short visit."""
        try:
            made = self.transport.request("POST", "/v1/sessions", json={"env": "clinic"})
        except NotReached:
            return
        except Refusal as refusal:
            if refusal.status != 503:
                raise
            return
        path = f"/v1/sessions/{made.json()['id']}"
        self.transport.request("POST", f"{path}/reset", may_repeat=True, json={"step_id": 1})
        self.transport.request("DELETE", path)

    def check(self) -> None:
        """Nothing of its own to hold: slots are counted over all."""


class Crowd:
    """All of them at once, and a session that nobody steps."""

    def __init__(self, victim: Victim, clinics: Sequence[Clinic]) -> None:
        randoms = iter(stream(7, "crowd").spawn(8))
        monitor = _stocked(victim, clinics)
        self.players = [Player(victim, next(randoms), copies) for copies in (None, None, 3, None)]
        self.idle = self.players.pop()
        self._members: list[Member] = [
            *self.players,
            Sensor(victim, next(randoms), monitor, clinics[0].days(1)[0]),
            Submitter(victim, next(randoms)),
            Mover(victim, next(randoms), "clinic-surrogate"),
            Visitor(victim, next(randoms)),
        ]
        self.idle.act()
        self.players.append(self.idle)

    def start(self) -> None:
        """Begin."""
        for member in self._members:
            member.start()

    def go_on(self) -> None:
        """Wait until sessions were stepped on; raises what went wrong."""
        for player in self.players[:-1]:
            until(partial(player.has_gone_on, player.steps), bool)

    def stop(self) -> None:
        """End, and raise what went wrong."""
        for member in self._members:
            member.stop()

    def check(self) -> None:
        """Hold the service to what it has answered each of them."""
        self.idle.check()
        for member in self._members:
            member.check()

    def close(self) -> None:
        """Close all connections."""
        for member in (*self._members, self.idle):
            member.close()


def _stocked(victim: Victim, clinics: Sequence[Clinic]) -> str:
    """Models of two versions, and a monitor that takes epochs in but is never calibrated."""
    with victim.client() as client:
        for clinic in clinics:
            for kind in FOLDERS:
                folder = clinic.folder / kind
                client.models.upload(f"clinic-{kind}", folder, kind=kind, system="clinic")
        for kind in FOLDERS:
            client.models.move(f"clinic-{kind}", "champion", 1, "the first", seen=None)
        return client.monitors.pause(client.monitors.create(**order()).id).id
