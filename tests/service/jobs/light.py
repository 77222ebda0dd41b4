"""A job's process without simulations: steps that take moments, and whatever can go wrong.

It begins in a tenth of a second where the real one imports for seconds, and is otherwise the same:
pact, notes, journal, result. The plan of a job is JSON in its title.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.jobs.folders import AttemptFolder
from service.jobs.notes import POINT, Notes
from service.jobs.pact import die_with_parent, watch_parent
from service.jobs.progress import Progress
from service.jobs.results import making
from training.journal import Journal, write_json

PROGRAM = (sys.executable, str(Path(__file__).resolve()))
OVERLAP = "overlap"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a light job does."""

    steps: int = 3
    pause: float = 0.05
    """Seconds of a step."""
    crash_at: int | None = None
    """Step in which it fails, each time."""
    hang_at: int | None = None
    """Step in which it says nothing any more."""
    refuse: str | None = None
    say: str | None = None
    """Printed at once."""
    facts: dict[str, Any] | None = None
    """Of what it makes."""
    children: int = 0
    """Processes that leave its group."""
    learns: bool = False
    """Whether each step says a point of a learning curve."""
    ignores_asking: bool = False
    """Whether SIGTERM is passed over."""

    def title(self) -> str:
        """What differs from the usual, since a title has 200 characters."""
        usual = Plan().__dict__
        return json.dumps({k: value for k, value in self.__dict__.items() if value != usual[k]})


@dataclass(frozen=True)
class NumberForm:
    def write(self, folder: Path, value: int) -> None:
        (folder / "number").write_text(str(value))

    def read(self, folder: Path) -> int:
        return int((folder / "number").read_text())


def main() -> int:
    folder = AttemptFolder(path=Path(sys.argv[1]))
    die_with_parent(int(sys.argv[2]))
    order = json.loads(folder.order.read_text())
    watch_parent(os.dup(0), order["lease_seconds"])
    lock = os.open(Path(order["data"]) / f"lock-{order['job']}", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        (Path(order["data"]) / OVERLAP).write_text(order["job"])
        return 1
    return work(folder, order, Plan(**json.loads(order["spec"]["title"])))


def work(folder: AttemptFolder, order: dict[str, Any], plan: Plan) -> int:
    if plan.ignores_asking:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if plan.say:
        print(plan.say, flush=True)
    for _ in range(plan.children):
        subprocess.Popen(["sleep", "600"], start_new_session=True, stdin=subprocess.DEVNULL)
    if plan.refuse:
        write_json(folder.refusal, {"reason": plan.refuse})
        return 3
    names = [f"step/{number}" for number in range(plan.steps)]
    notes = Notes(folder.notes)
    progress = Progress(notes, dict.fromkeys(names, 1.0))
    journal = Journal(Path(order["work"]), hear=progress.finished)
    numbers = [
        journal.step(name, lambda number=number: step(plan, number, notes), NumberForm())  # type: ignore[misc]
        for number, name in enumerate(names)
    ]
    with making(folder.result, Path(order["data"])) as result:
        result.keep(
            "numbers",
            "numbers",
            lambda at: write_json(at / "n.json", {"n": numbers}),
            plan.facts or {},
        )
        result.summary["numbers"] = numbers
    return 0


def step(plan: Plan, number: int, notes: Notes) -> int:
    time.sleep(plan.pause)
    if plan.learns:
        notes.say(
            POINT, training="ppo", seconds=float(number), steps=1000 * (number + 1),
            episodes=number, mean_return=-50.0 / (number + 1), evaluation=None,
        )  # fmt: skip
    if number == plan.crash_at:
        raise RuntimeError("crashed as planned")
    while number == plan.hang_at:
        time.sleep(1.0)
    return number


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
