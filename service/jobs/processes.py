"""Processes told apart for certain, and ended with all that they have started."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

MARK = "SURROGYM_JOB"
"""The environment variable by which a job's processes are found, whoever started them."""


@cache
def this_host() -> str:
    """This machine since it was last started; a container with processes of its own is another.

    A process number means something on one such host alone.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    space = Path("/proc/self/ns/pid").stat().st_ino
    return f"{socket.gethostname()}/{boot[:8]}/{space}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process for ever: numbers are used again, but not with the same time of start."""

    pid: int
    started: int
    """In clock ticks since the machine was started, which no change of its clock moves."""

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has this number now; None where none runs."""
        stat = _stat(pid)
        return None if stat is None else cls(pid=pid, started=int(stat[19]))

    @classmethod
    def parse(cls, written: str) -> Identity:
        """What `str` gave."""
        pid, _, started = written.partition("@")
        return cls(pid=int(pid), started=int(started))

    def __str__(self) -> str:
        return f"{self.pid}@{self.started}"

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return Identity.of(self.pid) == self


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; None for none that runs."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = content.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields


def this_process() -> Identity:
    """The one that asks."""
    found = Identity.of(os.getpid())
    assert found is not None
    return found


def processes_of(job_id: str) -> list[Identity]:
    """Every process that works on a job, those that Ray has started included."""
    wanted = f"{MARK}={job_id}".encode()
    found = (Identity.of(pid) for pid in psutil.pids() if wanted in _environment(pid))
    return [each for each in found if each is not None]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        # Gone, or of another user, and then none of ours.
        return []


def end_group(leader: int, how: signal.Signals) -> None:
    """Signal a process group, if it is there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, how)


def kill_all(processes: list[Identity]) -> None:
    """End processes at once; those that have ended are left alone."""
    for each in _alive(processes):
        with suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)


def _alive(processes: list[Identity]) -> Iterator[Identity]:
    return (each for each in processes if each.is_alive)
