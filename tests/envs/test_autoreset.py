"""The batched environment against gymnasium's own around the single one, in every mode."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

from envs.contract import assert_holds, check_vector_environment
from envs.environment import Environment
from envs.problem import Problem
from envs.vector import InvalidReset, VectorEnvironment
from envs.world import SurrogateWorld
from sim.errors import InvalidDecision
from tests.envs.clockwork import ClockworkSurrogate, clockwork_problem

ROWS = 4
ACTIONS = np.random.default_rng(3).integers(3, size=(30, ROWS))
MODES = list(AutoresetMode)


def _problem() -> Problem:
    return clockwork_problem(mask="feasible")


def _sync(problem: Problem, mode: AutoresetMode) -> SyncVectorEnv:
    make: Callable[[], Environment] = partial(Environment, problem)
    return SyncVectorEnv([make] * ROWS, autoreset_mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_gymnasium_s(mode: AutoresetMode) -> None:
    """Without chance both must answer alike; rows end at different times, also all at once."""
    ours = VectorEnvironment(_problem(), ROWS, mode)
    theirs = _sync(_problem(), mode)
    np.testing.assert_array_equal(ours.reset(seed=0)[0], theirs.reset(seed=0)[0])
    ends = 0
    for actions in ACTIONS:
        mine: tuple[Any, ...] = ours.step(actions)
        peer: tuple[Any, ...] = theirs.step(actions)
        for left, right in zip(mine[:4], peer[:4], strict=True):
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
        _same_infos(mine[4], peer[4], ended := mine[2] | mine[3])
        ends += int(ended.sum())
        if mode is AutoresetMode.DISABLED and ended.any():
            begun = [env.reset(options={"reset_mask": ended})[0] for env in (ours, theirs)]
            np.testing.assert_array_equal(begun[0], begun[1])
    assert ends >= 18


def _same_infos(mine: dict[str, Any], peer: dict[str, Any], ended: np.ndarray) -> None:
    """Wherever gymnasium tells something, we tell the same; and the same things of last epochs."""
    for name in ("cost", "duration", "action_mask"):
        told = peer.get(f"_{name}", np.zeros(ROWS, dtype=bool))
        np.testing.assert_array_equal(
            mine.get(name, np.zeros(ROWS))[told], peer.get(name, np.zeros(ROWS))[told]
        )
        assert not told.any() or mine[f"_{name}"][told].all()
    assert ("final_obs" in mine) == ("final_obs" in peer)
    if "final_obs" in peer:
        np.testing.assert_array_equal(mine["_final_obs"], ended)
        np.testing.assert_array_equal(mine["_final_info"], peer["_final_info"])
        for row in np.flatnonzero(ended):
            np.testing.assert_array_equal(mine["final_obs"][row], peer["final_obs"][row])
            for name in ("cost", "duration", "action_mask"):
                np.testing.assert_array_equal(
                    mine["final_info"][name][row], peer["final_info"][name][row]
                )


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_declared(mode: AutoresetMode) -> None:
    """Learners read it there, and some silently learn the wrong thing under another."""
    for given in (mode, mode.value):
        assert VectorEnvironment(_problem(), 2, given).metadata["autoreset_mode"] is mode


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("world", ["simulated", "surrogate"])
def test_the_contract_holds(mode: AutoresetMode, world: str) -> None:
    """What we ask of other people's environments must hold of ours."""
    changes = (
        {}
        if world == "simulated"
        else {"build_world": partial(SurrogateWorld, ClockworkSurrogate())}
    )
    build = partial(VectorEnvironment, clockwork_problem(mask="feasible", **changes), ROWS, mode)
    checks = check_vector_environment(build, steps=12)
    assert_holds(checks)
    skipped = {check.name for check in checks if check.outcome == "skipped"}
    assert skipped == {"autoreset" if mode is AutoresetMode.DISABLED else "partial_reset"}


def test_ended_rows_wait_for_their_reset_where_nothing_resets_them() -> None:
    """Stepping on would mix two episodes into one."""
    vector = VectorEnvironment(_problem(), ROWS, AutoresetMode.DISABLED)
    vector.reset(seed=0)
    for _ in range(3):
        vector.step(np.array([2, 2, 0, 1]))
    with pytest.raises(InvalidDecision, match=r"no episode goes on in 2 rows, such as \[0, 1\]"):
        vector.step(np.zeros(ROWS, dtype=int))
    vector.reset(options={"reset_mask": np.array([True, True, False, False])})
    vector.step(np.zeros(ROWS, dtype=int))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros(ROWS, dtype=bool), "asks for no row"),
        (np.ones(ROWS + 1, dtype=bool), "give an array of 4 bools"),
        ([True] * ROWS, "give an array of 4 bools"),
        (np.ones(ROWS), "give an array of 4 bools"),
    ],
)
def test_a_reset_of_no_known_rows_is_refused(mask: object, message: str) -> None:
    """Numbers would be taken for positions, and no row for all."""
    vector = VectorEnvironment(_problem(), ROWS, AutoresetMode.DISABLED)
    with pytest.raises(InvalidReset, match=message):
        vector.reset(options={"reset_mask": mask})


def test_an_unknown_mode_is_refused() -> None:
    """A misspelt mode must not become another one."""
    with pytest.raises(InvalidReset, match="did you mean 'SameStep'"):
        VectorEnvironment(_problem(), ROWS, "SameStop")


def test_nothing_is_stepped_before_it_has_begun() -> None:
    """There is no state yet to decide in."""
    with pytest.raises(InvalidDecision, match="reset"):
        Environment(_problem()).step(np.int64(0))
    with pytest.raises(InvalidDecision, match="reset"):
        VectorEnvironment(_problem(), 1).step(np.zeros(1, dtype=int))


def test_gymnasium_s_vector_wrappers_work() -> None:
    """They read infos by the mask beside each, and keep their own books of ended rows."""
    vector = DictInfoToList(
        RecordEpisodeStatistics(VectorEnvironment(_problem(), ROWS, AutoresetMode.NEXT_STEP))
    )
    vector.reset(seed=0)
    lengths = []
    for _ in range(12):
        *_, infos = vector.step(np.array([2, 1, 0, 2]))
        lengths.append([info["episode"]["l"] if "episode" in info else 0 for info in infos])
    assert np.array(lengths)[:5].tolist() == [
        [0, 0, 0, 0], [0, 0, 0, 0], [3, 0, 0, 3], [0, 0, 0, 0], [0, 5, 5, 0]
    ]  # fmt: skip
