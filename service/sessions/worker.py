"""A process in which sessions are played, one command after another."""

from __future__ import annotations

import os
import resource
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector, SelectorKey
from typing import Any

import msgspec

from service.problems import Problem
from service.sessions.action_log import read_records
from service.sessions.allowance import Pace
from service.sessions.direct import Direct, Order
from service.sessions.direct_requests import DirectRequests
from service.sessions.direct_stream import DirectStream
from service.sessions.encoding import Command, Form, read_command, write_reply
from service.sessions.frames import Frame, FrameReader, Kind, refused
from service.sessions.page import Page
from service.sessions.play import Play
from service.sessions.refusal import Broken, Refused
from service.sessions.spec import SessionSpec

_CHUNK = 1 << 20
_HOLD_SECONDS = 0.001
"""Replies wait for others of the same read, but no longer than this."""
_SECONDS_UNTOLD = 1.0
"""For which the service may not know what was done for connections."""
_SECONDS_AWAKE, _SECONDS_BETWEEN = 0.0001, 0.0002
"""For which a worker looks for a next command before it sleeps, and after which none is looked for
that way. To be woken takes a processor as long as to look, and the client longer."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What brings a session to a worker."""

    spec: dict[str, Any]
    path: str
    is_new: bool
    most_bytes: int
    kept: int


