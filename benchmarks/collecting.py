"""How much faster episodes are collected on two Ray workers than on one."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.errors import InvalidMeasurement, NotComparable
from benchmarks.figures import Figure, median_figure
from benchmarks.pairs import Pair, alternate
from benchmarks.rows import Measurement, Row
from benchmarks.workloads import bank_recipe
from surrogates.collect import collect
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from training.rllib.session import RayExecutor, ray_session

CORES = 2
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """Planned episodes of the bank through Ray, tasks on two workers against one task on one.

    Only the recipe of the simulator travels to the workers. Where RAY_ADDRESS names a cluster, it
    must have two CPUs, as a head started with `ray start --head --num-cpus 2` has.
    """

    episodes: int = 64
    chunk: int = 4
    """Episodes of one task where two workers share them."""
    pairs: int = 7

    @classmethod
    def quick(cls) -> Collecting:
        """A few episodes, once."""
        return cls(episodes=8, chunk=2, pairs=1)

    def measure(self) -> Iterator[Measurement]:
        """One worker and two by turns, in one session of Ray."""
        with ray_session(num_cpus=CORES):
            yield from self._pairs()

    def _pairs(self) -> Iterator[Measurement]:
        recipe = bank_recipe()
        description = recipe.system.describe()

        def in_tasks_of(episodes: int, seed: int) -> Transitions:
            plans = plan_episodes(description, self.episodes, seed)
            with RayExecutor() as executor:
                return collect(recipe, plans, executor, chunk=episodes)

        for pair in alternate(
            lambda seed: in_tasks_of(self.chunk, seed),
            # One task for all, not one that reserves both cores: Ray would end the idle worker.
            lambda seed: in_tasks_of(self.episodes, seed),
            range(1, self.pairs + 1),
        ):
            yield self._measurement(pair)

    def _measurement(self, pair: Pair[Transitions]) -> Measurement:
        first, second = pair.first.answer, pair.second.answer
        if not np.array_equal(first.next_state, second.next_state):
            raise NotComparable(f"seed {pair.seed}: two workers collected other epochs than one")
        return Measurement(
            settings={
                "episodes": self.episodes, "chunk": self.chunk, "seed": pair.seed,
                "ray": "separate head" if "RAY_ADDRESS" in os.environ else "own session",
            },
            seconds={"two_workers": pair.first.seconds, "one_worker": pair.second.seconds},
            answers={"both": {"epochs": float(len(first))}},
        )  # fmt: skip

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The speed-up."""
        ratios = [row.seconds["one_worker"] / row.seconds["two_workers"] for row in rows]
        return [median_figure("collect_speedup_2_cores", ratios, unit="ratio", goal=">= 1.7")]


@contextmanager
def separate_ray_head() -> Iterator[None]:
    """A Ray head in processes of its own, named by RAY_ADDRESS while the block lasts.

    It listens on the machine's own address, as the head of a cluster does, and lets in only who
    knows a token made for it. Ray reads both once, so what uses them must be a process that is
    started inside the block.
    """
    port, access = _free_port(), {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--block",
        f"--port={port}", f"--num-cpus={CORES}", "--include-dashboard=false",
        "--disable-usage-stats",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, _environment(access):
        log = Path(folder) / "head.log"
        with log.open("w") as file:
            head = psutil.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            with _environment({"RAY_ADDRESS": f"{_await_host(head, log)}:{port}"}):
                yield
        finally:
            _end(head)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _await_host(head: psutil.Popen, log: Path) -> str:
    """The address that a head says it has, once it runs."""
    for _ in range(int(_START_SECONDS / _LOOK_SECONDS)):
        said = log.read_text()
        host = re.search(r"Local node IP: ([\w.:]+)", said)
        if host is not None and "Ray runtime started" in said:
            return host.group(1)
        if head.poll() is not None:
            break
        time.sleep(_LOOK_SECONDS)
    raise InvalidMeasurement(
        f"no Ray head after {_START_SECONDS:g} s; it said: {log.read_text()[-500:]}"
    )


def _end(head: psutil.Popen) -> None:
    """End the head and what it started, and nothing else: `ray stop` would end every Ray."""
    started = [*head.children(recursive=True), head]
    head.terminate()
    _, alive = psutil.wait_procs(started, timeout=_START_SECONDS / 6)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive)
