"""Clients that go about their work while the service is killed, and what each was promised."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

import numpy as np

from envs.registration import make_environment
from envs.remote import RemoteEnv
from service.client import Client, NotReached, Refusal
from sim.streams import stream
from tests.service.conftest import KEY
from tests.systems import unchecked

PATIENCE = 120.0


class Actor(ABC):
    """Does one thing after another in a thread of its own, until it is told to stop."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.done = 0
        self.failure: BaseException | None = None
        self._stops = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let it end what it is at; raises what went wrong."""
        self._stops.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            with Client(self.address, KEY, patience_seconds=PATIENCE) as client:
                self.client = client
                self.begin()
                while not self._stops.is_set():
                    self.act()
                    self.done += 1
                self.end()
        except BaseException as error:
            self.failure = error

    @abstractmethod
    def act(self) -> None:
        """One thing."""

    def begin(self) -> None:  # noqa: B027 most have nothing to do before
        """Before anything else."""

    def end(self) -> None:  # noqa: B027 nor afterwards
        """After everything."""


class Stepper(Actor):
    """Steps a session and its twin here; every number must be the same, bit for bit."""

    def __init__(self, address: str, seed: int) -> None:
        super().__init__(address)
        self._seed, self._random = seed, stream(seed, "stepper")

    def begin(self) -> None:
        self._remote = RemoteEnv(
            self.address, "clinic", key=KEY, seed=self._seed, patience_seconds=PATIENCE
        )
        with unchecked():
            self._local = make_environment("clinic")
        self._reset()

    def act(self) -> None:
        action = int(self._random.integers(self._remote.action_space.n))  # type: ignore[attr-defined]
        seen, reward, terminated, truncated, _ = self._remote.step(action)
        with unchecked():
            twin = self._local.step(np.int64(action))
        np.testing.assert_array_equal(seen, twin[0])
        assert (reward, terminated, truncated) == twin[1:4]
        if terminated or truncated:
            self._reset()

    def end(self) -> None:
        self._remote.close()

    def _reset(self) -> None:
        seed = int(self._random.integers(2**31))
        seen, _ = self._remote.reset(seed=seed)
        with unchecked():
            twin, _ = self._local.reset(seed=seed)
        np.testing.assert_array_equal(seen, twin)


class Submitter(Actor):
    """Submits jobs, each under a key of its own, and some of them twice."""

    def begin(self) -> None:
        self.promised: dict[str, str] = {}

    def act(self) -> None:
        number = self.done // 2
        spec = {"kind": "collect", "scenario": "clinic", "episodes": 1, "seed": number}
        job = self.client.jobs.submit(spec, idempotency_key=f"n{number}")
        assert self.promised.setdefault(f"n{number}", job.id) == job.id

    def check(self, client: Client) -> None:
        """Every job is there once, and none that nobody asked for."""
        found = Counter(job.id for job in client.jobs.list())
        assert found == Counter(self.promised.values())


class Teller(Actor):
    """Sends telemetry, each batch until it is taken."""

    def __init__(self, address: str, monitor: str, days: list[list[dict[str, Any]]]) -> None:
        super().__init__(address)
        self._monitor, self._epochs = monitor, days[0]

    def act(self) -> None:
        day = [epoch | {"day": self.done} for epoch in self._epochs]
        told = self.client.monitors.send(self._monitor, day)
        assert told.stored + told.duplicates == len(day)
        assert not told.refused

    def check(self, client: Client) -> None:
        """Every day is there whole, and once."""
        days = client.monitors.days(self._monitor)
        assert sorted(day.day for day in days) == list(range(self.done))
        assert {day.received for day in days} == {len(self._epochs)}


class Mover(Actor):
    """Moves an alias to and fro, and knows which moves were acknowledged."""

    def begin(self) -> None:
        self.acknowledged: list[str] = []

    def act(self) -> None:
        seen = self.client.models.alias("clinic-policy", "champion")
        reason = f"move {self.done}"
        try:
            moved = self.client.models.move(
                "clinic-policy", "champion", 3 - seen.version, reason, seen=seen
            )
        except (NotReached, Refusal):
            # Nobody knows whether it was done; the next look tells.
            return
        assert moved.revision == seen.revision + 1
        self.acknowledged.append(reason)

    def check(self, client: Client) -> None:
        """What was acknowledged is in the history, once, without a gap, and the alias is there."""
        history = list(client.models.history("clinic-policy"))[::-1]
        assert [move.revision for move in history] == list(range(1, len(history) + 1))
        reasons = Counter(move.reason for move in history)
        assert max(reasons.values()) == 1
        assert set(self.acknowledged) <= set(reasons)
        assert client.models.alias("clinic-policy", "champion").version == history[-1].to_version
