"""Actions held against their space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from service.sessions.moves import Moves
from service.sessions.refusal import Refused

BOX = Box(-np.inf, np.inf, (2,), np.float32)


@pytest.mark.parametrize(
    "given", [[1e39, 0.0], [0.0, -1e300], [float("nan"), 0.0], [10**400, 0], [2**70, 0]]
)
def test_numbers_that_single_precision_has_not_are_refused(given: list[Any]) -> None:
    """They would be played, and logged, as infinite."""
    with pytest.raises(Refused, match="invalid_action"):
        Moves(BOX, None).checked(given)


def test_numbers_of_any_box_are_kept_as_they_are_played() -> None:
    """The log is what a session is brought back from."""
    moves = Moves(BOX, None)
    kept = moves.checked([3e38, -1])
    np.testing.assert_array_equal(moves.played(kept), np.array([3e38, -1], dtype=np.float32))


@pytest.mark.parametrize("given", [10**30, -1, 3, True, 1.0, "1", None])
def test_what_is_no_choice_is_refused(given: Any) -> None:
    """Whole numbers of any length among them."""
    with pytest.raises(Refused, match="invalid_action"):
        Moves(Discrete(3), None).checked(given)
