"""`python -m benchmarks.soak --minutes 60`: use the service for an hour, and see what it keeps.

Sessions over the simulator and a surrogate begin, are stepped, are left or closed, policies decide,
telemetry comes in, jobs are submitted and cancelled. No slot may be left and memory must be flat.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from benchmarks.rows import Origin
from benchmarks.servers import KEY, SURROGATE, Server, our_service
from benchmarks.serving import clinic_artefacts
from envs.registration import scenario_problem
from envs.remote import RemoteEnv, RemoteVectorEnv
from service.client import Client
from service.jobs.subject import subject_of
from sim.streams import stream
from surrogates.collect import run_episodes
from surrogates.design import PlannedEpisode

STORED = Path(__file__).resolve().parent / "soak.json"
_FLAT = 0.05
_FILES = 8
"""That may be open more than at first: connections that are kept."""
_SETTLING = 0.25
"""Share of the time in which caches fill."""


@dataclass(slots=True)
class Use:
    """What users do, each in a thread, and how often."""

    server: Server
    policy: Path
    surrogate: Path
    monitor: str = ""
    stops: threading.Event = field(default_factory=threading.Event)
    done: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def start(self) -> list[threading.Thread]:
        """All users begin."""
        with Client(self.server.address, KEY) as client:
            client.models.upload("clinic-policy", self.policy, kind="policy", system="clinic")
            client.models.move("clinic-policy", "champion", 1, "the first", seen=None)
            client.models.upload("clinic-flow", self.surrogate, kind="surrogate", system="clinic")
            watched = client.monitors.create(
                name="the clinic", system="clinic", policy="clinic-policy@champion",
                surrogate="clinic-flow@1", watch={"in_control_days": 20, "run_length": 10_000},
            )  # fmt: skip
            self.monitor = watched.id
        users: dict[str, Callable[[Client, int], None]] = {
            "stepping": self._step,
            "batches": self._batch,
            "decisions": self._decide,
            "jobs": self._submit,
            "telemetry": self._live,
        }
        threads = [
            threading.Thread(target=self._again_and_again, args=(name, act), daemon=True)
            for name, act in users.items()
        ]
        for thread in threads:
            thread.start()
        return threads

    def _again_and_again(self, name: str, act: Callable[[Client, int], None]) -> None:
        with Client(self.server.address, KEY) as client:
            number = 0
            while not self.stops.is_set():
                try:
                    act(client, number)
                except Exception as error:
                    self.failures.append(f"{name}: {error!r}"[:300])
                number += 1
                self.done[name] = number

    def _step(self, _: Client, number: int) -> None:
        """An episode on the true simulator; every third client leaves without a word."""
        environment = RemoteEnv(
            self.server.address, "clinic", key=KEY, seed=number, idle_seconds=20.0
        )
        environment.reset()
        for step in range(24):
            environment.step(step)
        if number % 3:
            environment.close()
        else:
            environment._closing.detach()

    def _batch(self, _: Client, number: int) -> None:
        batch = RemoteVectorEnv(
            self.server.address, "clinic", 64, key=KEY, world=SURROGATE, seed=number
        )
        batch.reset()
        for _step in range(50):
            batch.step(np.zeros(64, dtype=int))
        batch.close()
        time.sleep(0.2)

    def _decide(self, client: Client, number: int) -> None:
        width = len(scenario_problem("clinic").observation.names)
        seen = stream(number, "seen").normal(size=(8, width))
        client.models.act("clinic-policy@champion", seen)
        time.sleep(0.05)

    def _submit(self, client: Client, number: int) -> None:
        spec = {"kind": "collect", "scenario": "clinic", "episodes": 2, "seed": number}
        job = client.jobs.submit(spec)
        if number % 2:
            client.jobs.cancel(job.id, "only a soak")
        client.jobs.wait(job.id)
        time.sleep(20.0)

    def _live(self, client: Client, number: int) -> None:
        """A day of the clinic, as its simulator has it."""
        subject = subject_of("clinic")
        plan = PlannedEpisode(seed=number, parameters={}, behaviour="restless")
        day = run_episodes(subject.recipe, (plan,))
        client.monitors.send_days(self.monitor, day, number)
        time.sleep(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The service at one moment."""

    minutes: float
    mib: float
    sessions: float
    files: int
    """Open in the service's process."""


def sample(server: Server, began: float) -> Sample:
    """Look at it now."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/metrics")
    told = connection.getresponse().read().decode()
    connection.close()
    counts = [
        float(line.rsplit(" ", 1)[1])
        for line in told.splitlines()
        if line.startswith("surrogym_sessions_open{")
    ]
    return Sample(
        minutes=(time.monotonic() - began) / 60,
        mib=server.private_mib(),
        sessions=sum(counts),
        files=server.process.num_fds(),
    )


def growth(samples: Sequence[Sample]) -> float:
    """Relative growth of memory from the first to the last third, after caches have filled."""
    length = samples[-1].minutes
    settled = [each.mib for each in samples if each.minutes >= _SETTLING * length]
    third = max(1, len(settled) // 3)
    return float(np.median(settled[-third:]) / np.median(settled[:third]) - 1.0)


def main() -> int:
    """Run it; 1 where something was left or grew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=STORED)
    asked = parser.parse_args()
    samples: list[Sample] = []
    with clinic_artefacts() as (surrogate, policy), our_service(surrogate) as server:
        use, began = Use(server, policy, surrogate), time.monotonic()
        threads = use.start()
        while (time.monotonic() - began) / 60 < asked.minutes:
            time.sleep(min(15.0, 3.0 * asked.minutes))
            samples.append(sample(server, began))
        use.stops.set()
        for thread in threads:
            thread.join(60.0)
        last = _settled(server, began)
    record = {
        **asdict(Origin.here()),
        "minutes": asked.minutes,
        "growth": growth(samples),
        "sessions_left": last.sessions,
        "files": [samples[0].files, last.files],
        "done": use.done,
        "failures": use.failures[:20],
        "samples": [asdict(each) for each in samples],
    }
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    told = {name: value for name, value in record.items() if name != "samples"}
    print(json.dumps(told, indent=1))
    is_flat = abs(record["growth"]) <= _FLAT and last.files <= samples[0].files + _FILES
    return 0 if is_flat and not use.failures and last.sessions == 0 else 1


def _settled(server: Server, began: float) -> Sample:
    """Once those who left without a word have been found out."""
    until = time.monotonic() + 60.0
    while (seen := sample(server, began)).sessions and time.monotonic() < until:
        time.sleep(2.0)
    return seen


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
