"""A process in which sessions are played, one command after another."""

from __future__ import annotations

import resource
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from struct import Struct
from typing import Any

import msgspec

from service.sessions.action_log import read_records
from service.sessions.encoding import Command, Form, read_command, write_reply
from service.sessions.frames import Frame, FrameReader, Kind
from service.sessions.play import Play
from service.sessions.refusal import Broken, Refused
from service.sessions.spec import SessionSpec

PAGE = Struct("<QQ")
"""Of the page that a worker shares with the service: the handle of the session that is being
played, and since when by the machine's monotonic clock, in nanoseconds; 0 while none is."""
_CHUNK = 1 << 20
_HOLD_SECONDS = 0.001
"""Replies wait for others of the same read, but no longer than this."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What brings a session to a worker."""

    spec: dict[str, Any]
    path: str
    is_new: bool
    most_bytes: int
    kept: int


class Worker:
    """Sessions by handle."""

    def __init__(self, page: mmap) -> None:
        self._page = page
        self._plays: dict[int, Play] = {}

    def serve(self, line: socket.socket) -> None:
        """Answer frames until the other side is gone."""
        reader, replies = FrameReader(), list[bytes]()
        while data := line.recv(_CHUNK):
            since = time.perf_counter()
            for frame in reader.feed(data):
                reply = self._handle(frame)
                replies += (reply.head(), reply.content)
                if time.perf_counter() - since > _HOLD_SECONDS:
                    line.sendall(b"".join(replies))
                    replies.clear()
                    since = time.perf_counter()
            if replies:
                line.sendall(b"".join(replies))
                replies.clear()

    def _handle(self, frame: Frame) -> Frame:
        began = time.monotonic_ns()
        PAGE.pack_into(self._page, 0, frame.handle, began)
        kind, content = self._done(frame)
        PAGE.pack_into(self._page, 0, 0, 0)
        play = self._plays.get(frame.handle)
        seconds = (time.monotonic_ns() - began) / 1e9
        number = 0 if play is None else play.number
        return Frame(kind, frame.form, frame.handle, content, number, seconds)

    def _done(self, frame: Frame) -> tuple[Kind, bytes]:
        try:
            return Kind.REPLY, _DOES[Kind(frame.kind)](self, frame)
        except Broken as broken:
            self._drop(frame.handle)
            return Kind.BROKEN, _told(broken)
        except Refused as refused:
            return Kind.REFUSED, _told(refused)
        except MemoryError:
            self._drop(frame.handle)
            return Kind.BROKEN, _told(Broken("simulator_error", "it ran out of memory"))
        except Exception:
            # A fault of ours in one session is no reason to end the others.
            traceback.print_exc()
            return Kind.REFUSED, _told(Refused("internal_error", "tell the operator"))

    def _open(self, frame: Frame) -> bytes:
        told = msgspec.msgpack.decode(frame.content, type=Opening)
        play = Play(
            SessionSpec.from_record(told.spec),
            Path(told.path),
            is_new=told.is_new,
            most_bytes=told.most_bytes,
            kept=told.kept,
        )
        self._plays[frame.handle] = play
        return msgspec.json.encode(play.about)

    def _command(self, frame: Frame) -> bytes:
        return self._answer(frame, read_command(frame.content, Form(frame.form)))

    def _step(self, frame: Frame) -> bytes:
        command = read_command(frame.content, Form(frame.form))
        command.type = "step"
        return self._answer(frame, command)

    def _reset(self, frame: Frame) -> bytes:
        command = read_command(frame.content, Form(frame.form))
        command.type = "reset"
        return self._answer(frame, command)

    def _answer(self, frame: Frame, command: Command) -> bytes:
        return write_reply(self._play(frame).answer(command), Form(frame.form))

    def _snapshot(self, frame: Frame) -> bytes:
        return self._play(frame).snapshot()

    def _restore(self, frame: Frame) -> bytes:
        self._play(frame).restore(read_records(frame.content))
        return b""

    def _close(self, frame: Frame) -> bytes:
        self._drop(frame.handle)
        return b""

    def _play(self, frame: Frame) -> Play:
        if frame.handle not in self._plays:
            raise Broken("session_lost", "it could not be brought back")
        return self._plays[frame.handle]

    def _drop(self, handle: int) -> None:
        play = self._plays.pop(handle, None)
        if play is not None:
            play.close()


_DOES: dict[Kind, Callable[[Worker, Frame], bytes]] = {
    Kind.OPEN: Worker._open,
    Kind.COMMAND: Worker._command,
    Kind.STEP: Worker._step,
    Kind.RESET: Worker._reset,
    Kind.SNAPSHOT: Worker._snapshot,
    Kind.RESTORE: Worker._restore,
    Kind.CLOSE: Worker._close,
}


def _told(refused: Refused) -> bytes:
    return msgspec.msgpack.encode([refused.code, refused.detail])


def work(line: socket.socket, page: mmap, memory_mib: int | None) -> None:
    """Be a worker until the service is gone."""
    import torch

    torch.set_num_threads(1)
    if memory_mib is not None:
        _limit_memory(memory_mib)
    Worker(page).serve(line)


def _limit_memory(mib: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (mib << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
