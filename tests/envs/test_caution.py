from functools import partial

import numpy as np
import pytest

import envs
import surrogates
from envs.caution import AllCautions, Caution, DoubtPenalty, SupportPenalty, SupportStop
from envs.environment import Environment
from envs.vector import VectorEnvironment
from envs.world import SurrogateWorld
from sim.errors import InvalidSystem
from tests.envs.clockwork import ClockworkSurrogate, clockwork_problem
from tests.systems import unchecked

CLOCK = ClockworkSurrogate()


def _played(caution: Caution | None, actions: list[int]) -> list[tuple[float, float, bool, bool]]:
    """Reward, cost, terminated and truncated of each step."""
    changes = {} if caution is None else {"caution": caution}
    environment = Environment(
        clockwork_problem(build_world=partial(SurrogateWorld, CLOCK), **changes)
    )
    environment.reset(seed=0)
    steps = [environment.step(np.int64(action)) for action in actions]
    return [(reward, info["cost"], last, cut) for _, reward, last, cut, info in steps]


def test_doubt_is_paid_for_in_the_reward_and_not_in_the_cost() -> None:
    """After one turn and with another the clockwork doubts by 2: money lost is what it was."""
    plain, wary = _played(None, [1, 1]), _played(DoubtPenalty(surrogate=CLOCK, weight=0.5), [1, 1])
    assert [w[0] - p[0] for p, w in zip(plain, wary, strict=True)] == [-0.5, -1.0]
    assert [step[1] for step in plain] == [step[1] for step in wary]


def test_lack_of_support_is_paid_for() -> None:
    """Support is 1, 3/4 and 1/4, and half of it is enough: half of the weight is due at last."""
    caution = SupportPenalty(support=CLOCK, weight=2.0, enough=0.5)
    plain, wary = _played(None, [0, 1, 2]), _played(caution, [0, 1, 2])
    assert [w[0] - p[0] for p, w in zip(plain, wary, strict=True)] == [0.0, 0.0, -1.0]


def test_an_episode_stops_where_support_ends() -> None:
    """It is cut, not ended: what was cut off is worth something, and a learner must ask for it."""
    stop = SupportStop(support=CLOCK, least=0.5, penalty=3.0)
    steps = _played(stop, [1, 1, 1])
    assert [step[2:] for step in steps] == [(False, False), (False, False), (False, True)]
    plain = _played(None, [1, 1, 1])
    assert [w[0] - p[0] for p, w in zip(plain, steps, strict=True)] == [0.0, 0.0, -3.0]


def test_an_end_is_not_a_cut() -> None:
    """At the last epoch nothing is left to be cut off."""
    stop = SupportStop(support=CLOCK, least=1.0)
    assert _played(stop, [0, 0, 0, 0, 1])[-1][2:] == (True, False)


def test_cautions_add_up() -> None:
    """Each may price and each may stop."""
    both = AllCautions(
        cautions=(
            DoubtPenalty(surrogate=CLOCK, weight=1.0),
            SupportPenalty(support=CLOCK, weight=2.0, enough=1.0),
            SupportStop(support=CLOCK, least=0.5),
        )
    )
    plain, wary = _played(None, [1, 2]), _played(both, [1, 2])
    assert [w[0] - p[0] for p, w in zip(plain, wary, strict=True)] == [-1.5, -4.5]
    assert wary[-1][2:] == (False, True)


def test_rows_that_were_cut_begin_again() -> None:
    """A batch goes on, and says where it was cut and what was seen last."""
    problem = clockwork_problem(
        build_world=partial(SurrogateWorld, CLOCK), caution=SupportStop(support=CLOCK, least=0.5)
    )
    vector = VectorEnvironment(problem, 2)
    vector.reset(seed=0)
    vector.step(np.array([2, 0]))
    seen, _, terminated, truncated, infos = vector.step(np.array([1, 0]))
    assert (terminated.tolist(), truncated.tolist()) == ([False, False], [True, False])
    assert seen[0].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(infos["final_obs"][0], np.sqrt([3.0, 2.0]), rtol=1e-6)
    assert infos["_penalty"].all()


class Sure:
    """Has no doubt method."""


def test_a_surrogate_without_doubt_is_refused() -> None:
    """A penalty of nothing would look like certainty."""
    with unchecked(), pytest.raises(InvalidSystem, match="Sure cannot tell its doubt"):
        DoubtPenalty(surrogate=Sure(), weight=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [-1.0, np.inf])
def test_a_weight_that_rewards_doubt_is_refused(weight: float) -> None:
    """It would send the policy where the surrogate knows least."""
    with pytest.raises(InvalidSystem, match="give a number of 0 or more"):
        SupportPenalty(support=CLOCK, weight=weight)


def test_a_public_name_means_one_thing() -> None:
    """Whoever takes names from both packages would be given the one and expect the other."""
    shared = set(envs.__all__) & set(surrogates.__all__)
    assert [n for n in shared if getattr(envs, n) is not getattr(surrogates, n)] == []
