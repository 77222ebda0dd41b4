import pickle
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.objective import Constraint, Objective, Target
from sim.errors import InvalidSystem
from tests.systems import small_centre, unchecked

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


@pytest.mark.parametrize("cost", [np.nan, np.inf, -np.inf])
def test_a_cost_that_is_no_number_is_refused(cost: float) -> None:
    """Every reward would be nan or infinite, and a policy would learn nothing from it."""
    with pytest.raises(InvalidSystem, match=f"the cost of output 'call_wait' is {cost}: give a"):
        Objective.from_costs(DESCRIPTION, {"call_wait": cost}, {})
    with pytest.raises(InvalidSystem, match=f"of state component 'call_waiting' is {cost}: give"):
        Objective.from_costs(DESCRIPTION, {}, {"call_waiting": cost})
    with pytest.raises(InvalidSystem, match=f"target 'moves' has level {cost}: give a number"):
        Target(output="moves", level=cost, price=1.0)
    with pytest.raises(InvalidSystem, match=f"is {cost}: give a number"):
        OBJECTIVE.with_numbers(np.full_like(OBJECTIVE.numbers, cost))


def test_every_cost_has_a_name() -> None:
    """A record that is cut short would shift costs to other outputs."""
    record = OBJECTIVE.to_record() | {"output_weights": [1.0, 2.0]}
    with pytest.raises(InvalidSystem, match=r"output costs of shape \(2,\): one for each of "):
        Objective.from_record(record)


ABANDONMENT = Constraint(
    name="abandonment",
    numerator=("call_abandoned", "escalation_abandoned"),
    denominator=("call_arrivals",),
    limit=0.03,
    price=50.0,
)


def _objective(*constraints: Constraint, targets: tuple[Target, ...] = ()) -> Objective:
    return Objective.from_costs(
        DESCRIPTION, {"call_wait": 0.15}, {}, targets=targets, constraints=constraints
    )


def _epochs(**outputs: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = len(next(iter(outputs.values())))
    values = np.zeros((rows, len(DESCRIPTION.output_names)))
    for name, column in outputs.items():
        values[:, DESCRIPTION.output_names.index(name)] = column
    return values, np.zeros((rows, len(DESCRIPTION.state_names))), np.zeros(rows, dtype=bool)


def _again(objective: Objective) -> list[Objective]:
    """The same objective, got in every way."""
    return [
        pickle.loads(pickle.dumps(objective)),
        deepcopy(objective),
        replace(objective),
        Objective.from_record(objective.to_record()),
        objective.with_numbers(objective.numbers),
    ]


def test_objectives_that_want_the_same_are_equal() -> None:
    """They are compared and looked up by what they want, not by the arrays that hold it."""
    objective = _objective(ABANDONMENT, targets=(Target(output="moves", level=3.0, price=2.0),))
    for same in _again(objective):
        assert same == objective
        assert len({same, objective}) == 1
    for number in range(len(objective.numbers)):
        numbers = objective.numbers
        numbers[number] += 1.0
        assert objective.with_numbers(numbers) != objective
    unnamed = replace(ABANDONMENT, name="leaving")
    assert len({objective, replace(objective, constraints=(unnamed,)), OBJECTIVE}) == 3
    assert objective != "cheap"


def test_nobody_changes_an_objective_that_others_have() -> None:
    """Policies are trained, judged and kept by it: one that changed would be another's."""
    given = OBJECTIVE.numbers[: len(DESCRIPTION.output_names)]
    objective = replace(OBJECTIVE, output_weights=given)
    given[0] = 99.0
    assert objective == OBJECTIVE
    for same in (objective, *_again(objective)):
        for weights in (same.output_weights, same.closing_weights):
            with pytest.raises(ValueError, match="read-only"):
                weights[0] = 99.0


def test_only_what_exceeds_a_limit_is_paid_for_in_an_epoch() -> None:
    """3 of 100 may leave: the 4 and 1 who did are 2 too many, and a quiet epoch earns nothing."""
    epochs = _epochs(
        call_arrivals=[100.0, 100.0, 0.0],
        call_abandoned=[4.0, 1.0, 0.0],
        escalation_abandoned=[1.0, 0.0, 0.0],
    )
    assert _objective(ABANDONMENT).cost(*epochs) == pytest.approx([100.0, 0.0, 0.0])


def test_over_an_episode_one_epoch_makes_up_for_another() -> None:
    """The sum is the price times the excess of the whole day, however the day went."""
    objective = _objective(replace(ABANDONMENT, per="episode"))
    epochs = _epochs(call_arrivals=[100.0, 100.0], call_abandoned=[5.0, 2.0])
    assert objective.cost(*epochs).sum() == pytest.approx(50.0 * 1.0)
    assert objective.excess(epochs[0].sum(axis=0, keepdims=True))["abandonment"] == pytest.approx(1)


def test_a_share_may_be_wanted_high() -> None:
    """80 of 100 should be finished, and 75 were: five are missing."""
    level = Constraint(
        name="finished_share", numerator=("tier1_calls_finished",), denominator=("call_arrivals",),
        limit=0.8, price=2.0, sense="at_least",
    )  # fmt: skip
    objective = Objective.from_costs(DESCRIPTION, {}, {}, constraints=(level,))
    epochs = _epochs(call_arrivals=[100.0, 100.0], tier1_calls_finished=[75.0, 90.0])
    assert objective.cost(*epochs) == pytest.approx([10.0, 0.0])


def test_a_target_is_missed_on_either_side() -> None:
    """Squared distance, so that twice as far costs four times as much."""
    objective = Objective.from_costs(
        DESCRIPTION, {}, {}, targets=(Target(output="moves", level=3.0, price=2.0),)
    )
    assert objective.cost(*_epochs(moves=[3.0, 5.0, 1.0, 7.0])).tolist() == [0.0, 8.0, 8.0, 32.0]


def test_each_row_may_have_an_objective_of_its_own() -> None:
    """Costs under numbers of the rows are those of the objectives that have these numbers."""
    objective = _objective(ABANDONMENT, targets=(Target(output="moves", level=3.0, price=2.0),))
    assert len(objective.numbers) == len(set(objective.number_names))
    outputs, states, is_last = _draws(3)
    numbers = objective.numbers * np.random.default_rng(0).uniform(0.5, 2, (4, 1))
    together = objective.cost(outputs, states, is_last, numbers)
    for row in range(4):
        alone = objective.with_numbers(numbers[row])
        assert np.array_equal(alone.numbers, numbers[row])
        one = slice(row, row + 1)
        assert alone.cost(outputs[one], states[one], is_last[one]) == pytest.approx(together[one])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numerator": ("call_abandonned",)}, "to constrain; did you mean 'call_abandoned'"),
        ({"price": -1.0}, "the price of 'abandonment' is -1.0: give a number of 0 or more"),
        ({"limit": np.inf}, "has limit inf"),
        ({"sense": "at_mots"}, "did you mean 'at_most'"),
        ({"per": "epochs"}, "did you mean 'epoch'"),
    ],
)
def test_a_constraint_that_means_nothing_is_refused(changes: dict[str, Any], message: str) -> None:
    """It would be kept by everybody, or by nobody."""
    with unchecked(), pytest.raises(InvalidSystem, match=message):
        _objective(replace(ABANDONMENT, **changes))


def test_an_unknown_target_is_refused() -> None:
    """As an unknown cost is."""
    with pytest.raises(InvalidSystem, match="no output 'move' to aim at; did you mean 'moves'"):
        _objective(targets=(Target(output="move", level=0.0, price=1.0),))
