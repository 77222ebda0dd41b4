"""A worker in a thread of the test, with the test in the place of the service."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from mmap import mmap
from pathlib import Path

import msgspec

from service.sessions.allowance import Allowance
from service.sessions.direct import Order
from service.sessions.frames import Frame, FrameReader, Kind
from service.sessions.page import SIZE, Page
from service.sessions.spec import SessionSpec
from service.sessions.worker import Opening, Worker

SPEC = SessionSpec(env="criss_cross", reference="criss_cross", seed=3)


class Desk:
    """A worker in a thread, and a session that it plays."""

    def __init__(self, folder: Path) -> None:
        self.line, theirs = socket.socketpair()
        self._theirs, self._reader = theirs, FrameReader()
        self.worker = Worker(Page(mmap(-1, SIZE)), theirs)
        self._thread = threading.Thread(target=self.worker.serve, daemon=True)
        self._thread.start()
        opening = Opening(SPEC.to_record(), str(folder / "log"), True, 1 << 20, 8)
        self.ask(Frame(Kind.OPEN, 0, 1, msgspec.msgpack.encode(opening)))
        assert next(self.heard()).kind == Kind.REPLY

    def ask(self, frame: Frame) -> None:
        self.line.sendall(frame.head() + frame.content)

    def heard(self) -> Iterator[Frame]:
        self.line.settimeout(10.0)
        while True:
            yield from list(self._reader.feed(self.line.recv(1 << 16)))

    def client(
        self,
        most_bytes: int = 1 << 16,
        per_minute: int = 1 << 20,
        credentials: list[tuple[bytes, bytes]] | None = None,
    ) -> socket.socket:
        """One whose WebSocket is handed over, or whose requests are where he has credentials."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            ours = socket.create_connection(listening.getsockname(), timeout=10.0)
            handed, _ = listening.accept()
        allowance = Allowance("key", per_minute, 8, 1000, 1 << 20)
        order = Order("ses_1", 7, 4, most_bytes, allowance, credentials)
        frame = Frame(Kind.STREAM, 0, 1, msgspec.msgpack.encode(order))
        with handed:
            socket.send_fds(self.line, [frame.head() + frame.content], [handed.fileno()])
        return ours

    def close(self) -> None:
        self.line.close()
        self._thread.join(10.0)
        self._theirs.close()
        self.worker._selector.close()
        for stream in self.worker._streams.values():
            stream.connection.close()
        for play in self.worker._plays.values():
            play.close()
