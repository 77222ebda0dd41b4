"""A session against a local environment of the same seed, whatever is asked in which order."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.vector import VectorEnvironment
from service.sessions.action_log import read_records
from service.sessions.encoding import Command, Form, write_reply
from service.sessions.play import Play
from service.sessions.refusal import Broken, Refused
from service.sessions.seeds import derived_seed
from service.sessions.spec import SessionSpec
from service.sessions.worlds import build_environment
from tests.service.sessions import hostile

KEPT = 3


def spec_of(folder: Path, num_envs: int | None = None, mode: str = "SameStep") -> SessionSpec:
    file = folder / "hostile.toml"
    file.write_text(hostile.SCENARIO)
    from service.sessions.worlds import file_digest

    return SessionSpec(
        env="hostile",
        reference=str(file),
        file_digest=file_digest(str(file)),
        seed=5,
        num_envs=num_envs,
        autoreset_mode=mode,  # type: ignore[arg-type]
    )


class Both:
    """A session and what it is held against: the same environment, here, stepped once a step."""

    def __init__(self, folder: Path, num_envs: int | None, mode: str) -> None:
        self.folder, self.spec = folder, spec_of(folder, num_envs, mode)
        self.play = self._opened(is_new=True)
        self.local: Any = build_environment(self.spec)
        self.told: list[bytes] = []
        self.resets = -1
        self.snapshots: list[tuple[bytes, list[np.ndarray], int]] = []
        self.episode: list[np.ndarray] = []

    def _opened(self, *, is_new: bool = False) -> Play:
        return Play(self.spec, self.folder / "log", is_new=is_new, most_bytes=1 << 20, kept=KEPT)

    def reset(self) -> None:
        self.resets += 1
        self.episode = []
        seen, info = self.local.reset(seed=derived_seed(self.spec.seed, self.resets))
        self._hold({"observation": seen, "info": info}, Command(type="reset"))

    def step(self, choice: int) -> None:
        if self.must_reset:
            self.reset()
        actions = np.full(self.spec.num_envs or (), choice)
        self.episode.append(actions)
        self._hold(self._locally(actions), Command(action=actions))

    def _locally(self, actions: np.ndarray) -> dict[str, Any]:
        given = np.int64(actions) if actions.shape == () else actions
        seen, reward, terminated, truncated, info = self.local.step(given)
        self.must_reset_now = self.spec.num_envs is None and bool(terminated or truncated)
        return {
            "observation": seen, "reward": reward, "terminated": terminated,
            "truncated": truncated, "info": info,
        }  # fmt: skip

    must_reset_now = True

    @property
    def must_reset(self) -> bool:
        return self.resets < 0 or self.must_reset_now

    def _hold(self, expected: dict[str, Any], command: Command) -> None:
        if command.type == "reset":
            self.must_reset_now = False
        number = self.play.number + 1
        told = {"type": "reply", "step_id": number, **expected}
        command.step_id = number
        answered = write_reply(self.play.answer(command), Form.MSGPACK)
        assert answered == write_reply(told, Form.MSGPACK)
        self.told.append(answered)

    def repeat(self, ago: int) -> None:
        number = self.play.number - ago
        if number >= 1 and ago < min(KEPT, len(self.told)):
            again = self.play.answer(Command(step_id=number, action=99))
            assert write_reply(again, Form.MSGPACK) == self.told[-1 - ago]

    def kill(self) -> None:
        self.play.close()
        self.play = self._opened()

    def keep(self) -> None:
        if self.resets >= 0:
            self.snapshots.append((self.play.snapshot(), list(self.episode), self.resets))

    def go_back(self, which: int) -> None:
        if not self.snapshots:
            return
        content, episode, resets = self.snapshots[which % len(self.snapshots)]
        before = self.play.number
        self.play.restore(read_records(content))
        assert self.play.number == before
        self.told = []
        self.resets, self.episode = resets, list(episode)
        self.local.reset(seed=derived_seed(self.spec.seed, resets))
        self.must_reset_now = False
        for actions in episode:
            self._locally(actions)


ACTS = st.one_of(
    st.tuples(st.just("step"), st.sampled_from([hostile.NOTHING, hostile.SOMETHING])),
    st.tuples(st.just("step"), st.sampled_from([hostile.NOTHING, hostile.SOMETHING])),
    st.tuples(st.just("repeat"), st.integers(0, 4)),
    st.tuples(st.sampled_from(["reset", "kill", "keep"])),
    st.tuples(st.just("go_back"), st.integers(0, 3)),
)


@pytest.mark.parametrize(
    ("num_envs", "mode"), [(None, "SameStep"), (3, "SameStep"), (2, "NextStep")]
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=st.lists(ACTS, min_size=5, max_size=30))
def test_a_session_answers_as_a_local_environment_does(
    num_envs: int | None, mode: str, acts: list[tuple[Any, ...]]
) -> None:
    """Repeats, resets, kills, snapshots and restores in any order change no bit of any reply."""
    with TemporaryDirectory() as folder:
        both = Both(Path(folder), num_envs, mode)
        for name, *arguments in acts:
            getattr(both, name)(*arguments)
        both.play.close()


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(spec_of(tmp_path), tmp_path / "log", is_new=True, most_bytes=1 << 20, kept=KEPT)


def test_a_gap_and_an_old_step_are_refused_and_change_nothing(play: Play) -> None:
    """A lost step must be noticed, not skipped."""
    play.answer(Command(type="reset", step_id=1))
    for number in range(2, 6):
        play.answer(Command(step_id=number, action=0))
    for number, code in ((7, "step_gap"), (1, "step_stale")):
        with pytest.raises(Refused) as refused:
            play.answer(Command(step_id=number, action=0))
        assert refused.value.code == code
    assert play.answer(Command(step_id=6, action=0))["step_id"] == 6


@pytest.mark.parametrize("action", [None, -1, 7, 1.0, True, "1", [0], [[0], [0, 1]], 2**70, {}])
def test_an_action_outside_the_space_is_refused_before_it_is_logged(
    play: Play, action: object
) -> None:
    """It would be refused at every replay too, and the session would be lost."""
    play.answer(Command(type="reset"))
    with pytest.raises(Refused):
        play.answer(Command(action=action))
    assert play.answer(Command(action=0))["step_id"] == 2


def test_an_episode_that_ended_waits_for_its_reset(play: Play) -> None:
    """As a local environment does, but without being broken by it."""
    play.answer(Command(type="reset"))
    while not play.answer(Command(action=0))["terminated"]:
        pass
    with pytest.raises(Refused, match="reset it first"):
        play.answer(Command(action=0))
    assert "reward" not in play.answer(Command(type="reset"))


@pytest.mark.parametrize("decision", [hostile.RAISE, hostile.NAN])
def test_a_simulator_that_fails_breaks_its_session(play: Play, decision: int) -> None:
    """A failure is never a reward."""
    play.answer(Command(type="reset"))
    with pytest.raises(Broken):
        play.answer(Command(action=decision))


def test_rows_of_a_batch_are_reset_by_the_caller(tmp_path: Path) -> None:
    """In the mode without autoreset; a replay does it too."""
    spec, path = spec_of(tmp_path, 2, "Disabled"), tmp_path / "log"
    play = Play(spec, path, is_new=True, most_bytes=1 << 20, kept=KEPT)
    local = build_environment(spec)
    assert isinstance(local, VectorEnvironment)
    play.answer(Command(type="reset"))
    local.reset(seed=5)
    ends = []
    for _ in range(hostile.EPOCHS):
        ends.append(play.answer(Command(action=[0, 1]))["terminated"].all())
        local.step(np.array([0, 1]))
    assert ends == [*[False] * (hostile.EPOCHS - 1), True]
    with pytest.raises(Refused, match="reset it first"):
        play.answer(Command(action=[0, 1]))
    play.answer(Command(type="reset", reset_mask=[True, False]))
    begun = play.answer(Command(type="reset", reset_mask=[False, True]))
    for mask in ([True, False], [False, True]):
        local.reset(options={"reset_mask": np.array(mask)})
    play.close()
    again = Play(spec, path, is_new=False, most_bytes=1 << 20, kept=KEPT)
    repeated = again.answer(Command(step_id=begun["step_id"]))
    np.testing.assert_array_equal(repeated["observation"], begun["observation"])
    expected = local.step(np.array([1, 1]))[0]
    np.testing.assert_array_equal(again.answer(Command(action=[1, 1]))["observation"], expected)
