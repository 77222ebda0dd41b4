"""One session in a worker: an environment, the log of its actions, and its last replies."""

from __future__ import annotations

import json
import traceback
from collections import deque
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from envs.vector import VectorEnvironment
from service.sessions.action_log import ActionLog, Entry, Record
from service.sessions.encoding import Command
from service.sessions.moves import Moves
from service.sessions.refusal import Broken, Refused
from service.sessions.seeds import Seeds
from service.sessions.spaces import space_record
from service.sessions.spec import SessionSpec
from service.sessions.worlds import build_environment

Reply = dict[str, Any]
"""What a command is answered: names of gymnasium, arrays and plain numbers."""


class Play:
    """Plays a session: what was logged first, then what is asked."""

    def __init__(
        self, spec: SessionSpec, path: Path, *, is_new: bool, most_bytes: int, kept: int
    ) -> None:
        if not is_new and not path.exists():
            raise Broken("session_lost", "its log is gone: begin a new session")
        self.spec = spec
        self._environment = environment = build_environment(spec)
        self._is_batch = isinstance(environment, VectorEnvironment)
        if isinstance(environment, VectorEnvironment):
            seen, single = environment.single_observation_space, environment.single_action_space
        else:
            seen, single = environment.observation_space, environment.action_space
        self.about = {"observation_space": space_record(seen), "action_space": space_record(single)}
        self._moves = Moves(single, spec.num_envs)
        self._seeds = Seeds(spec.seed)
        self._waits_at_end = spec.num_envs is None or spec.autoreset_mode == "Disabled"
        self._end(np.ones(spec.num_envs or 1, dtype=bool))
        self._has_begun = False
        self.number = 0
        """Step id of the last command that was done."""
        self._replies: deque[Reply] = deque(maxlen=kept)
        self._log = ActionLog(path, spec.digest, most_bytes=most_bytes, kept=kept)
        for record in self._log.read():
            self._again(record)

    def close(self) -> None:
        """Let go of the log."""
        self._log.close()

    def answer(self, command: Command) -> Reply:
        """Do a command once; a repeat gets the reply it had."""
        if command.type == "sync":
            return {"type": "reply", "step_id": self.number}
        if command.type not in _COMMANDS:
            raise Refused("invalid_request", f"type: one of {', '.join(_COMMANDS)}, sync")
        number = self.number + 1 if command.step_id is None else command.step_id
        if number <= self.number:
            return self._repeated(number)
        if number > self.number + 1:
            told = f"step_id {number} came after {self.number}: send {self.number + 1} first"
            raise Refused("step_gap", told)
        return _COMMANDS[command.type](self, command, number)

    def snapshot(self) -> bytes:
        """What brings another session of the same spec to where this one is."""
        if not self._has_begun:
            raise Refused("not_reset", "nothing to keep yet: reset first")
        return b"".join(record.packed() for record in self._log.since_base())

    def restore(self, records: list[Record]) -> None:
        """Go to where a session of the same spec was; the step ids go on from here."""
        past = [Record(0, record.entry, record.content) for record in records]
        past.append(Record(self.number, Entry.RESTORED, b""))
        self._log.replace(past)
        for record in past:
            self._again(record)

    def _repeated(self, number: int) -> Reply:
        for reply in self._replies:
            if reply["step_id"] == number:
                return reply
        raise Refused(
            "step_stale", f"step_id {number} was answered long ago: the next is {self.number + 1}"
        )

    def _step(self, command: Command, number: int) -> Reply:
        self._refuse_ended()
        return self._do(Record(number, Entry.STEP, self._moves.checked(command.action)))

    def _reset(self, command: Command, number: int) -> Reply:
        if command.reset_mask is not None:
            return self._do(Record(number, Entry.ROWS, self._rows(command)))
        seeds = self._seeds.given(command.seed) if command.seed is not None else self._seeds.next()
        return self._do(Record(number, Entry.RESET, seeds.packed()))

    def _rows(self, command: Command) -> bytes:
        mask = np.asarray(command.reset_mask)
        if not self._is_batch:
            raise Refused("invalid_request", "reset_mask is for a batch: leave it out")
        if mask.shape != self._ended.shape or mask.dtype != np.bool_ or not mask.any():
            raise Refused("invalid_request", f"reset_mask: {len(self._ended)} bools, one true")
        if not self._has_begun and not mask.all():
            raise Refused("not_reset", "begin every environment first: reset without a mask")
        return json.dumps({"seed": command.seed}).encode() + b"\n" + np.packbits(mask).tobytes()

    def _refuse_ended(self) -> None:
        if not self._has_begun:
            raise Refused("not_reset", "no episode goes on: reset first")
        if self._is_at_end:
            raise Refused("not_reset", "an episode ended: reset it first")

    def _end(self, ended: np.ndarray) -> None:
        """Note whose episodes are over, and whether a step has to wait for a reset."""
        self._ended = ended
        self._is_at_end = self._waits_at_end and bool(np.logical_or.reduce(ended))

    def _do(self, record: Record) -> Reply:
        """Log first: what was begun and never answered is found, and answered, in the log."""
        self._log.append(record)
        return self._again(record)

    def _again(self, record: Record) -> Reply:
        try:
            fields = _PLAYED[record.entry](self, record)
        except Broken:
            raise
        except Exception as error:
            traceback.print_exception(error)
            told = "it raised an exception: the service's log has it"
            raise Broken("simulator_error", told) from error
        self.number = record.number
        reply = {"type": "reply", "step_id": record.number, **fields}
        if record.entry is not Entry.RESTORED and record.number:
            self._replies.append(reply)
        return reply

    def _play_reset(self, record: Record) -> Reply:
        self._seeds = Seeds.unpacked(record.content)
        seen, infos = self._environment.reset(seed=self._seeds.seed)
        self._has_begun = True
        self._end(np.zeros_like(self._ended))
        return {"observation": _finite(seen), "info": self._told(infos)}

    def _play_rows(self, record: Record) -> Reply:
        told, _, packed = record.content.partition(b"\n")
        mask = np.unpackbits(np.frombuffer(packed, np.uint8), count=len(self._ended)).astype(bool)
        seen, infos = self._environment.reset(
            seed=json.loads(told)["seed"], options={"reset_mask": mask}
        )
        self._has_begun = True
        self._end(self._ended & ~mask)
        return {"observation": _finite(seen), "info": self._told(infos)}

    def _play_step(self, record: Record) -> Reply:
        actions = self._moves.played(record.content)
        seen, rewards, terminated, truncated, infos = self._environment.step(actions)
        if self._is_batch:
            self._end(np.asarray(terminated | truncated))
        else:
            self._ended[0] = self._is_at_end = bool(terminated or truncated)
        return {
            "observation": _finite(seen),
            "reward": _finite(rewards),
            "terminated": terminated,
            "truncated": truncated,
            "info": self._told(infos),
        }

    def _told(self, infos: dict[str, Any]) -> dict[str, Any]:
        """What is told beside the observation."""
        if not self.spec.tell_state:
            return infos
        return infos | {"state": np.ascontiguousarray(_finite(self._environment.states))}

    def _play_restored(self, record: Record) -> Reply:
        self._replies.clear()
        return {}


_ALL = np.logical_and.reduce
"""For the few numbers of one session in half the time of the method."""


def _finite(values: Any) -> Any:
    """Numbers as they are sent; raises Broken for any that no reward or observation can be."""
    is_array = isinstance(values, np.ndarray)
    if not (_ALL(np.isfinite(values), axis=None) if is_array else isfinite(values)):
        raise Broken("simulator_error", "it gave a number that is not finite")
    return np.ascontiguousarray(values) if is_array else values


_COMMANDS: dict[str, Callable[[Play, Command, int], Reply]] = {
    "step": Play._step,
    "reset": Play._reset,
}
_PLAYED: dict[Entry, Callable[[Play, Record], Reply]] = {
    Entry.RESET: Play._play_reset,
    Entry.STEP: Play._play_step,
    Entry.ROWS: Play._play_rows,
    Entry.RESTORED: Play._play_restored,
}
