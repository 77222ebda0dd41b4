"""What the service and its workers send one another: frames on a socket, many in one write."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct

import msgspec

from service.problems import Problem

_HEAD = Struct("<IBBHIQf")


class Kind(IntEnum):
    """What a frame is."""

    OPEN = 1
    COMMAND = 2
    STEP = 3
    RESET = 4
    SNAPSHOT = 5
    RESTORE = 6
    CLOSE = 7
    STREAM = 8
    """A client's connection comes with it, to be served there."""
    LET_GO = 9
    """The connection of that number is wanted back."""
    REPLY = 10
    REFUSED = 11
    BROKEN = 12
    PLAYED = 13
    """Nobody asked: seconds of the commands done for connections."""
    FAILED = 14
    """Nobody asked: a session broke in a command of a connection."""
    LEFT = 15
    """The connection of that number is served no more; the form is 1 where the client left, else
    the content is what it did not take yet."""
    ANSWERED = 16
    """Nobody asked: a session's id, and kind, seconds and id of requests answered over HTTP."""


ROUTES = {
    kind: f"/v1/sessions/{{session_id}}/{kind.name.lower()}" for kind in (Kind.STEP, Kind.RESET)
}
"""Over HTTP, as the app's own routes are told."""


class Frame(msgspec.Struct, frozen=True):
    """One request or one reply."""

    kind: int
    form: int
    handle: int
    """Which session of the worker."""
    content: bytes
    number: int = 0
    """The session's step id after a reply."""
    seconds: float = 0.0
    """That a reply took."""

    def told(self) -> tuple[str, str]:
        """Code and detail of a refusal."""
        code, detail = msgspec.msgpack.decode(self.content)
        return code, detail

    def head(self) -> bytes:
        """What stands before the content."""
        size = _HEAD.size - 4 + len(self.content)
        return _HEAD.pack(size, self.kind, self.form, 0, self.handle, self.number, self.seconds)


def refused(frame: Frame, problem: Problem, number: int) -> Frame:
    """The answer to a command that is not done; `number` is the step id of the last that was."""
    content = msgspec.msgpack.encode([problem.code, problem.detail])
    return Frame(Kind.REFUSED, frame.form, frame.handle, content, number)


class FrameReader:
    """Puts frames together from bytes as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Every frame that is now whole."""
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        with memoryview(buffer) as view:
            while end - at >= _HEAD.size:
                size, kind, form, _, handle, number, seconds = _HEAD.unpack_from(view, at)
                if end - at < size + 4:
                    break
                content = bytes(view[at + _HEAD.size : at + 4 + size])
                at += 4 + size
                yield Frame(kind, form, handle, content, number, seconds)
        if at:
            del buffer[:at]
