"""`python -m benchmarks.soak --minutes 60`: use the service for an hour, and see what it keeps.

Sessions over the simulator and a surrogate begin, are stepped, are left or closed, policies decide,
telemetry comes in and is judged, jobs are submitted and cancelled. No slot may be left, memory must
be flat and no more files open than before.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from benchmarks.errors import InvalidMeasurement
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
_IDLE_SECONDS = 20.0
"""After which a session that was left is found out."""
_CALIBRATION_SECONDS = 900.0
_KEPT = 60
"""Samples of a run that are stored, and failures."""


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
                surrogate="clinic-flow@1", watch={"in_control_days": 20, "run_length": 1000},
            )  # fmt: skip
            self.monitor = watched.id
            self._wait_until_watched(client)
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

    def _wait_until_watched(self, client: Client) -> None:
        """Calibrating takes memory for once, which is not what is asked here."""
        until = time.monotonic() + _CALIBRATION_SECONDS
        while (state := client.monitors.get(self.monitor).state) != "watching":
            if state == "failed" or time.monotonic() > until:
                raise InvalidMeasurement(f"the monitor is {state}: there is nothing to judge by")
            time.sleep(1.0)

    def _again_and_again(self, name: str, act: Callable[[Client, int], None]) -> None:
        with Client(self.server.address, KEY) as client:
            number = 0
            while not self.stops.is_set():
                try:
                    act(client, number)
                except Exception as error:
                    self.failures.append(f"{name}: {error!r}"[:300])
                    self.stops.wait(1.0)
                number += 1
                self.done[name] = number

    def _step(self, _: Client, number: int) -> None:
        """An episode on the true simulator; every third client leaves without a word."""
        environment = RemoteEnv(
            self.server.address, "clinic", key=KEY, seed=number, idle_seconds=_IDLE_SECONDS
        )
        environment.reset()
        environment.action_space.seed(number)
        while not any(environment.step(environment.action_space.sample())[2:4]):
            pass
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
        if client.monitors.get(self.monitor).state == "alarm":
            client.monitors.acknowledge(self.monitor, "only a soak")
        time.sleep(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The service at one moment."""

    minutes: float
    mib: float
    sessions: float
    expired: float
    """Sessions that were left and found out, so far."""
    files: int
    """Open in the service's process."""


def sample(server: Server, began: float) -> Sample:
    """Look at it now."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/metrics")
    told = connection.getresponse().read().decode()
    connection.close()
    return Sample(
        minutes=round((time.monotonic() - began) / 60, 2),
        mib=round(server.private_mib(), 1),
        sessions=_total(told, "surrogym_sessions_open{"),
        expired=_total(told, 'surrogym_session_verdicts_total{verdict="expired"}'),
        files=server.process.num_fds(),
    )


def _total(told: str, begin: str) -> float:
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in told.splitlines() if line.startswith(begin)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the service kept."""

    growth: float
    """Of memory, relative, from the first to the last third, after caches have filled."""
    files_more: float
    """Open at the end, beyond the median of the first third."""
    sessions_left: float
    expired: float
    failures: int

    @classmethod
    def of(cls, samples: Sequence[Sample], last: Sample, failures: int) -> Verdict:
        """By samples from the whole time, and one after everybody has gone."""
        length = samples[-1].minutes
        settled = [each for each in samples if each.minutes >= _SETTLING * length]
        third = max(1, len(settled) // 3)
        early, late = settled[:third], settled[-third:]
        before, after = (float(np.median([each.mib for each in part])) for part in (early, late))
        return cls(
            growth=after / before - 1.0,
            files_more=last.files - float(np.median([each.files for each in early])),
            sessions_left=last.sessions,
            expired=last.expired,
            failures=failures,
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing was left, nothing grew, nothing failed, and there were some to find."""
        is_flat = abs(self.growth) <= _FLAT and self.files_more <= _FILES
        return is_flat and self.sessions_left == 0 < self.expired and self.failures == 0


def main() -> int:
    """Run it; 1 where something was left or grew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=STORED)
    asked = parser.parse_args()
    # So that the service ends with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    origin = Origin.here()
    with clinic_artefacts() as (surrogate, policy), our_service(surrogate) as server:
        use = Use(server, policy, surrogate)
        threads, began = use.start(), time.monotonic()
        samples = list(_samples(use, began, asked.minutes))
        use.stops.set()
        for thread in threads:
            thread.join(60.0)
        last = _settled(server, began)
    verdict = Verdict.of(samples, last, len(use.failures))
    record = {
        **asdict(origin),
        "minutes": asked.minutes,
        "is_clean": verdict.is_clean,
        **asdict(verdict),
        "done": use.done,
        "first_failures": use.failures[:_KEPT],
        "samples": [asdict(each) for each in samples[:: -(-len(samples) // _KEPT)]],
    }
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({k: told for k, told in record.items() if k != "samples"}, indent=1))
    return 0 if verdict.is_clean else 1


def _samples(use: Use, began: float, minutes: float) -> Iterator[Sample]:
    """One every few seconds, each told, so that a run can be watched."""
    while (time.monotonic() - began) / 60 < minutes:
        time.sleep(min(15.0, 3.0 * minutes))
        seen = sample(use.server, began)
        print(json.dumps(asdict(seen) | {"failures": len(use.failures)}), flush=True)
        yield seen


def _settled(server: Server, began: float) -> Sample:
    """Once those who left without a word have been found out."""
    until = time.monotonic() + 3 * _IDLE_SECONDS
    while (seen := sample(server, began)).sessions and time.monotonic() < until:
        time.sleep(2.0)
    return seen


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
