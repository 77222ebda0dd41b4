"""The ratio of updates that two ways of training make."""

from __future__ import annotations

import pytest

from benchmarks.rows import Measurement, Origin, Row
from benchmarks.updating import Updating


def test_rates_are_compared_round_by_round() -> None:
    """A slow minute of the machine slows both arms of its round, and no other."""
    origin = Origin(run="1", commit="c", date="2026-01-01", machine="a machine")
    rows = [
        Row(
            benchmark="updating",
            origin=origin,
            measurement=Measurement(
                settings={"algorithm": algorithm, "what": who, "round": number},
                seconds={who: seconds * (1 + number)},
                answers={who: {"updates": 120.0}},
            ),
        )
        for algorithm in ("dqn", "sac")
        for number in range(3)
        for who, seconds in (("lean", 0.5), ("stock", 6.0))
    ]
    found = {figure.name: figure.value for figure in Updating().figures(rows)}
    assert found["dqn_vs_stock"] == found["sac_vs_stock"] == pytest.approx(12.0)
    assert found["dqn_lean_updates_per_second"] == pytest.approx(120.0)
    assert found["sac_stock_updates_per_second"] == pytest.approx(10.0)
