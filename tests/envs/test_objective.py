import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.objective import Objective
from sim.errors import InvalidSystem
from tests.systems import small_centre

DESCRIPTION = small_centre().describe()
OBJECTIVE = Objective.from_costs(
    DESCRIPTION, {"call_wait": 0.15, "moves": 1.0}, {"follow_up_waiting": 14.0}
)


def _draws(seed: int, rows: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return (
        random.uniform(0, 50, (rows, len(DESCRIPTION.output_names))),
        random.uniform(0, 50, (rows, len(DESCRIPTION.state_names))),
        random.random(rows) < 0.5,
    )


@given(seed=st.integers(0, 2**31), factor=st.floats(0, 10))
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_cost_is_linear_in_what_happened(seed: int, factor: float) -> None:
    """Only a linear objective lets costs of epochs add up to the cost of the day."""
    outputs, states, is_last = _draws(seed)
    more_outputs, more_states, _ = _draws(seed + 1)
    total = OBJECTIVE.cost(outputs + factor * more_outputs, states + factor * more_states, is_last)
    parts = OBJECTIVE.cost(outputs, states, is_last) + factor * OBJECTIVE.cost(
        more_outputs, more_states, is_last
    )
    np.testing.assert_allclose(total, parts)


def test_cost_depends_on_nothing_but_its_arguments_and_leaves_them_alone() -> None:
    """A pure function can score recorded data and live data alike, row by row."""
    outputs, states, is_last = _draws(0)
    kept = outputs.copy(), states.copy(), is_last.copy()
    whole = OBJECTIVE.cost(outputs, states, is_last)
    rows = [
        OBJECTIVE.cost(outputs[i : i + 1], states[i : i + 1], is_last[i : i + 1]) for i in range(4)
    ]
    np.testing.assert_allclose(whole, np.concatenate(rows))
    np.testing.assert_array_equal(whole, OBJECTIVE.cost(outputs, states, is_last))
    for before, after in zip(kept, (outputs, states, is_last), strict=True):
        np.testing.assert_array_equal(before, after)


def test_customers_left_are_paid_for_at_close_only() -> None:
    """A case that waits at noon is not yet a broken promise."""
    outputs = np.zeros((2, len(DESCRIPTION.output_names)))
    states = np.zeros((2, len(DESCRIPTION.state_names)))
    states[:, DESCRIPTION.state_names.index("follow_up_waiting")] = 3.0
    costs = OBJECTIVE.cost(outputs, states, np.array([False, True]))
    assert costs.tolist() == [0.0, 42.0]


def test_what_is_not_named_costs_nothing() -> None:
    """A scenario lists its costs, and no other output may leak into them."""
    named = [DESCRIPTION.output_names.index(name) for name in ("call_wait", "moves")]
    outputs = np.ones((1, len(DESCRIPTION.output_names)))
    outputs[:, named] = 0.0
    states = np.zeros((1, len(DESCRIPTION.state_names)))
    assert OBJECTIVE.cost(outputs, states, np.array([True])).tolist() == [0.0]


@pytest.mark.parametrize(
    ("outputs", "at_close", "message"),
    [
        ({"call_abandonned": 5.0}, {}, "'call_abandonned' to put a cost on; did you mean 'call_ab"),
        (
            {},
            {"call_wait": 5.0},
            "no state component 'call_wait' to put a cost on; did you mean 'call_waiting'",
        ),
    ],
)
def test_a_cost_on_something_unknown_is_refused(
    outputs: dict[str, float], at_close: dict[str, float], message: str
) -> None:
    """A misspelt cost would make its customers free."""
    with pytest.raises(InvalidSystem, match=message):
        Objective.from_costs(DESCRIPTION, outputs, at_close)
