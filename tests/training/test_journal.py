"""A long job as steps that are kept whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from training.forms import RecordForm
from training.journal import InvalidJournal, Journal, whole_folder


@dataclass(frozen=True)
class Number:
    value: int

    def to_record(self) -> dict[str, Any]:
        return {"value": self.value}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Number:
        return cls(record["value"])


FORM = RecordForm(from_record=Number.from_record)


def refuse() -> Number:
    raise AssertionError("done again")


def test_a_finished_step_is_read_back_by_the_next_run(tmp_path: Path) -> None:
    """Finished steps are hours of simulation."""
    Journal(tmp_path).step("first", lambda: Number(3), FORM)
    again = Journal(tmp_path)
    assert again.step("first", refuse, FORM) == Number(3)
    assert [(step.name, step.was_there) for step in again.steps] == [("first", True)]


def test_a_step_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    """What is half done must not be taken for done."""
    journal = Journal(tmp_path)
    with pytest.raises(ZeroDivisionError):
        journal.step("first", lambda: Number(1 // 0), FORM)
    assert not journal.has("first")
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_writing_leaves_no_step(tmp_path: Path) -> None:
    """The folder of a killed writer stays aside and the next one clears it away."""
    aside = tmp_path / ".first.partial"
    aside.mkdir()
    (aside / "step.json").write_text("half")
    journal = Journal(tmp_path)
    assert not journal.has("first")
    journal.step("first", lambda: Number(1), FORM)
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_step_of_other_inputs_is_refused(tmp_path: Path) -> None:
    """Going on with the data of another job would mix the two without a trace."""
    Journal(tmp_path).step("first", lambda: Number(1), FORM, {"seed": 1})
    with pytest.raises(InvalidJournal, match="other settings"):
        Journal(tmp_path).step("first", refuse, FORM, {"seed": 2})


@pytest.mark.parametrize("text", ["", "[]", '{"inputs": "x"}'])
def test_a_damaged_step_is_refused_with_the_way_out(tmp_path: Path, text: str) -> None:
    """Silence would do hours of work again, or worse, believe it."""
    Journal(tmp_path).step("first", lambda: Number(1), FORM)
    (tmp_path / "first" / "step.json").write_text(text)
    with pytest.raises(InvalidJournal, match="delete"):
        Journal(tmp_path).step("first", refuse, FORM)


def test_a_part_of_a_job_is_heard_by_the_whole(tmp_path: Path) -> None:
    """Who follows a job wants to hear of every step, however deep."""
    heard: list[str] = []
    journal = Journal(tmp_path, hear=lambda step: heard.append(step.name))
    journal.within("part").step("inner", lambda: Number(1), FORM)
    assert heard == ["inner"]
    assert json.loads((tmp_path / "part/inner/outcome/record.json").read_text()) == {"value": 1}


def replace_half(path: Path) -> None:
    with whole_folder(path) as folder:
        (folder / "a").write_text("2")
        raise ZeroDivisionError


def test_an_interrupt_as_the_folder_appears_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal is heard when the call under way returns: on a slow disk that is this one."""
    make = Path.mkdir

    def interrupted(path: Path, **how: Any) -> None:
        make(path, **how)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "kept"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_how_far_a_step_is_is_said_of_the_one_under_way(tmp_path: Path) -> None:
    """Also of a step within another, and of a part of the job; nobody hears of none."""
    heard: list[tuple[str, float]] = []
    journal = Journal(tmp_path, hear_share=lambda name, share: heard.append((name, share)))
    journal.at(0.5)

    def told(where: Journal, share: float) -> Number:
        where.at(share)
        return Number(1)

    def outer() -> Number:
        journal.counting(4)(1)
        journal.step("inner", lambda: told(journal, 0.5), FORM)
        journal.at(0.75)
        part = journal.within("part")
        return part.step("far", lambda: told(part, 1.0), FORM)

    journal.step("outer", outer, FORM)
    assert heard == [("outer", 0.25), ("inner", 0.5), ("outer", 0.75), ("far", 1.0)]


def test_a_folder_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    """What stood before stands until its successor is finished."""
    with whole_folder(tmp_path / "kept") as folder:
        (folder / "a").write_text("1")
    with pytest.raises(ZeroDivisionError):
        replace_half(tmp_path / "kept")
    assert (tmp_path / "kept" / "a").read_text() == "1"
