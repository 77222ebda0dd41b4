"""A receiver of webhooks that verifies what it is told."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What was told, and what is answered: the given statuses in turn, then 204."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    heard: list[tuple[dict[str, str], str]] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hooks?for=us"

    def wait(self, count: int, seconds: float = 20.0) -> list[tuple[dict[str, str], str]]:
        """Until so many calls came."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.heard) >= count, seconds), self.heard
            return list(self.heard)

    def bodies(self) -> list[dict[str, Any]]:
        """What the calls said."""
        return [json.loads(body) for _, body in self.heard]


def is_signed(secret: str, headers: dict[str, str], body: str) -> bool:
    """As the specification of Standard Webhooks has a receiver verify, in its own words here."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    expected = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    return hmac.compare_digest(headers["webhook-signature"], f"v1,{expected}")


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            with receiver.news:
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.heard.append((headers, body))
                receiver.news.notify_all()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"http://127.0.0.1:{receiver.port}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
