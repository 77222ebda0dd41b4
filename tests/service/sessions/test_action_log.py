from pathlib import Path

import pytest

from service.sessions.action_log import ActionLog, Entry, Record, read_records
from service.sessions.refusal import Broken, Refused

DIGEST = "ab" * 32


def opened(path: Path, most_bytes: int = 1 << 20, kept: int = 2) -> ActionLog:
    return ActionLog(path, DIGEST, most_bytes=most_bytes, kept=kept)


def steps(first: int, last: int, size: int = 4) -> list[Record]:
    return [Record(n, Entry.STEP, bytes([n % 256]) * size) for n in range(first, last + 1)]


def filled(path: Path, records: list[Record], **given: int) -> ActionLog:
    log = opened(path, **given)
    for record in records:
        log.append(record)
    return log


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """It is all that is left of a session after a kill."""
    records = [Record(1, Entry.RESET, b"[7, 0]"), *steps(2, 5)]
    filled(tmp_path / "log", records).close()
    assert opened(tmp_path / "log").read() == records


@pytest.mark.parametrize("lost", [1, 5, 20, 22])
def test_a_torn_end_is_dropped_and_written_over(tmp_path: Path, lost: int) -> None:
    """A power cut may leave half a record; what came before it stands."""
    path = tmp_path / "log"
    filled(path, [Record(1, Entry.RESET, b""), *steps(2, 4)]).close()
    path.write_bytes(path.read_bytes()[:-lost])
    log = opened(path)
    whole = log.read()
    assert [record.number for record in whole] == ([1, 2, 3] if lost < 21 else [1, 2])
    log.append(Record(whole[-1].number + 1, Entry.STEP, b"new"))
    log.close()
    assert opened(path).read()[-1].content == b"new"


def test_a_changed_byte_ends_what_is_believed(tmp_path: Path) -> None:
    """A wrong action would give a wrong session without anybody noticing."""
    path = tmp_path / "log"
    filled(path, [Record(1, Entry.RESET, b""), *steps(2, 4)]).close()
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    assert [record.number for record in opened(path).read()] == [1, 2, 3]


def test_only_what_a_repeat_may_need_is_read_from_before_a_reset(tmp_path: Path) -> None:
    """Episodes of before need not be played again, but for the replies that are kept."""
    records = [
        Record(1, Entry.RESET, b"a"), *steps(2, 4), Record(5, Entry.RESET, b"b"), *steps(6, 6),
        Record(7, Entry.RESET, b"c"),
    ]  # fmt: skip
    filled(tmp_path / "log", records).close()
    assert opened(tmp_path / "log").read() == records[4:]


def test_the_file_is_cut_at_resets(tmp_path: Path) -> None:
    """A session that is stepped for months keeps a small file, and is read as if never cut."""
    path, number = tmp_path / "log", 0
    log = opened(path)
    written: list[Record] = []
    for _ in range(40):
        episode = [Record(number + 1, Entry.RESET, b"s"), *steps(number + 2, number + 6, 1000)]
        for record in episode:
            log.append(record)
        written += episode
        number += 6
        assert path.stat().st_size == log.length < 140_000
    log.close()
    assert opened(path).read() == written[-12:][6:]


def test_a_full_log_refuses_steps_and_takes_a_reset(tmp_path: Path) -> None:
    """The refusal says the way out, and the way out works."""
    log = filled(tmp_path / "log", [Record(1, Entry.RESET, b"")], most_bytes=200)
    fits, last = steps(2, 5), Record(6, Entry.STEP, bytes(60))
    for record in fits:
        log.append(record)
    with pytest.raises(Refused, match="reset every environment"):
        log.append(last)
    log.append(Record(6, Entry.RESET, b""))


def test_a_past_can_be_put_in_place_of_another(tmp_path: Path) -> None:
    """That is what a restore does, whole or not at all."""
    log = filled(tmp_path / "log", [Record(1, Entry.RESET, b""), *steps(2, 4)])
    packed = b"".join(record.packed() for record in log.since_base())
    other = filled(tmp_path / "other", [Record(1, Entry.RESET, b"x"), *steps(2, 9)])
    other.replace([*read_records(packed), Record(9, Entry.RESTORED, b"")])
    other.close()
    assert [record.number for record in opened(tmp_path / "other").read()] == [1, 2, 3, 4, 9]


def test_another_sessions_log_is_refused(tmp_path: Path) -> None:
    """Its actions in this environment would be nonsense that looks right."""
    filled(tmp_path / "log", steps(1, 2)).close()
    other = ActionLog(tmp_path / "log", "cd" * 32, most_bytes=1 << 20, kept=2)
    with pytest.raises(Broken, match="another session"):
        other.read()
