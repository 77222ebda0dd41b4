"""A service of light jobs in a process of its own, which can be killed: URL and data folder."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.service.jobs.conftest import House


def main() -> None:
    # Who is killed at random is killed three times in a row before its first step now and then,
    # and would be given up, as is right where nobody kills at random: test_running holds that.
    House(url=sys.argv[1], data=Path(sys.argv[2]), settings={"crashes": 1000}).open()
    print("open", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
