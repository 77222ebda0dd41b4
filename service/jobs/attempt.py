"""The process of one attempt: `python -m service.jobs.attempt FOLDER PARENT`.

It reads its order from the folder and writes notes, a log and a result there; it knows neither the
database nor any key. Exit codes: 0 done, 3 the job cannot be done as it is, 1 anything else.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from service.jobs.folders import AttemptFolder
from service.jobs.pact import die_with_parent, watch_parent

_REFUSED = 3


def main() -> int:
    """Do the job; what can be said of a failure is in the folder and in the log."""
    folder, parent = AttemptFolder(path=Path(sys.argv[1])), int(sys.argv[2])
    # Before anything that takes time, so that no moment is without it.
    die_with_parent(parent)
    order = json.loads(folder.order.read_text())
    watch_parent(os.dup(0), order["lease_seconds"])
    return _attempt(folder, order)


def _attempt(folder: AttemptFolder, order: dict[str, Any]) -> int:
    from service.jobs.doing import do
    from sim.errors import SurrogymError
    from training.journal import write_json

    try:
        do(folder, order)
    except SurrogymError as error:
        write_json(folder.refusal, {"reason": str(error)})
        return _REFUSED
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without waiting for threads of libraries, which have nothing left to say.
    os._exit(code)
