"""Sessions of a service in a process of its own, and the processes that play them."""

from __future__ import annotations

from typing import Any

import psutil

from tests.service.conftest import Served


def begin(served: Served, **order: Any) -> str:
    made = served.client().post("/v1/sessions", json={"env": "hostile"} | order)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def players(served: Served) -> list[psutil.Process]:
    """Processes that clients are connected to, other than the one that shook hands."""
    assert served.process is not None
    port = int(served.address.rpartition(":")[2])
    family = psutil.Process(served.process.pid).children(recursive=True)
    return [
        process
        for process in family
        if any(getattr(c.laddr, "port", None) == port for c in process.net_connections("tcp"))
    ]