class Worker:
    """Sessions by handle, and the connections of clients that are served here."""

    def __init__(self, page: Page, line: socket.socket) -> None:
        self._page, self._line = page, line
        self._plays: dict[int, Play] = {}
        self._reader = FrameReader()
        self._descriptors: deque[int | None] = deque()
        """That came for frames which are not whole yet; None where there was no room for one."""
        self._streams: dict[int, Direct] = {}
        self._unfinished: dict[int, Direct] = {}
        """Those that had their turn and have more commands."""
        self._played: dict[int, list[float]] = {}
        """Seconds of commands done for connections, by session, that were not told."""
        self._told_at = self._looked_at = 0.0
        self._worked_at, self._comes_soon = 0.0, False
        self._paces: dict[str, Pace] = {}
        """Of keys, over all their streams here."""
        self._selector = DefaultSelector()

    def serve(self) -> None:
        """Answer the service and clients until the service is gone."""
        self._selector.register(self._line, EVENT_READ)
        with suppress(ConnectionError):
            self._serve()

    def _serve(self) -> None:
        while True:
            for key, events in self._ready():
                if key.fileobj is self._line:
                    if not self._hear():
                        return
                elif key.data.order.number in self._streams:
                    self._attend(key.data, events)
            for stream in list(self._unfinished.values()):
                self._work(stream)
            self._give_back_idle()
            self._tell_played()

    def _ready(self) -> list[tuple[SelectorKey, int]]:
        """What there is to do; waits for it, where clients are quick at first without sleeping."""
        while self._comes_soon and time.perf_counter() < self._worked_at + _SECONDS_AWAKE:
            found = self._selector.select(0.0)
            if found:
                return found
            # On a single processor it is the client that has to go on.
            os.sched_yield()
        found = self._selector.select(self._seconds_to_wait())
        self._comes_soon = time.perf_counter() < self._worked_at + _SECONDS_BETWEEN
        return found

    def _seconds_to_wait(self) -> float | None:
        if self._unfinished:
            return 0.0
        if self._played:
            return max(0.0, self._told_at + _SECONDS_UNTOLD - time.monotonic())
        return _SECONDS_UNTOLD if self._lent() else None

    def _lent(self) -> list[DirectRequests]:
        return [each for each in self._streams.values() if isinstance(each, DirectRequests)]

    def _give_back_idle(self) -> None:
        now = time.monotonic()
        if now - self._looked_at > _SECONDS_UNTOLD:
            self._looked_at = now
            for stream in self._lent():
                stream.give_back_idle(now)
                self._settle(stream)

    def _hear(self) -> bool:
        """Do what the service asks; whether it is still there."""
        data, descriptors, flags, _ = socket.recv_fds(self._line, _CHUNK, 1)
        # One with a read: the kernel reads no further than to the next.
        self._descriptors += descriptors or ([None] if flags & socket.MSG_CTRUNC else [])
        replies, since = list[bytes](), time.perf_counter()
        for frame in self._reader.feed(data):
            if frame.kind == Kind.STREAM:
                self._take(frame, self._descriptors.popleft())
                continue
            if frame.kind == Kind.LET_GO:
                self._let_go(frame.number)
                continue
            reply = self._handle(frame)
            replies += (reply.head(), reply.content)
            if time.perf_counter() - since > _HOLD_SECONDS:
                self._line.sendall(b"".join(replies))
                replies.clear()
                since = time.perf_counter()
        if replies:
            self._line.sendall(b"".join(replies))
        return bool(data)

    def _take(self, frame: Frame, descriptor: int | None) -> None:
        """Serve a client from now on, unless this process has too many already."""
        order = msgspec.msgpack.decode(frame.content, type=Order)
        if descriptor is None:
            self._say(Frame(Kind.LEFT, 0, frame.handle, b"", order.number))
            return
        connection = socket.socket(fileno=descriptor)
        stream: Direct
        if order.credentials is None:
            stream = DirectStream(frame.handle, order, connection)
        else:
            stream = DirectRequests(frame.handle, order, connection, self._page)
        self._streams[order.number] = stream
        self._watch(stream, EVENT_READ)
        play = self._plays.get(frame.handle)
        if play is None:
            # It could not be brought back, of which the service hears, and says so.
            stream.is_over = True
        else:
            stream.greet(play.number)
        self._settle(stream)

    def _attend(self, stream: Direct, events: int) -> None:
        if events & EVENT_WRITE:
            stream.push()
        if events & EVENT_READ and stream.wants_to_read:
            stream.receive()
        if stream.has_work:
            self._work(stream)
        else:
            self._settle(stream)

    def _work(self, stream: Direct) -> None:
        stream.work(partial(self._answer_to, stream))
        self._worked_at = time.perf_counter()
        self._settle(stream)

    def _answer_to(self, stream: Direct, frame: Frame) -> Frame:
        problem = self._pace(stream).against(frame.content, is_json=frame.form == Form.JSON)
        if problem is not None:
            return self._refused(frame, problem)
        reply = self._handle(frame)
        if reply.kind == Kind.BROKEN:
            stream.is_over = True
            # Of a session that failed nothing is heard any more.
            self._tell_played(at_once=True)
            self._say(Frame(Kind.FAILED, 0, frame.handle, reply.content))
        self._played.setdefault(frame.handle, []).append(reply.seconds)
        return reply

    def _pace(self, stream: Direct) -> Pace:
        allowance = stream.order.allowance
        pace = self._paces.get(allowance.key_id)
        if pace is None:
            pace = self._paces[allowance.key_id] = Pace(allowance)
        return pace

    def _refused(self, frame: Frame, problem: Problem) -> Frame:
        play = self._plays.get(frame.handle)
        number = 0 if play is None else play.number
        return refused(frame, problem, number)

    def _settle(self, stream: Direct) -> None:
        """Wait for what the stream waits for; forget it when nothing is left of it."""
        number = stream.order.number
        if stream.is_done:
            self._let_go(number)
            return
        if stream.has_work:
            self._unfinished[number] = stream
        else:
            self._unfinished.pop(number, None)
        wanted = EVENT_READ * stream.wants_to_read | EVENT_WRITE * stream.wants_to_write
        if wanted != stream.watched:
            self._watch(stream, wanted)

    def _watch(self, stream: Direct, wanted: int) -> None:
        """Wait for these events of a connection, and for no others."""
        if not stream.watched:
            self._selector.register(stream.connection, wanted, stream)
        elif not wanted:
            self._selector.unregister(stream.connection)
        else:
            self._selector.modify(stream.connection, wanted, stream)
        stream.watched = wanted

    def _let_go(self, number: int) -> None:
        """Give a connection back."""
        stream = self._streams.pop(number, None)
        self._unfinished.pop(number, None)
        if stream is None:
            return
        if stream.watched:
            self._watch(stream, 0)
        stream.connection.close()
        self._tell_answered(stream)
        self._tell_played(at_once=True)
        self._say(Frame(Kind.LEFT, stream.is_gone, stream.handle, stream.left_over, number))

    def _tell_played(self, *, at_once: bool = False) -> None:
        """Tell what was done for connections, at most once a second."""
        now = time.monotonic()
        if not self._played or (not at_once and now - self._told_at < _SECONDS_UNTOLD):
            return
        self._told_at = now
        for handle, seconds in self._played.items():
            play = self._plays.get(handle)
            number = 0 if play is None else play.number
            self._say(Frame(Kind.PLAYED, 0, handle, msgspec.msgpack.encode(seconds), number))
        self._played.clear()
        for stream in self._lent():
            self._tell_answered(stream)

    def _tell_answered(self, stream: Direct) -> None:
        if isinstance(stream, DirectRequests) and stream.answered:
            content = msgspec.msgpack.encode([stream.order.session_id, stream.answered])
            stream.answered.clear()
            self._say(Frame(Kind.ANSWERED, 0, stream.handle, content))

    def _say(self, frame: Frame) -> None:
        self._line.sendall(frame.head() + frame.content)

    def _handle(self, frame: Frame) -> Frame:
        began = self._page.begin(frame.handle)
        kind, content = self._done(frame)
        self._page.end()
        play = self._plays.get(frame.handle)
        seconds = (time.monotonic_ns() - began) / 1e9
        number = 0 if play is None else play.number
        return Frame(kind, frame.form, frame.handle, content, number, seconds)

    def _done(self, frame: Frame) -> tuple[Kind, bytes]:
        try:
            return Kind.REPLY, _DOES[frame.kind](self, frame)
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
        return self._answer(frame, read_command(frame.content, frame.form))

    def _step(self, frame: Frame) -> bytes:
        command = read_command(frame.content, frame.form)
        command.type = "step"
        return self._answer(frame, command)

    def _reset(self, frame: Frame) -> bytes:
        command = read_command(frame.content, frame.form)
        command.type = "reset"
        return self._answer(frame, command)

    def _answer(self, frame: Frame, command: Command) -> bytes:
        return write_reply(self._play(frame).answer(command), frame.form)

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
        for stream in self._streams.values():
            stream.is_over = stream.is_over or stream.handle == handle
        play = self._plays.pop(handle, None)
        if play is not None:
            play.close()


_DOES: dict[int, Callable[[Worker, Frame], bytes]] = {
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


def work(line: socket.socket, page: Page, memory_mib: int | None) -> None:
    """Be a worker until the service is gone."""
    import torch

    torch.set_num_threads(1)
    if memory_mib is not None:
        _limit_memory(memory_mib)
    Worker(page, line).serve()


def _limit_memory(mib: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (mib << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
