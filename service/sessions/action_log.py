"""What was asked of a session, written before it is done, so that it can be done again.

A log is a file of records, each with its length and a checksum. It is not synced: what a process
wrote survives the process, however it is killed. A power cut may take the last seconds with it;
the session then stands a few steps earlier, and the next step is refused as a gap. A torn record at
the end is dropped.

Nothing before a full reset is needed for what comes after it, so that the log is cut there, but for
as many commands as replies are kept: a repeat of one of these must find its reply.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from struct import Struct
from zlib import crc32

import msgspec

from service.sessions.refusal import Broken, Refused

_MAGIC = b"SURROGYM-ACTIONS-1\n"
NOTHING_PLAYED = len(_MAGIC) + 32
"""Bytes of a log without a record: what it is, and of which spec."""
_HEAD = Struct("<IIQB")
_WORTH_CUTTING = 64 << 10
"""Bytes of a log below which nothing is cut."""
_SECONDS_FOR_LOCK = 20.0


class Entry(IntEnum):
    """Kinds of records."""

    RESET = 1
    STEP = 2
    ROWS = 3
    RESTORED = 4
    STATE = 5


_BASES = (Entry.RESET, Entry.STATE)
"""Records that need nothing before them."""


class Record(msgspec.Struct, frozen=True):
    """One command."""

    number: int
    """Its step id."""
    entry: Entry
    content: bytes

    def packed(self) -> bytes:
        """As it stands in the file."""
        told = self.number.to_bytes(8, "little") + bytes([self.entry]) + self.content
        return _HEAD.pack(len(self.content), crc32(told), self.number, self.entry) + self.content


class ActionLog:
    """The log of one session, held by one process at a time."""

    def __init__(self, path: Path, digest: str, *, most_bytes: int, kept: int) -> None:
        self._path, self._most, self._kept = path, most_bytes, kept
        self._opening = _MAGIC + bytes.fromhex(digest)
        self._bases: list[tuple[int, int]] = []
        """Step id and offset of every record that needs nothing before it."""
        self._file = _locked(path)
        self._end = os.fstat(self._file).st_size
        if self._end == 0:
            self._begin()

    @property
    def length(self) -> int:
        """In bytes."""
        return self._end

    def read(self) -> list[Record]:
        """Every whole record, for a beginning; what is torn at the end is cut off."""
        content = os.pread(self._file, self._end, 0)
        if not content.startswith(self._opening):
            raise Broken("session_lost", "its log is of another session: begin a new one")
        self._bases, records = [], []
        for offset, record in _records(content, len(self._opening)):
            records.append(record)
            self._note(record, offset)
            self._end = offset + _HEAD.size + len(record.content)
        if not records:
            self._end = len(self._opening)
        os.ftruncate(self._file, self._end)
        return records[self._first_needed(records) :]

    def append(self, record: Record) -> None:
        """Write a command; raises Refused where the log or the disk is full."""
        packed = record.packed()
        if record.entry not in _BASES and self._end + len(packed) > self._most:
            raise Refused(
                "session_log_full",
                f"the log has {self._end} of at most {self._most} bytes: reset every environment, "
                "which begins it anew",
            )
        self._write(packed)
        self._note(record, self._end)
        self._end += len(packed)
        if self._end > _WORTH_CUTTING and record.entry in _BASES:
            self._cut(record.number)

    def since_base(self) -> list[Record]:
        """What brings a session of the same spec to where this one is."""
        start = self._bases[-1][1] if self._bases else len(self._opening)
        content = os.pread(self._file, self._end - start, start)
        return [record for _, record in _records(content, 0)]

    def replace(self, records: list[Record]) -> None:
        """Put other records in place of all."""
        self._begin_anew(b"".join(record.packed() for record in records))
        self.read()

    def close(self) -> None:
        """Let others have it."""
        os.close(self._file)

    def _begin(self) -> None:
        try:
            self._write(self._opening)
        except Refused:
            self.close()
            raise
        self._end = len(self._opening)

    def _write(self, packed: bytes) -> None:
        try:
            if os.write(self._file, packed) == len(packed):
                return
        except OSError:
            pass
        os.ftruncate(self._file, self._end)
        raise Refused("storage_unavailable", "the disk took no more of the action log")

    def _note(self, record: Record, offset: int) -> None:
        if record.entry in _BASES:
            self._bases.append((record.number, offset))

    def _cut(self, number: int) -> None:
        """Drop what no repeat can ask for, where that is most of the file."""
        old = [base for base in self._bases if base[0] <= number - self._kept]
        if not old or 2 * old[-1][1] < self._end:
            return
        self._begin_anew(os.pread(self._file, self._end - old[-1][1], old[-1][1]))
        shift = old[-1][1] - len(self._opening)
        self._bases = [(n, at - shift) for n, at in self._bases if at >= old[-1][1]]

    def _begin_anew(self, content: bytes) -> None:
        """A fresh file under the same name, whole or not at all."""
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        file = _locked(fresh)
        try:
            if os.write(file, self._opening + content) != len(self._opening) + len(content):
                raise Refused("storage_unavailable", "the disk took no more of the action log")
            fresh.rename(self._path)
        except (OSError, Refused) as error:
            os.close(file)
            fresh.unlink(missing_ok=True)
            raise Refused("storage_unavailable", "the disk took no more") from error
        os.close(self._file)
        self._file, self._end = file, len(self._opening) + len(content)

    def _first_needed(self, records: list[Record]) -> int:
        last = records[-1].number if records else 0
        needed = 0
        for place, record in enumerate(records):
            if record.entry in _BASES and record.number <= last - self._kept:
                needed = place
        return needed


def read_records(content: bytes) -> list[Record]:
    """Records of bytes that are nothing else."""
    return [record for _, record in _records(content, 0)]


def _records(content: bytes, start: int) -> Iterator[tuple[int, Record]]:
    """Whole records with their offsets; ends at the first that is not."""
    at = start
    while at + _HEAD.size <= len(content):
        size, check, number, entry = _HEAD.unpack_from(content, at)
        inside = content[at + _HEAD.size : at + _HEAD.size + size]
        told = number.to_bytes(8, "little") + bytes([entry]) + inside
        if len(inside) != size or crc32(told) != check:
            return
        yield at, Record(number, Entry(entry), inside)
        at += _HEAD.size + size


def _locked(path: Path) -> int:
    """The file, open and ours alone: a worker of before may still be dying."""
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused("storage_unavailable", "the disk took no action log") from error
    deadline = time.monotonic() + _SECONDS_FOR_LOCK
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(file)
                raise Broken("session_lost", "another process holds its log") from None
            time.sleep(0.01)
