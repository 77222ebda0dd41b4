"""A process that has imported the whole service, from which services are forked.

`surrogym serve` imports for seconds, as often as it is killed; its forks answer at once, and are
otherwise the same: the command line, the web server, the database. Three things are doubles: jobs
are light ones, the clock can be set, and the nursery of sessions is forked as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[3]


class Zygote:
    """The process, from outside."""

    def __init__(self) -> None:
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.service.chaos.zygote"],
            cwd=ROOT, env=os.environ | one_thread,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def fork(
        self, arguments: list[str], environment: Mapping[str, str], said: Path, log: Path
    ) -> int:
        """Run `surrogym` with the arguments; its process, and two files for what it prints."""
        order = {"arguments": arguments, "environment": dict(environment)}
        return self._ask(order | {"said": str(said), "log": str(log)})

    def wait(self, process: int) -> int:
        """The exit code of a process that ends, or minus the signal."""
        return self._ask({"wait": process})

    def close(self) -> None:
        """End it, and with it all that it forked."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, order: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def main() -> None:
    """Fork as ordered."""
    import cli.app  # noqa: F401 - what the forks run
    import service.serving
    import service.sessions.worker  # noqa: F401 - the rest

    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            told = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            parent, told = os.getpid(), os.fork()
            if told == 0:
                _serve(order, parent)
        print(told, flush=True)


def _serve(order: Mapping[str, Any], parent: int) -> None:
    from cli.app import main as surrogym
    from service.jobs.pact import die_with_parent
    from service.jobs.runtime import Jobs
    from tests.service.chaos.clock import SetClock
    from tests.service.chaos.forker import Forker
    from tests.service.jobs.light import PROGRAM

    die_with_parent(parent, lambda: os._exit(1))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, name in ((1, "said"), (2, "log")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.environ.update(order["environment"])
    sys.argv = ["surrogym", *order["arguments"]]
    clock, forker = SetClock(Path(order["said"]).with_name("clock")), Forker()
    jobs = partial(Jobs, program=PROGRAM)
    code = 0
    try:
        with (
            patch.multiple("service.app", Jobs=jobs, SystemClock=lambda: clock),
            patch("service.sessions.workers.subprocess", forker.subprocess),
        ):
            surrogym()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
