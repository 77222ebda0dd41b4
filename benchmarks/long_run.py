"""One long run in a process of its own, so that its memory is nobody else's.

`python -m benchmarks.long_run CUSTOMERS SERVERS` prints seconds, customers and memory as JSON.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.ours import run
from benchmarks.pairs import one_core
from benchmarks.workloads import Queue
from sim.simulator import ServiceSystem

UTILISATION = 0.9
_EPOCHS = 10
_MIB = 1024.0 * 1024.0
_PEAK_UNIT = 1.0 if sys.platform == "darwin" else 1024.0
"""Bytes in which `getrusage` counts the peak of a process."""


def long_run(customers: int, servers: int) -> dict[str, float]:
    """Serve about so many customers in an M/M/n queue, in this process."""
    rate = UTILISATION * servers
    queue = Queue(arrival_rate=rate, service_rate=1.0, servers=servers, minutes=customers / rate)
    simulator = ServiceSystem(queue.system(_EPOCHS))
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    totals = run(simulator, 1, {}, np.zeros(0))
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "customers": totals["customer_arrivals"],
        "mean_wait": totals["customer_wait"] / totals["customer_arrivals"],
        "before_mib": before / _MIB,
        "peak_mib": peak_bytes() / _MIB,
    }


def peak_bytes() -> float:
    """The largest resident memory that this process has had since it began its program.

    On Linux `getrusage` would also count what the process that started it had.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found is not None:
            return 1024.0 * int(found.group(1))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT


def long_run_apart(customers: int, servers: int) -> dict[str, float]:
    """The same in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.long_run", str(customers), str(servers)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def main() -> None:
    """Print one long run."""
    with one_core():
        print(json.dumps(long_run(int(sys.argv[1]), int(sys.argv[2]))))


if __name__ == "__main__":
    main()
